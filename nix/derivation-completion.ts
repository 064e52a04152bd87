/**
 * Ring: nix. From what an expression says of a derivation to its `.drv`: output paths, text, path and hash modulo, in one go. Upstream:
 * derivationStrictInternal in libexpr/primops.cc. An evaluation of a package set makes tens of thousands, most of which nobody reads: so
 * their texts are written as bytes, hashed and forgotten (derivation-printer.ts), and printed again for those who want them.
 */
import { DerivationPrinter, printedBytes, putOwnInputs, type PrintableDerivation } from './derivation-printer.ts'
import { typeOfOutputs, type DerivationOutput } from './derivation.ts'
import { fixedOutputHash, IMPURE_HASH, inputsModulo, type DerivationHash, type DerivationHashLookup } from './derivation-hash.ts'
import { sha256Base16 } from './hash.ts'
import { sortedUnique, unionSorted, type SortedMap } from './sorting.ts'
import { makeOutputPath, makeTextPathOfBase16 } from './store-path.ts'

export class CompletedDerivation {
  /** Absolute. */
  readonly drvPath: string
  /** Input derivations and sources, absolute, sorted. */
  readonly references: readonly string[]
  readonly hash: DerivationHash
  private readonly derivation: PrintableDerivation

  constructor(drvPath: string, references: readonly string[], hash: DerivationHash, derivation: PrintableDerivation) {
    this.drvPath = drvPath
    this.references = references
    this.hash = hash
    this.derivation = derivation
  }

  /** With the paths that can be known, sorted. */
  get outputs(): SortedMap<DerivationOutput> {
    return this.derivation.outputs
  }

  /** The text of the `.drv`, in memory that is used again: good until another derivation is completed or printed. */
  aterm(): Uint8Array {
    return held?.derivation === this.derivation ? held.text : printedBytes(this.derivation)
  }
}

const printer = new DerivationPrinter()
/** What the printer's buffer still holds: a store that writes each derivation asks for its text at once. */
let held: { readonly derivation: PrintableDerivation; readonly text: Uint8Array } | undefined

/** Outputs that are `deferred` get paths, unless an input is deferred itself; other kinds, and their variables, are as they should be. */
export function completeDerivation(draft: PrintableDerivation, lookup: DerivationHashLookup): CompletedDerivation {
  held = undefined
  const type = typeOfOutputs(draft.outputs.keys, draft.outputs.values)
  const followsFromText = type === 'input-addressed' || type === 'deferred'
  printer.writeBody(draft, followsFromText ? draft.outputs.keys : [])
  const { derivation, hash } = followsFromText ? fillOutputs(draft, lookup) : { derivation: draft, hash: hashOf(draft, type, lookup) }
  putOwnInputs(printer, derivation)
  const text = printer.text(derivation.outputs)
  held = { derivation, text }
  const references = referencesOf(draft)
  const drvPath = makeTextPathOfBase16(`${draft.name}.drv`, sha256Base16(text), references).toString()
  return new CompletedDerivation(drvPath, references, hash, derivation)
}

/** The paths that follow from the text without them; they are filled into the text that is being printed. */
function fillOutputs(draft: PrintableDerivation, lookup: DerivationHashLookup): { readonly derivation: PrintableDerivation; readonly hash: DerivationHash } {
  const { deferred, inputs } = inputsModulo(draft, lookup)
  const names = draft.outputs.keys
  printer.putInputs(inputs)
  if (deferred) {
    const outputs = { keys: names, values: names.map((): DerivationOutput => ({ kind: 'deferred' })) }
    return { derivation: { ...draft, outputs }, hash: { base16: sha256Base16(printer.text(outputs)), deferred, outputs: names } }
  }
  const masked = sha256Base16(printer.text(draft.outputs, true))
  const paths = names.map((name) => makeOutputPath(name, masked, draft.name).toString())
  const outputs = { keys: names, values: paths.map((path): DerivationOutput => ({ kind: 'input-addressed', path })) }
  const env = printer.fillGaps(draft.env, names, paths)
  return { derivation: { ...draft, outputs, env }, hash: { base16: sha256Base16(printer.text(outputs)), deferred, outputs: names } }
}

/** The hash modulo where no path follows from the text that is being printed. */
function hashOf(draft: PrintableDerivation, type: 'fixed' | 'floating' | 'impure', lookup: DerivationHashLookup): DerivationHash {
  const outputs = draft.outputs.keys
  if (type === 'impure') return { base16: IMPURE_HASH, deferred: true, outputs }
  if (type === 'fixed') return { base16: fixedOutputHash(draft.outputs.values[0] as DerivationOutput & { readonly kind: 'fixed' }), deferred: false, outputs }
  printer.putInputs(inputsModulo(draft, lookup).inputs)
  return { base16: sha256Base16(printer.text(draft.outputs)), deferred: true, outputs }
}

/** All that it refers to. */
function referencesOf({ inputDerivations: { keys }, dynamicInputs, inputSources }: PrintableDerivation): readonly string[] {
  return unionSorted(keys, dynamicInputs === undefined ? inputSources : sortedUnique([...inputSources, ...dynamicInputs.keys()]))
}
