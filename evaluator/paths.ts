/** Byte strings as file names: what the evaluator calls a path is bytes, and so are names on disk. */
import { Buffer } from 'node:buffer'

export const STORE = '/nix/store'

/** What node:fs takes: text where that is the same, else bytes. */
export function nativePath(path: string): string | Buffer {
  for (let at = 0; at < path.length; at++) if (path.charCodeAt(at) > 127) return Buffer.from(path, 'latin1')
  return path
}

/** A path that Node gave (a command's argument, a folder's name as text) as a byte string. */
export function byteStringOfNative(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** A byte string as text for people and for Node's other interfaces. */
export function textOfBytes(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8')
}

/** `/nix/store/HASH-NAME/rest` in its two parts (rest with its slash, or empty); undefined for anything else. */
export function splitStorePath(path: string): { readonly storePath: string; readonly rest: string } | undefined {
  if (!path.startsWith('/nix/store/') || path.length <= 11) return undefined
  const slash = path.indexOf('/', 11)
  return slash < 0 ? { storePath: path, rest: '' } : { storePath: path.slice(0, slash), rest: path.slice(slash) }
}

/** Whether a text can be a store path. */
export function isWellFormed(storePath: string): boolean {
  return /^\/nix\/store\/[0-9abcdfghijklmnpqrsvwxyz]{32}-[a-zA-Z0-9+\-._?=]+$/.test(storePath)
}
