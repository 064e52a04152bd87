/** For tests: what stock Nix said, as generate-goldens.ts wrote it down. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, 'golden')

export const EXPRESSIONS = join(folder, 'expressions')

export function goldenBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(folder, name)))
}

/** Absolute `.drv` path → its text. */
export function goldenDerivations(): Map<string, string> {
  const names = readdirSync(join(folder, 'derivations'))
  return new Map(names.map((name) => [`/nix/store/${name}`, readFileSync(join(folder, 'derivations', name), 'latin1')]))
}

export function goldenDerivationPaths(): Record<string, string> {
  return JSON.parse(readFileSync(join(folder, 'derivations.json'), 'utf8')) as Record<string, string>
}

export interface GoldenValues {
  readonly file: string
  /** `method:algorithm:nix32` → path of `some-name`. */
  readonly fixed: Record<string, string>
  readonly hashes: Record<'md5' | 'sha1' | 'sha256' | 'sha512', Record<'base16' | 'nix32' | 'base64' | 'sri', string>>
  readonly treePath: string
  readonly filePath: string
  readonly narinfos: Record<string, string>
  readonly versions: readonly string[]
  readonly names: readonly string[]
  readonly compared: readonly (readonly number[])[]
  readonly split: readonly (readonly string[])[]
  readonly parsedNames: readonly { readonly name: string; readonly version: string }[]
  readonly placeholders: Record<string, string>
}

interface GoldenPathInfo {
  readonly path: string
  readonly narHash: string
  readonly narSize: number
  readonly references: readonly string[]
  readonly ca?: string
  readonly closureSize?: number
}

interface GoldenBuild {
  readonly drvPath: string
  readonly derivation: string
  readonly outputs: readonly string[]
  readonly information: readonly GoldenPathInfo[]
  /** Base 64. */
  readonly nar?: string
  readonly content?: string
  readonly shell?: string
  readonly json?: string
}

export interface GoldenBuilds {
  readonly selfReferent: GoldenBuild
  readonly dependent: GoldenBuild
  readonly floatingDependent: GoldenBuild
  readonly structured: GoldenBuild
  readonly graph: GoldenBuild
  readonly passed: GoldenBuild
  readonly resolved: Record<string, string>
  readonly texts: readonly GoldenPathInfo[]
}

export function goldenValues(): GoldenValues {
  return JSON.parse(readFileSync(join(folder, 'values.json'), 'utf8')) as GoldenValues
}

export function goldenBuilds(): GoldenBuilds {
  return JSON.parse(readFileSync(join(folder, 'built.json'), 'utf8')) as GoldenBuilds
}
