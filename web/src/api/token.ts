/**
 * Ring: web. The token this browser signs in with: for this tab, or kept on the device. Who signs in with a name has a cookie instead, which no script
 * can read. A farm on one's own machine asks for neither.
 */

const KEY = 'firn-token'
const listeners = new Set<() => void>()

export function currentToken(): string | undefined {
  return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? undefined
}

export function authorization(): Record<string, string> {
  const token = currentToken()
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}

export function keepToken(token: string, onDevice: boolean): void {
  const storage = onDevice ? localStorage : sessionStorage
  storage.setItem(KEY, token)
  identityChanged()
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY)
  localStorage.removeItem(KEY)
  identityChanged()
}

/** Somebody else asks from now on. */
export function identityChanged(): void {
  for (const tell of listeners) tell()
}

export function onIdentityChange(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
