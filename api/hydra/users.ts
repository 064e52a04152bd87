/** Ring: api. Signing in under Hydra's addresses: hydra-cli does before it changes something. Upstream counterpart: Hydra::Controller::User. */
import { z } from 'zod'
import { FirnError } from '../../contract/errors.ts'
import type { SignIn } from '../access/sign-in.ts'
import type { HydraRoute } from './route.ts'

const credentials = z.object({ username: z.string().min(1, 'You must specify a user name.').max(100), password: z.string().min(1, 'You must specify a password.').max(1000) })

interface Who {
  readonly name: string | null
  readonly displayName: string | null
}

/** Hydra's fields; its roles are the whole farm's. */
function hydraUser({ name, displayName }: Who, administrator: boolean): Record<string, unknown> {
  return { username: name, fullname: displayName ?? name, emailaddress: '', userroles: administrator ? ['admin'] : [] }
}

export function userRoutes(signIn: SignIn): HydraRoute[] {
  return [
    {
      method: 'post', path: '/login', scope: 'open',
      async handle(call) {
        const { username, password } = call.body(credentials)
        const user = await signIn.withPassword(call.exchange, username, password)
        return { redirect: '/current-user', json: hydraUser(user, user.administrator) }
      },
    },
    {
      method: 'post', path: '/logout', scope: 'open',
      async handle(call) {
        await signIn.end(call.exchange)
        return { empty: true }
      },
    },
    {
      method: 'get', path: '/current-user', scope: 'read',
      handle(call) {
        const { principal } = call.exchange
        if (principal.name === null) throw new FirnError('forbidden', 'Nobody is signed in.')
        return Promise.resolve({ json: hydraUser(principal, principal.scopes.includes('administer')) })
      },
    },
  ]
}
