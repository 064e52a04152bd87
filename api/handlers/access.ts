/** Ring: api. Sessions, users, roles, credentials of projects, the audit log. */
import type { User } from '../../contract/access.ts'
import { FirnError } from '../../contract/errors.ts'
import { listAudit } from '../../state/audit.ts'
import { deleteCredential, listCredentials, putCredential } from '../../state/credentials.ts'
import { getProject } from '../../state/projects.ts'
import { deleteRole, deleteUser, getUser, listRoles, listUsers, putRole, putUser } from '../../state/users.ts'
import { cookie, cookieOf } from '../access/cookies.ts'
import { OPENID_COOKIE, OPENID_PATH, OPENID_SECONDS } from '../access/openid.ts'
import { hashPassword } from '../access/passwords.ts'
import type { SignIn } from '../access/sign-in.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { type Exchange, type Handlers, Reply } from '../http/router.ts'
import { idOfCursor, nameOfCursor, pageOf } from '../queries/page.ts'

type Names = 'getSession' | 'signIn' | 'signOut' | 'openIdSignIn' | 'openIdCallback' | 'changePassword' | 'listUsers' | 'getUser' | 'putUser' | 'deleteUser' | 'listRoles' | 'putRole' | 'deleteRole'
  | 'listCredentials' | 'putCredential' | 'deleteCredential' | 'listAudit' | 'listProjectAudit'

const PRIVATE = { 'Cache-Control': 'no-store' }

export function accessHandlers(dependencies: ApiDependencies, signIn: SignIn): Pick<Handlers, Names> {
  const { database: { db }, settings: { api } } = dependencies
  const baseUrl = ({ request }: Exchange): string => (api.publicUrl ?? `${request.protocol}://${request.headers.host ?? ''}`).replace(/\/+$/, '')

  async function roleOf(projectName: string, userName: string) {
    const [project, user] = await Promise.all([getProject(db, projectName), getUser(db, userName)])
    return { project, user, present: (role: User['roles'][number]['role']) => ({ user: user.name, displayName: user.displayName, role }) }
  }

  return {
    async getSession(_request, { principal }) {
      return new Reply(200, await signIn.present(principal), PRIVATE)
    },
    async signIn({ body }, exchange) {
      return new Reply(201, await signIn.presentUser(await signIn.withPassword(exchange, body.name, body.password)), PRIVATE)
    },
    async signOut(_request, exchange) {
      await signIn.end(exchange)
      return new Reply(200, await signIn.presentUser(undefined), PRIVATE)
    },
    async openIdSignIn({ query: { to } }, exchange) {
      const { location, cookie: text } = await signIn.openId.begin(`${baseUrl(exchange)}${OPENID_PATH}/callback`, to)
      exchange.response.append('Set-Cookie', cookie(api, OPENID_COOKIE, text, { seconds: OPENID_SECONDS, path: OPENID_PATH })).set(PRIVATE).redirect(302, location)
    },
    async openIdCallback(_request, exchange) {
      const { userId, to } = await signIn.openId.finish(db, new URL(exchange.request.originalUrl, `${baseUrl(exchange)}/`), cookieOf(exchange.request, OPENID_COOKIE))
      await signIn.begin(exchange, userId)
      exchange.response.append('Set-Cookie', cookie(api, OPENID_COOKIE, '', { seconds: 0, path: OPENID_PATH })).set(PRIVATE).redirect(302, to)
    },
    async changePassword({ body }, exchange) {
      const { kind, name } = exchange.principal
      if (kind !== 'user' || name === null) throw new FirnError('conflict', 'only who has signed in with a name has a password to change')
      return new Reply(200, await signIn.presentUser(await signIn.changePassword(exchange, name, body.old, body.new)), PRIVATE)
    },

    async listUsers({ query: { limit, cursor } }) {
      return pageOf(await listUsers(db, { after: nameOfCursor(cursor), limit: limit + 1 }), limit, (user) => user.name, (user) => user)
    },
    async getUser({ params }) {
      return await getUser(db, params.user)
    },
    async putUser({ params, body: { password, ...fields } }) {
      const { user, created } = await putUser(db, params.user, { ...fields, ...(password === undefined ? {} : { password: password === null ? null : await hashPassword(password) }) })
      return new Reply(created ? 201 : 200, user, { Location: `/api/v1/users/${user.name}` })
    },
    async deleteUser({ params }) {
      return await deleteUser(db, params.user)
    },

    async listRoles({ params }) {
      return { items: await listRoles(db, (await getProject(db, params.project)).id) }
    },
    async putRole({ params, body: { role } }) {
      const { project, user, present } = await roleOf(params.project, params.user)
      await putRole(db, project.id, user.id, role)
      return present(role)
    },
    async deleteRole({ params }) {
      const { project, user, present } = await roleOf(params.project, params.user)
      const role = await deleteRole(db, project.id, user.id)
      if (role === undefined) throw new FirnError('not-found', `user '${user.name}' has no role in project '${project.name}'`)
      return present(role)
    },

    async listCredentials({ params }) {
      return { items: (await listCredentials(db, (await getProject(db, params.project)).id)).map(shown) }
    },
    async putCredential({ params, body }) {
      const project = await getProject(db, params.project)
      await putCredential(dependencies, project.id, params.credential, body)
      return shown(await credentialOf(project.id, params.credential))
    },
    async deleteCredential({ params }) {
      const project = await getProject(db, params.project)
      const gone = await credentialOf(project.id, params.credential)
      await deleteCredential(db, project.id, params.credential)
      return shown(gone)
    },

    async listAudit({ query: { limit, cursor } }) {
      return pageOf(await listAudit(db, { before: idOfCursor(cursor), limit: limit + 1 }), limit, (entry) => entry.id, (entry) => entry)
    },
    async listProjectAudit({ params, query: { limit, cursor } }) {
      const { name } = await getProject(db, params.project)
      return pageOf(await listAudit(db, { project: name, before: idOfCursor(cursor), limit: limit + 1 }), limit, (entry) => entry.id, (entry) => entry)
    },
  }

  async function credentialOf(projectId: number, name: string) {
    const found = (await listCredentials(db, projectId)).find((one) => one.name === name)
    if (!found) throw new FirnError('not-found', `the project has no credential '${name}'`)
    return found
  }
}

function shown({ name, username, createdAt }: { readonly name: string; readonly username: string; readonly createdAt: Date }) {
  return { name, username, createdAt: createdAt.toISOString() }
}
