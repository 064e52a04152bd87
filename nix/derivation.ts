/**
 * Ring: nix. Derivations, and the ATerm text that a `.drv` file holds. Upstream: libstore/derivations.cc,
 * libstore/derivation/aterm.cc. Every string is a byte string (a character is a byte).
 * derivation-printer.ts prints them.
 *
 * The parser accepts what Nix prints, and is stricter than Nix where Nix forgives what it never writes: separators are
 * required and nothing may follow the end, so that a parsed derivation prints as the text it came from, provided its
 * lists were sorted.
 */
import { parseMethodAlgorithm, type ContentAddressMethod } from './content-address.ts'
import { AtermReader } from './aterm.ts'
import { printDerivation } from './derivation-printer.ts'
import { FormatError } from './errors.ts'
import { hashBytes, parseHashDigits, type Hash, type HashAlgorithm } from './hash.ts'
import { makeFixedOutputPath, makeTextPath, outputPathName, parseStorePath, type StorePath } from './store-path.ts'

export type DerivationOutput =
  /** The path follows from the derivation. */
  | { readonly kind: 'input-addressed'; readonly path: string }
  /** The path follows from a hash that the content must have. */
  | { readonly kind: 'fixed'; readonly path: string; readonly method: ContentAddressMethod; readonly hash: Hash }
  /** The path follows from whatever content the build gives. */
  | { readonly kind: 'floating'; readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm }
  /** Input-addressed, but some input's path isn't known before it is built. */
  | { readonly kind: 'deferred' }
  /** Built anew each time, with the network. */
  | { readonly kind: 'impure'; readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm }

/** Outputs wanted of a derivation that is itself an output (dynamic derivations, experimental in Nix). */
export interface DynamicInput {
  readonly outputs: readonly string[]
  readonly dynamic: ReadonlyMap<string, DynamicInput>
}

export interface Derivation {
  /** Without `.drv`; it isn't in the text, but follows from the file's name. */
  readonly name: string
  readonly outputs: ReadonlyMap<string, DerivationOutput>
  /** Absolute `.drv` path → names of its outputs. */
  readonly inputDerivations: ReadonlyMap<string, readonly string[]>
  /** Absolute `.drv` path → output that is a derivation → what is wanted of it. Absent where there is none. */
  readonly dynamicInputs?: ReadonlyMap<string, ReadonlyMap<string, DynamicInput>>
  /** Absolute store paths. */
  readonly inputSources: readonly string[]
  readonly system: string
  readonly builder: string
  readonly args: readonly string[]
  readonly env: ReadonlyMap<string, string>
}

export type DerivationType = 'input-addressed' | 'deferred' | 'fixed' | 'floating' | 'impure'

/** Reads a `.drv` text. Throws FormatError; also where a fixed output's path doesn't follow from its hash. */
export function parseDerivation(aterm: string, name: string): Derivation {
  const reader = new AtermReader(aterm)
  const dynamic = reader.takeIf('DrvWithVersion(')
  if (dynamic) {
    const version = reader.string()
    if (version !== 'xp-dyn-drv') throw reader.error(`unknown derivation format version '${version}'`)
    reader.take(',')
  } else {
    reader.take('Derive(')
  }

  const outputs = new Map<string, DerivationOutput>()
  reader.list(() => {
    reader.take('(')
    const outputName = reader.string()
    reader.take(',')
    const path = reader.string()
    reader.take(',')
    const methodAlgorithm = reader.string()
    reader.take(',')
    const hash = reader.string()
    reader.take(')')
    if (outputs.has(outputName)) throw reader.error(`output '${outputName}' is listed twice`)
    outputs.set(outputName, outputOf(name, outputName, path, methodAlgorithm, hash))
  })
  reader.take(',')

  const inputDerivations = new Map<string, readonly string[]>()
  const dynamicInputs = new Map<string, ReadonlyMap<string, DynamicInput>>()
  reader.list(() => {
    reader.take('(')
    const path = checkedPath(reader.string())
    reader.take(',')
    if (inputDerivations.has(path) || dynamicInputs.has(path)) throw reader.error(`input derivation '${path}' is listed twice`)
    const node = readInput(reader, dynamic)
    if (node.outputs.length === 0 && node.dynamic.size === 0) throw reader.error(`input derivation '${path}' is listed without outputs`)
    if (node.outputs.length > 0) inputDerivations.set(path, node.outputs)
    if (node.dynamic.size > 0) dynamicInputs.set(path, node.dynamic)
    reader.take(')')
  })
  reader.take(',')

  const inputSources = reader.strings()
  for (const path of inputSources) checkedPath(path)
  reader.take(',')
  const system = reader.string()
  reader.take(',')
  const builder = reader.string()
  reader.take(',')
  const args = reader.strings()
  reader.take(',')
  const env = new Map<string, string>()
  reader.list(() => {
    reader.take('(')
    const key = reader.string()
    reader.take(',')
    env.set(key, reader.string())
    reader.take(')')
  })
  reader.take(')')
  reader.end()

  return { name, outputs, inputDerivations, ...(dynamicInputs.size > 0 && { dynamicInputs }), inputSources, system, builder, args, env }
}

function readInput(reader: AtermReader, dynamicAllowed: boolean): DynamicInput {
  if (!dynamicAllowed || !reader.takeIf('(')) return { outputs: reader.strings(), dynamic: new Map() }
  const outputs = reader.strings()
  const dynamic = new Map<string, DynamicInput>()
  reader.take(',')
  reader.list(() => {
    reader.take('(')
    const outputName = reader.string()
    reader.take(',')
    dynamic.set(outputName, reader.nested(() => readInput(reader, true)))
    reader.take(')')
  })
  reader.take(')')
  return { outputs, dynamic }
}

/** A store path in a derivation must be written as Nix prints it. */
function checkedPath(path: string): string {
  parseStorePath(path)
  return path
}

function outputOf(name: string, outputName: string, path: string, methodAlgorithm: string, digits: string): DerivationOutput {
  if (methodAlgorithm === '') {
    if (digits !== '') throw new FormatError(`output '${outputName}' has a hash without an algorithm`)
    return path === '' ? { kind: 'deferred' } : { kind: 'input-addressed', path: checkedPath(path) }
  }
  const { method, algorithm } = parseMethodAlgorithm(methodAlgorithm)
  if (digits === '' || digits === 'impure') {
    if (path !== '') throw new FormatError(`output '${outputName}' has a path, which can't be known before it is built`)
    return { kind: digits === '' ? 'floating' : 'impure', method, algorithm }
  }
  const output = fixedOutput(name, outputName, method, parseHashDigits(digits, algorithm))
  if (output.path !== checkedPath(path)) throw new FormatError(`output '${outputName}' has path '${path}', which does not match its content address ('${output.path}')`)
  return output
}

/** A fixed output with the path that follows from its hash. */
export function fixedOutput(derivation: string, outputName: string, method: ContentAddressMethod, hash: Hash): DerivationOutput & { readonly kind: 'fixed' } {
  const path = makeFixedOutputPath(outputPathName(derivation, outputName), { method, hash }).toString()
  return { kind: 'fixed', path, method, hash }
}

/** All that a `.drv` refers to: its input derivations and sources, absolute, sorted. */
export function derivationReferences(derivation: Derivation): string[] {
  return [...new Set([...derivation.inputDerivations.keys(), ...(derivation.dynamicInputs?.keys() ?? []), ...derivation.inputSources])].sort()
}

/** The path of its `.drv`. Give the text where it was printed already. */
export function derivationPath(derivation: Derivation, aterm: string = printDerivation(derivation)): StorePath {
  return makeTextPath(`${derivation.name}.drv`, hashBytes('sha256', aterm), derivationReferences(derivation))
}

/** What its outputs have in common. FormatError where Nix allows no such mixture. */
export function derivationType({ outputs }: Pick<Derivation, 'outputs'>): DerivationType {
  return typeOfOutputs([...outputs.keys()], [...outputs.values()])
}

/** The same of outputs and their names. */
export function typeOfOutputs(names: readonly string[], outputs: readonly DerivationOutput[]): DerivationType {
  let type: DerivationType | undefined
  let algorithm: HashAlgorithm | undefined
  for (let i = 0; i < outputs.length; i++) {
    const output = outputs[i]!
    if (type !== undefined && type !== output.kind) throw new FormatError('can\'t mix derivation output types')
    if (type === 'fixed') throw new FormatError('only one fixed output is allowed')
    if (output.kind === 'fixed' && names[i] !== 'out') throw new FormatError('a single fixed output must be named \'out\'')
    if (output.kind === 'floating') {
      if (algorithm !== undefined && algorithm !== output.algorithm) throw new FormatError('all floating outputs must use the same hash algorithm')
      algorithm = output.algorithm
    }
    type = output.kind
  }
  if (type === undefined) throw new FormatError('a derivation must have at least one output')
  return type
}
