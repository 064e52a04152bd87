/**
 * Ring: nix. From what an expression says of a derivation to its `.drv`: output paths, text, path and hash modulo, in one go. Upstream:
 * derivationStrictInternal in libexpr/primops.cc. An evaluation of a package set spends a fifth of its time here, so what the three
 * texts have in common is printed once (derivation-printer.ts).
 */
import { BodyPrinter } from './derivation-printer.ts'
import { derivationReferences, derivationType, printDerivation, printInputs, printOutputs, type Derivation, type DerivationOutput } from './derivation.ts'
import { derivationHash, fillOutputPaths, fixedOutputHash, IMPURE_HASH, inputsModulo, type DerivationHash, type DerivationHashLookup } from './derivation-hash.ts'
import { sha256Base16 } from './hash.ts'
import { makeOutputPath, makeTextPathOfBase16 } from './store-path.ts'

export interface CompletedDerivation {
  /** With the paths that can be known. */
  readonly outputs: ReadonlyMap<string, DerivationOutput>
  readonly aterm: string
  /** Absolute. */
  readonly drvPath: string
  /** Input derivations and sources, absolute, sorted. */
  readonly references: readonly string[]
  readonly hash: DerivationHash
}

/** Outputs that are `deferred` get paths, unless an input is deferred itself; other kinds, and their variables, are as they should be. */
export function completeDerivation(draft: Derivation, lookup: DerivationHashLookup): CompletedDerivation {
  const references = derivationReferences(draft)
  if (draft.dynamicInputs !== undefined) {
    const filled = fillOutputPaths(draft, lookup)
    return completed(filled.outputs, printDerivation(filled), draft.name, references, derivationHash(filled, lookup))
  }
  const type = derivationType(draft)
  const printer = new BodyPrinter(draft)
  const inputs = printInputs(draft.inputDerivations)
  const names = [...draft.outputs.keys()]
  if (type !== 'deferred' && type !== 'input-addressed') {
    const aterm = `Derive(${printer.print(printOutputs(draft.outputs, false), inputs, (name) => draft.env.get(name)!)}`
    return completed(draft.outputs, aterm, draft.name, references, hashOf(type))
  }
  const { deferred, inputs: byHash } = inputsModulo(draft, lookup)
  const hashed = printInputs(byHash)
  const outputs = new Map<string, DerivationOutput>()
  const paths = new Map<string, string>()
  const masked = deferred ? '' : sha256Base16(`Derive(${printer.print(printOutputs(draft.outputs, true), hashed, () => '')}`)
  for (const name of names) {
    const path = deferred ? '' : makeOutputPath(name, masked, draft.name).toString()
    paths.set(name, path)
    outputs.set(name, deferred ? { kind: 'deferred' } : { kind: 'input-addressed', path })
  }
  const valueOf = (name: string): string => paths.get(name)!
  const printed = printOutputs(outputs, false)
  const base16 = sha256Base16(`Derive(${printer.print(printed, hashed, valueOf)}`)
  return completed(outputs, `Derive(${printer.print(printed, inputs, valueOf)}`, draft.name, references, { base16, deferred, outputs: names })

  function hashOf(kind: 'fixed' | 'floating' | 'impure'): DerivationHash {
    if (kind === 'impure') return { base16: IMPURE_HASH, deferred: true, outputs: names }
    if (kind === 'floating') return derivationHash(draft, lookup)
    return { base16: fixedOutputHash(draft.outputs.get('out') as DerivationOutput & { readonly kind: 'fixed' }), deferred: false, outputs: names }
  }
}

function completed(outputs: ReadonlyMap<string, DerivationOutput>, aterm: string, name: string, references: readonly string[], hash: DerivationHash): CompletedDerivation {
  const drvPath = makeTextPathOfBase16(`${name}.drv`, sha256Base16(aterm), references).toString()
  return { outputs, aterm, drvPath, references, hash }
}
