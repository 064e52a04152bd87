/**
 * Ring: nix. Hash modulo: the hash of a derivation that does not change when only the address of a download changes,
 * and the output paths that follow from it. Upstream: hashDerivationModulo in libstore/derivations.cc (since 2.36
 * libstore/derivation/modulo.cc).
 */
import { fixedOutput, derivationType, type Derivation, type DerivationOutput } from './derivation.ts'
import { printable, printDerivationModulo, type PrintableDerivation } from './derivation-printer.ts'
import { formatMethodAlgorithm } from './content-address.ts'
import { FormatError } from './errors.ts'
import { formatHash, sha256Base16 } from './hash.ts'
import { sortedMap, unionSorted, type SortedMap } from './sorting.ts'
import { makeOutputPath } from './store-path.ts'

/** What stands for a derivation in the hashes of those that have it as an input. Keep it per `.drv` path. */
export interface DerivationHash {
  /** SHA-256 in base 16, the same for each output. */
  readonly base16: string
  /** An output's path isn't known yet, so neither is that of anything input-addressed that depends on it. */
  readonly deferred: boolean
  readonly outputs: readonly string[]
}

/** Gives the hash of an input by its absolute `.drv` path: remembered, or computed by `derivationHash` of the parsed `.drv`. */
export type DerivationHashLookup = (drvPath: string) => DerivationHash

export const IMPURE_HASH = sha256Base16('impure')

/** The hash under which others have this derivation as an input. Its output paths must be filled in. */
export function derivationHash(derivation: Derivation, lookup: DerivationHashLookup): DerivationHash {
  return hashDerivationModulo(derivation, lookup, false)
}

/**
 * Nix's hash modulo. With `maskOutputs`, the derivation's own output paths don't enter: that is what they are made of,
 * and what identifies realisations of floating outputs.
 */
export function hashDerivationModulo(derivation: Derivation, lookup: DerivationHashLookup, maskOutputs: boolean): DerivationHash {
  const type = derivationType(derivation)
  const outputs = [...derivation.outputs.keys()]
  if (type === 'fixed') {
    const output = derivation.outputs.get('out') as DerivationOutput & { readonly kind: 'fixed' }
    return { base16: fixedOutputHash(output), deferred: false, outputs }
  }
  if (type === 'impure') return { base16: IMPURE_HASH, deferred: true, outputs }

  const sorted = printable(derivation)
  const { deferred, inputs } = inputsModulo(sorted, lookup)
  return { base16: sha256Base16(printDerivationModulo(sorted, inputs, maskOutputs)), deferred: deferred || type === 'floating', outputs }
}

/** Names of outputs by the hash of the input that they are of, and whether some input's paths aren't known yet. */
export function inputsModulo(derivation: Pick<PrintableDerivation, 'name' | 'inputDerivations' | 'dynamicInputs'>, lookup: DerivationHashLookup): { readonly deferred: boolean; readonly inputs: SortedMap<readonly string[]> } {
  // A deferred output may turn out to be known after all; only floating outputs here or below make it truly so.
  let deferred = (derivation.dynamicInputs?.size ?? 0) > 0
  const { keys, values } = derivation.inputDerivations
  const hashes = new Array<string>(keys.length)
  for (let i = 0; i < keys.length; i++) {
    const hash = lookup(keys[i]!)
    deferred ||= hash.deferred
    for (const outputName of values[i]!) {
      if (!hash.outputs.includes(outputName)) throw new FormatError(`derivation '${derivation.name}' wants output '${outputName}' of '${keys[i]!}', which has no such output`)
    }
    hashes[i] = hash.base16
  }
  return { deferred, inputs: united(sortedMap(hashes, values)) }
}

/** Downloads of the same content from different places are one input. */
function united(inputs: SortedMap<readonly string[]>): SortedMap<readonly string[]> {
  const { keys, values } = inputs
  if (keys.every((key, i) => key !== keys[i - 1])) return inputs
  const all = new Map<string, readonly string[]>()
  for (let i = 0; i < keys.length; i++) all.set(keys[i]!, unionSorted(all.get(keys[i]!) ?? [], values[i]!))
  return { keys: [...all.keys()], values: [...all.values()] }
}

/** What stands for a fixed output: its content, however that is made. */
export function fixedOutputHash(output: DerivationOutput & { readonly kind: 'fixed' }): string {
  return sha256Base16(`fixed:out:${formatMethodAlgorithm(output.method, output.hash.algorithm)}:${formatHash(output.hash, 'base16')}:${output.path}`)
}

/**
 * The derivation with its output paths, and the environment variables that hold them, as far as they can be known:
 * outputs that are `deferred` become `input-addressed`, unless an input is deferred itself. The paths of fixed outputs
 * only enter the environment. Paths that were there already are computed again, whatever they were.
 */
export function fillOutputPaths(derivation: Derivation, lookup: DerivationHashLookup): Derivation {
  const type = derivationType(derivation)
  if (type === 'floating' || type === 'impure') return derivation
  const outputs = new Map(derivation.outputs)
  const env = new Map(derivation.env)
  if (type === 'fixed') {
    const output = derivation.outputs.get('out') as DerivationOutput & { readonly kind: 'fixed' }
    const filled = fixedOutput(derivation.name, 'out', output.method, output.hash)
    outputs.set('out', filled)
    env.set('out', filled.path)
    return { ...derivation, outputs, env }
  }
  const hash = hashDerivationModulo(derivation, lookup, true)
  for (const outputName of derivation.outputs.keys()) {
    if (hash.deferred) {
      outputs.set(outputName, { kind: 'deferred' })
      env.set(outputName, '')
    } else {
      const path = makeOutputPath(outputName, hash.base16, derivation.name).toString()
      outputs.set(outputName, { kind: 'input-addressed', path })
      env.set(outputName, path)
    }
  }
  return { ...derivation, outputs, env }
}

/**
 * Checks a derivation that someone else made: its output paths must be those that follow from it, and the environment
 * variables named after outputs must hold them. Throws FormatError with the difference.
 */
export function checkOutputPaths(derivation: Derivation, lookup: DerivationHashLookup): void {
  const filled = fillOutputPaths(derivation, lookup)
  for (const [outputName, right] of filled.outputs) {
    const given = derivation.outputs.get(outputName)!
    if (given.kind !== right.kind) throw new FormatError(`derivation '${derivation.name}' has output '${outputName}' of kind ${given.kind}, should be ${right.kind}`)
    if (!('path' in given) || !('path' in right)) continue
    if (given.path !== right.path) throw new FormatError(`derivation '${derivation.name}' has incorrect output '${given.path}', should be '${right.path}'`)
    const variable = derivation.env.get(outputName)
    if (variable !== right.path) throw new FormatError(`derivation '${derivation.name}' has incorrect environment variable '${outputName}', should be '${right.path}'`)
  }
}

/** Paths of its outputs by name; undefined where they aren't known before the build. */
export function outputPaths(derivation: Derivation): ReadonlyMap<string, string | undefined> {
  return new Map([...derivation.outputs].map(([outputName, output]) => [outputName, 'path' in output ? output.path : undefined]))
}
