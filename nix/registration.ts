/**
 * Ring: nix. The text that `nix-store --register-validity` reads and that a build finds in the files of
 * `exportReferencesGraph`. Upstream: makeValidityRegistration in libstore/store-api.cc.
 */
import { FormatError } from './errors.ts'
import { formatHash, parseHashDigits, type Hash } from './hash.ts'
import { parseStorePath } from './store-path.ts'

export interface Registration {
  /** Absolute. */
  readonly path: string
  /** Both or neither. */
  readonly narHash?: Hash
  readonly narSize?: number
  /** Absolute. */
  readonly deriver?: string
  /** Absolute. */
  readonly references: readonly string[]
}

/** Prints them sorted by path. The hash is printed with `withHashes` (`--hash-given`), the deriver where there is one. */
export function formatRegistrations(registrations: readonly Registration[], withHashes: boolean): string {
  let text = ''
  for (const { path, narHash, narSize, deriver, references } of [...registrations].sort((left, right) => (left.path < right.path ? -1 : 1))) {
    text += `${path}\n`
    if (withHashes) {
      if (narHash === undefined || narSize === undefined) throw new FormatError(`the NAR hash of '${path}' is not known`)
      text += `${formatHash(narHash, 'base16')}\n${narSize}\n`
    }
    text += `${deriver ?? ''}\n${references.length}\n${[...references].sort().map((reference) => `${reference}\n`).join('')}`
  }
  return text
}

/** Reads what `nix-store --dump-db` or `formatRegistrations` printed. */
export function parseRegistrations(text: string, withHashes: boolean): Registration[] {
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new FormatError('a registration must end with a line\'s end')
  let position = 0
  const next = (): string => {
    const line = lines[position++]
    if (line === undefined) throw new FormatError('the registration ends too early')
    return line
  }
  const count = (): number => {
    const line = next()
    if (!/^[0-9]{1,15}$/.test(line)) throw new FormatError(`not a number: '${line}' at line ${position}`)
    return Number(line)
  }
  const storePath = (line: string): string => parseStorePath(line).toString()
  const registrations: Registration[] = []
  while (position < lines.length) {
    const path = storePath(next())
    const narHash = withHashes ? parseHashDigits(next(), 'sha256') : undefined
    const narSize = withHashes ? count() : undefined
    const deriver = next()
    const references = Array.from({ length: Math.min(count(), lines.length) }, () => storePath(next()))
    registrations.push({ path, ...(narHash && { narHash }), ...(narSize !== undefined && { narSize }), ...(deriver !== '' && { deriver: storePath(deriver) }), references })
  }
  return registrations
}
