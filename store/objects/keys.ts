/** Ring: store. The shape of object keys, so that no backend has to escape anything. */
import { FirnError } from '../../contract/errors.ts'

/** Throws 'invalid-input' unless it is `/`-separated words of [A-Za-z0-9._-], none of them '.' or '..'. */
export function checkKey(key: string): string {
  const valid = key.length <= 512 && key.split('/').every((word) => /^[A-Za-z0-9._-]+$/.test(word) && word !== '.' && word !== '..')
  if (!valid) throw new FirnError('invalid-input', `not an object key: '${key}'`)
  return key
}

export function notFound(key: string, cause?: unknown): FirnError {
  return new FirnError('not-found', `no object '${key}'`, { data: { key }, cause })
}
