/** Ring: web. The token this browser signs in with: for this tab, or kept on the device. A farm on one's own machine asks for none. */

const KEY = 'firn-token'
const listeners = new Set<() => void>()

export function currentToken(): string | undefined {
  return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? undefined
}

export function authorization(): Record<string, string> {
  const token = currentToken()
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}

export function signIn(token: string, keep: boolean): void {
  const storage = keep ? localStorage : sessionStorage
  storage.setItem(KEY, token)
  for (const tell of listeners) tell()
}

export function signOut(): void {
  sessionStorage.removeItem(KEY)
  localStorage.removeItem(KEY)
  for (const tell of listeners) tell()
}

export function onTokenChange(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
