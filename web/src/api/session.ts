/** Ring: web. Who this browser is to the farm, and signing in and out. */
import { useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query'
import type { Session } from '../../../contract/access.ts'
import { call, fetchFromFarm } from './client.ts'
import { forgetToken, keepToken } from './token.ts'

export function useSession(): UseQueryResult<Session> {
  return useQuery({ queryKey: ['session'], queryFn: ({ signal }) => call('getSession', {}, signal) })
}

interface SignIn {
  /** Errors: ApiError. */
  byName(name: string, password: string): Promise<void>
  byToken(token: string, onDevice: boolean): Promise<void>
  out(): Promise<void>
}

/** Afterwards everything that is shown is asked for anew. */
export function useSignIn(): SignIn {
  const client = useQueryClient()
  return {
    byName: async (name, password) => {
      await call('signIn', { body: { name, password } })
      // a token would be sent too, and be believed before the cookie
      forgetToken()
      await client.resetQueries()
    },
    byToken: async (token, onDevice) => {
      await fetchFromFarm('/api/v1/status', { headers: { authorization: `Bearer ${token}` } })
      keepToken(token, onDevice)
      await client.resetQueries()
    },
    out: async () => {
      forgetToken()
      await call('signOut', {})
      await client.resetQueries()
    },
  }
}
