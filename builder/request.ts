/**
 * Ring: builder. From a derivation to what its build needs, pure. Upstream: initEnv in
 * libstore/unix/build/derivation-builder.cc, libstore/build/derivation-env-desugar.cc.
 */
import { FirnError } from '../contract/errors.ts'
import { derivationType, type Derivation } from '../nix/derivation.ts'
import { passAsFileName, type DerivationOptions } from '../nix/derivation-options.ts'
import { hashPlaceholder } from '../nix/placeholder.ts'
import { formatRegistrations } from '../nix/registration.ts'
import { rewriteString } from '../nix/rewriting.ts'
import { makeStorePath, outputPathName, parseStorePath, STORE_DIRECTORY, type StorePath } from '../nix/store-path.ts'
import { prepareStructuredAttributes, renderAttributesJson, renderAttributesShell, type ExportedPath } from '../nix/structured-attributes.ts'
import { BUILD_FOLDER } from './container/oci-spec.ts'
import type { BuildInput, BuildLimits, BuildOutput, BuildRequest } from './interface.ts'

export interface RequestInputs {
  /** Path of the `.drv`: scratch paths are made from it. */
  readonly drvPath: StorePath
  /** The closure of all inputs, laid out. */
  readonly closure: readonly BuildInput[]
  /** For each key of `exportReferencesGraph`, the closure it asks for. */
  readonly graphs?: ReadonlyMap<string, readonly ExportedPath[]>
}

export interface RequestSettings {
  /** `NIX_BUILD_CORES`. */
  readonly cores: number
  readonly limits: BuildLimits
  /** Whether this machine has /dev/kvm for builds. */
  readonly kvm: boolean
  /** Where `impureEnvVars` come from: the worker's own environment, or a part of it. */
  readonly impureEnvironment: Readonly<Record<string, string | undefined>>
}

/**
 * The request for a derivation that is resolved: no input placeholders are left. Throws FirnError 'invalid-input' for one that
 * can't be built in a sandbox at all.
 */
export function buildRequestOf(derivation: Derivation, options: DerivationOptions, inputs: RequestInputs, settings: RequestSettings): BuildRequest {
  const type = derivationType(derivation)
  if (derivation.builder.startsWith('builtin:')) throw new FirnError('invalid-input', `there is no built-in builder '${derivation.builder.slice('builtin:'.length)}' that runs in a container`)
  if (options.noChroot) throw new FirnError('invalid-input', `derivation '${derivation.name}' has '__noChroot' set, but builds are always sandboxed`)
  const outside = type === 'fixed' || type === 'impure'
  const outputs = outputsOf(derivation, inputs.drvPath)
  const rewrites = new Map(outputs.map(({ name, storePath }) => [hashPlaceholder(name), storePath.toString()]))
  const rewrite = (text: string): string => rewriteString(text, rewrites)
  const { variables, files } = options.structuredAttributes === undefined
    ? plainAttributes(derivation, options, inputs)
    : structuredAttributes(derivation, options, inputs)

  return {
    name: derivation.name,
    system: derivation.system,
    builder: derivation.builder,
    args: derivation.args.map(rewrite),
    environment: new Map(environmentOf(variables, options, settings, type === 'fixed', outside).map(([name, value]) => [rewrite(name), rewrite(value)])),
    files: new Map([...files].map(([name, content]) => [name, rewrite(content)])),
    inputs: inputs.closure,
    outputs,
    network: outside ? 'outside' : 'none',
    kvm: settings.kvm,
    limits: settings.limits,
  }
}

/** Where the build writes each output. What has no path yet gets one that nothing else can have. */
export function outputsOf(derivation: Derivation, drvPath: StorePath): BuildOutput[] {
  return [...derivation.outputs].map(([name, output]) => ({
    name,
    storePath: output.kind === 'input-addressed' || output.kind === 'fixed' ? parseStorePath(output.path) : scratchPath(drvPath, derivation.name, name),
  }))
}

/** As Nix names it, so that a build that tells its own path to its output gives the same bytes. */
function scratchPath(drvPath: StorePath, derivation: string, outputName: string): StorePath {
  return makeStorePath(`rewrite:${drvPath.baseName}:name:${outputName}`, { algorithm: 'sha256', bytes: new Uint8Array(32) }, outputPathName(derivation, outputName))
}

interface Attributes {
  readonly variables: ReadonlyMap<string, string>
  readonly files: ReadonlyMap<string, string>
}

function plainAttributes(derivation: Derivation, options: DerivationOptions, inputs: RequestInputs): Attributes {
  const variables = new Map<string, string>()
  const files = new Map<string, string>()
  const asFile = new Set(options.passAsFile)
  for (const [name, value] of derivation.env) {
    if (asFile.has(name)) {
      variables.set(`${name}Path`, `${BUILD_FOLDER}/${passAsFileName(name)}`)
      files.set(passAsFileName(name), value)
    } else {
      variables.set(name, value)
    }
  }
  for (const key of options.exportReferencesGraph.keys()) files.set(key, formatRegistrations(graphOf(inputs, key).map(({ path, references }) => ({ path, references })), false))
  return { variables, files }
}

function structuredAttributes(derivation: Derivation, options: DerivationOptions, inputs: RequestInputs): Attributes {
  const placeholders = new Map([...derivation.outputs.keys()].map((name) => [name, hashPlaceholder(name)]))
  const graphs = new Map([...options.exportReferencesGraph.keys()].map((key) => [key, graphOf(inputs, key)]))
  const attributes = prepareStructuredAttributes(options.structuredAttributes!, placeholders, graphs)
  return {
    variables: new Map([['NIX_ATTRS_SH_FILE', `${BUILD_FOLDER}/.attrs.sh`], ['NIX_ATTRS_JSON_FILE', `${BUILD_FOLDER}/.attrs.json`]]),
    files: new Map([['.attrs.sh', renderAttributesShell(attributes)], ['.attrs.json', renderAttributesJson(attributes)]]),
  }
}

function graphOf(inputs: RequestInputs, key: string): readonly ExportedPath[] {
  const graph = inputs.graphs?.get(key)
  if (graph === undefined) throw new FirnError('internal', `the closure for '${key}' of exportReferencesGraph was not given`)
  return graph
}

/** Sorted by name, as Nix passes it: some builds print it. */
function environmentOf(variables: ReadonlyMap<string, string>, options: DerivationOptions, settings: RequestSettings, fixed: boolean, outside: boolean): [string, string][] {
  const environment = new Map<string, string>([
    // a derivation may set these itself
    ['PATH', '/path-not-set'],
    ['HOME', '/homeless-shelter'],
    ['NIX_STORE', STORE_DIRECTORY],
    ['NIX_BUILD_CORES', String(settings.cores)],
    ...variables,
    // but not these
    ['NIX_BUILD_TOP', BUILD_FOLDER],
    ['TMPDIR', BUILD_FOLDER],
    ['TEMPDIR', BUILD_FOLDER],
    ['TMP', BUILD_FOLDER],
    ['TEMP', BUILD_FOLDER],
    ['PWD', BUILD_FOLDER],
  ])
  if (fixed) environment.set('NIX_OUTPUT_CHECKED', '1')
  if (outside) for (const name of options.impureEnvVars) environment.set(name, byteString(settings.impureEnvironment[name] ?? ''))
  environment.set('NIX_LOG_FD', '2')
  environment.set('TERM', 'xterm-256color')
  return [...environment].sort(([left], [right]) => (left < right ? -1 : 1))
}

/** The process's environment is text, a request's a byte string. */
function byteString(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('')
}
