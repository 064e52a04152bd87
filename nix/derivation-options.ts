/**
 * Ring: nix. What a derivation asks of whoever builds it, by attributes with a meaning of their own. They are
 * environment variables, or structured attributes, where booleans and lists are real ones and top-level checks of
 * references count for nothing. Upstream: libstore/derivation-options.cc (since 2.26).
 *
 * Give a resolved derivation: a placeholder of a path that isn't known yet is taken for the name of an output.
 */
import { encodeBase32 } from './base32.ts'
import { byteStringOfText } from './bytes.ts'
import type { Derivation } from './derivation.ts'
import { FormatError } from './errors.ts'
import { hashBytes } from './hash.ts'
import { isJsonObject, JsonNumber, type Json, type JsonObject } from './json.ts'
import { isStorePath, storePathOf } from './store-path.ts'
import { parseStructuredAttributes, STRUCTURED_ATTRIBUTES_VARIABLE, type StructuredAttributes } from './structured-attributes.ts'

/** An output of the derivation itself by its name, or an absolute store path. */
export type ReferenceSpecifier =
  | { readonly kind: 'output'; readonly name: string }
  | { readonly kind: 'path'; readonly path: string }

export interface OutputChecks {
  /** References of an output to itself don't count among its requisites (how it was before structured attributes). */
  readonly ignoreSelfReferences: boolean
  /** Bytes of the NAR. */
  readonly maximumSize?: number
  /** Bytes of the NARs of the closure. */
  readonly maximumClosureSize?: number
  /** Absent: all are allowed. */
  readonly allowedReferences?: readonly ReferenceSpecifier[]
  readonly disallowedReferences: readonly ReferenceSpecifier[]
  readonly allowedRequisites?: readonly ReferenceSpecifier[]
  readonly disallowedRequisites: readonly ReferenceSpecifier[]
}

export interface DerivationOptions {
  readonly structuredAttributes?: StructuredAttributes
  readonly outputChecks:
    | { readonly kind: 'all-outputs'; readonly checks: OutputChecks }
    | { readonly kind: 'per-output'; readonly checks: ReadonlyMap<string, OutputChecks> }
  /** Names of outputs whose references aren't looked for. */
  readonly unsafeDiscardReferences: ReadonlySet<string>
  /** Variables that are passed as files, sorted. Never with structured attributes. */
  readonly passAsFile: readonly string[]
  /** Name of a file (or key of `.attrs.json`) → absolute store paths whose closure it describes. */
  readonly exportReferencesGraph: ReadonlyMap<string, readonly string[]>
  /** Variables taken from the builder's environment; of effect for fixed outputs and impure derivations only. */
  readonly impureEnvVars: readonly string[]
  /** As written; sorted. */
  readonly requiredSystemFeatures: readonly string[]
  readonly preferLocalBuild: boolean
  readonly allowSubstitutes: boolean
  readonly noChroot: boolean
  /** Three that mean something on macOS only. */
  readonly sandboxProfile: string
  readonly impureHostDeps: readonly string[]
  readonly allowLocalNetworking: boolean
  /** Attributes without effect that look as if they had one. */
  readonly warnings: readonly string[]
}

/** Reads them. Throws FormatError with the attribute's name where one is malformed. */
export function derivationOptions(derivation: Derivation): DerivationOptions {
  const json = derivation.env.get(STRUCTURED_ATTRIBUTES_VARIABLE)
  return json === undefined ? optionsOfEnvironment(derivation.env) : optionsOfStructured(parseStructuredAttributes(json), derivation.env)
}

/** Name of the file that holds a variable of `passAsFile`, below the build's folder; `<name>Path` points to it. */
export function passAsFileName(variable: string): string {
  return `.attr-${encodeBase32(hashBytes('sha256', variable).bytes)}`
}

function optionsOfEnvironment(env: ReadonlyMap<string, string>): DerivationOptions {
  const set = (name: string): string[] | undefined => {
    const text = env.get(name)
    return text === undefined ? undefined : sortedUnique(tokens(text))
  }
  const flag = (name: string, otherwise: boolean): boolean => {
    const text = env.get(name)
    return text === undefined ? otherwise : text === '1'
  }
  const specifiers = (name: string): ReferenceSpecifier[] | undefined => set(name)?.map(specifierOf)
  const allowedReferences = specifiers('allowedReferences')
  const allowedRequisites = specifiers('allowedRequisites')
  return {
    outputChecks: {
      kind: 'all-outputs',
      checks: {
        ignoreSelfReferences: true,
        ...(allowedReferences && { allowedReferences }),
        disallowedReferences: specifiers('disallowedReferences') ?? [],
        ...(allowedRequisites && { allowedRequisites }),
        disallowedRequisites: specifiers('disallowedRequisites') ?? [],
      },
    },
    unsafeDiscardReferences: new Set(),
    passAsFile: set('passAsFile') ?? [],
    exportReferencesGraph: graphsOfText(env.get('exportReferencesGraph') ?? ''),
    impureEnvVars: set('impureEnvVars') ?? [],
    requiredSystemFeatures: set('requiredSystemFeatures') ?? [],
    preferLocalBuild: flag('preferLocalBuild', false),
    allowSubstitutes: flag('allowSubstitutes', true),
    noChroot: flag('__noChroot', false),
    sandboxProfile: env.get('__sandboxProfile') ?? '',
    impureHostDeps: set('__impureHostDeps') ?? [],
    allowLocalNetworking: flag('__darwinAllowLocalNetworking', false),
    warnings: env.has('unsafeDiscardReferences') ? ['\'unsafeDiscardReferences\' has an effect with \'__structuredAttrs\' only'] : [],
  }
}

const IGNORED_WITH_STRUCTURED = ['allowedReferences', 'allowedRequisites', 'disallowedReferences', 'disallowedRequisites', 'maxSize', 'maxClosureSize']

function optionsOfStructured(attributes: StructuredAttributes, env: ReadonlyMap<string, string>): DerivationOptions {
  const set = (name: string): string[] => {
    const value = attributes.get(name)
    return value === undefined ? [] : sortedUnique(stringList(value, name))
  }
  const flag = (name: string, otherwise: boolean): boolean => {
    const value = attributes.get(name)
    return value === undefined ? otherwise : boolean(value, name)
  }
  const profile = attributes.get('__sandboxProfile')
  const graphs = attributes.get('exportReferencesGraph')
  const warnings = IGNORED_WITH_STRUCTURED.filter((name) => attributes.has(name))
    .map((name) => `'structuredAttrs' disables the effect of the top-level attribute '${name}'; use 'outputChecks' instead`)
  if (env.has('passAsFile') || attributes.has('passAsFile')) warnings.push('\'structuredAttrs\' disables the effect of \'passAsFile\', because all JSON is always passed via file')
  if (graphs !== undefined && !isJsonObject(graphs)) warnings.push('\'exportReferencesGraph\' in structured attributes is not an object, ignoring it')
  return {
    structuredAttributes: attributes,
    outputChecks: { kind: 'per-output', checks: checksOfJson(attributes.get('outputChecks')) },
    unsafeDiscardReferences: discarded(attributes.get('unsafeDiscardReferences')),
    passAsFile: [],
    exportReferencesGraph: isJsonObject(graphs) ? graphsOfJson(graphs) : new Map(),
    impureEnvVars: set('impureEnvVars'),
    requiredSystemFeatures: set('requiredSystemFeatures'),
    preferLocalBuild: flag('preferLocalBuild', false),
    allowSubstitutes: flag('allowSubstitutes', true),
    noChroot: flag('__noChroot', false),
    sandboxProfile: profile === undefined ? '' : string(profile, '__sandboxProfile'),
    impureHostDeps: set('__impureHostDeps'),
    allowLocalNetworking: flag('__darwinAllowLocalNetworking', false),
    warnings,
  }
}

function checksOfJson(value: Json | undefined): Map<string, OutputChecks> {
  const result = new Map<string, OutputChecks>()
  if (value === undefined) return result
  for (const [output, checks] of object(value, 'outputChecks')) {
    const where = `outputChecks.${output}`
    const fields = object(checks, where)
    const specifiers = (name: string): ReferenceSpecifier[] | undefined => {
      const list = fields.get(name)
      return list === undefined ? undefined : sortedUnique(stringList(list, `${where}.${name}`)).map(specifierOf)
    }
    const size = (name: string): number | undefined => {
      const number = fields.get(name)
      return number === undefined ? undefined : sizeOf(number, `${where}.${name}`)
    }
    const maximumSize = size('maxSize')
    const maximumClosureSize = size('maxClosureSize')
    const allowedReferences = specifiers('allowedReferences')
    const allowedRequisites = specifiers('allowedRequisites')
    result.set(byteStringOfText(output), {
      ignoreSelfReferences: false,
      ...(maximumSize !== undefined && { maximumSize }),
      ...(maximumClosureSize !== undefined && { maximumClosureSize }),
      ...(allowedReferences && { allowedReferences }),
      disallowedReferences: specifiers('disallowedReferences') ?? [],
      ...(allowedRequisites && { allowedRequisites }),
      disallowedRequisites: specifiers('disallowedRequisites') ?? [],
    })
  }
  return result
}

function discarded(value: Json | undefined): Set<string> {
  const outputs = new Set<string>()
  if (value === undefined) return outputs
  for (const [output, flag] of object(value, 'unsafeDiscardReferences')) {
    if (boolean(flag, `unsafeDiscardReferences.${output}`)) outputs.add(byteStringOfText(output))
  }
  return outputs
}

function graphsOfText(text: string): Map<string, readonly string[]> {
  const words = tokens(text)
  if (words.length % 2 !== 0) throw new FormatError(`odd number of tokens in 'exportReferencesGraph': '${text}'`)
  const graphs = new Map<string, readonly string[]>()
  for (let index = 0; index < words.length; index += 2) {
    const fileName = words[index]!
    if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(fileName)) throw new FormatError(`invalid file name '${fileName}' in 'exportReferencesGraph'`)
    graphs.set(fileName, [storePathOf(words[index + 1]!).storePath.toString()])
  }
  return graphs
}

function graphsOfJson(value: JsonObject): Map<string, readonly string[]> {
  const graphs = new Map<string, readonly string[]>()
  for (const [key, paths] of value) {
    const flat: string[] = []
    const flatten = (item: Json): void => {
      if (Array.isArray(item)) (item as readonly Json[]).forEach(flatten)
      else if (typeof item === 'string') flat.push(storePathOf(item).storePath.toString())
      else throw new FormatError('\'exportReferencesGraph\' value is not an array or a string')
    }
    flatten(paths)
    graphs.set(key, sortedUnique(flat))
  }
  return graphs
}

function specifierOf(text: string): ReferenceSpecifier {
  return isStorePath(text) ? { kind: 'path', path: text } : { kind: 'output', name: text }
}

function tokens(text: string): string[] {
  return text.split(/[ \t\n\r]+/).filter((token) => token !== '')
}

function sortedUnique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort()
}

function wrong(name: string, expected: string): FormatError {
  return new FormatError(`attribute '${name}' of a derivation must be ${expected}`)
}

function object(value: Json, name: string): JsonObject {
  if (!isJsonObject(value)) throw wrong(name, 'an attribute set')
  return value
}

function string(value: Json, name: string): string {
  if (typeof value !== 'string') throw wrong(name, 'a string')
  return byteStringOfText(value)
}

function stringList(value: Json, name: string): string[] {
  if (!Array.isArray(value)) throw wrong(name, 'a list of strings')
  return (value as readonly Json[]).map((item) => string(item, name))
}

function boolean(value: Json, name: string): boolean {
  if (typeof value !== 'boolean') throw wrong(name, 'a boolean')
  return value
}

function sizeOf(value: Json, name: string): number {
  const size = value instanceof JsonNumber && value.isInteger ? Number(value.text) : Number.NaN
  if (!Number.isSafeInteger(size) || size < 0) throw wrong(name, 'a number of bytes')
  return size
}
