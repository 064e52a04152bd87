/**
 * Runs the formats of nix/ over the golden vectors that Nix's own unit tests have. They aren't part of Firn: point
 * FIRN_NIX_SOURCE to a checkout of the Nix sources (2.36 or so; what an older one lacks is skipped).
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { byteStringOfText, bytesOfByteString } from '../../nix/bytes.ts'
import { formatContentAddress, parseContentAddress, type ContentAddressMethod } from '../../nix/content-address.ts'
import { derivationHash, hashDerivationModulo, checkOutputPaths, fillOutputPaths, type DerivationHash } from '../../nix/derivation-hash.ts'
import { derivationOptions, type DerivationOptions, type OutputChecks, type ReferenceSpecifier } from '../../nix/derivation-options.ts'
import { derivationPath, fixedOutput, parseDerivation, type Derivation, type DerivationOutput, type DynamicInput } from '../../nix/derivation.ts'
import { printDerivation } from '../../nix/derivation-printer.ts'
import { FormatError } from '../../nix/errors.ts'
import { formatHash, hashBytes, parseHash, type HashAlgorithm } from '../../nix/hash.ts'
import { parseJson, printJson } from '../../nix/json.ts'
import { readNar } from '../../nix/nar.ts'
import { writeNar } from '../../nix/nar-writer.ts'
import { dynamicPlaceholder, upstreamPlaceholder } from '../../nix/placeholder.ts'
import { resolveDerivation } from '../../nix/resolve.ts'
import { parseBaseName } from '../../nix/store-path.ts'
import { WireReader, WireWriter } from '../../nix/wire.ts'

const source = process.env['FIRN_NIX_SOURCE'] ?? ''
const skip = source === '' ? 'set FIRN_NIX_SOURCE to a checkout of the Nix sources to run these' : false
const libstore = join(source, 'src/libstore-tests/data')
const libutil = join(source, 'src/libutil-tests/data')
const absolute = (baseName: string): string => `/nix/store/${baseName}`
const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(path))
const textOf = (path: string): string => readFileSync(path, 'latin1')
const jsonOf = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))
/** Skips what this checkout does not have. */
const lacking = (path: string): string | false => skip || (existsSync(path) ? false : `${path} isn't there`)

interface JsonInput { readonly outputs: readonly string[]; readonly dynamicOutputs: Record<string, JsonInput> }

interface JsonDerivation {
  readonly name: string
  readonly system: string
  readonly builder: string
  readonly args: readonly string[]
  readonly env: Record<string, string>
  readonly structuredAttrs?: unknown
  /** A resolved derivation has a list of sources. */
  readonly inputs: readonly string[] | { readonly srcs: readonly string[]; readonly drvs: Record<string, JsonInput> }
  readonly outputs: Record<string, { readonly path?: string; readonly method?: ContentAddressMethod; readonly hashAlgo?: HashAlgorithm; readonly hash?: string; readonly impure?: boolean }>
}

/** Nix's JSON form of a derivation (version 4). */
function derivationOfJson(json: JsonDerivation): Derivation {
  const dynamicOf = (inputs: Record<string, JsonInput>): Map<string, DynamicInput> => new Map(Object.entries(inputs).map(([name, input]) => [name, { outputs: input.outputs, dynamic: dynamicOf(input.dynamicOutputs) }]))
  const outputs = Object.entries(json.outputs).map(([name, { path, method, hashAlgo, hash, impure }]): [string, DerivationOutput] => {
    if (path !== undefined && method === undefined) return [name, { kind: 'input-addressed', path: absolute(path) }]
    if (method === undefined) return [name, { kind: 'deferred' }]
    if (hash !== undefined) return [name, fixedOutput(json.name, name, method, parseHash(hash))]
    return [name, { kind: impure === true ? 'impure' : 'floating', method, algorithm: hashAlgo! }]
  })
  const inputs = 'srcs' in json.inputs ? json.inputs : { srcs: json.inputs, drvs: {} }
  const drvs = Object.entries(inputs.drvs)
  const dynamicInputs = drvs.filter(([, input]) => Object.keys(input.dynamicOutputs).length > 0).map(([path, input]) => [absolute(path), dynamicOf(input.dynamicOutputs)] as const)
  const env = new Map(Object.entries(json.env).map(([name, value]) => [byteStringOfText(name), byteStringOfText(value)]))
  if (json.structuredAttrs !== undefined) env.set('__json', printJson(parseJson(byteStringOfText(JSON.stringify(json.structuredAttrs)))))
  return {
    name: json.name,
    outputs: new Map(outputs),
    inputDerivations: new Map(drvs.filter(([, input]) => input.outputs.length > 0).map(([path, input]) => [absolute(path), input.outputs])),
    ...(dynamicInputs.length > 0 && { dynamicInputs: new Map(dynamicInputs) }),
    inputSources: inputs.srcs.map(absolute),
    system: json.system,
    builder: byteStringOfText(json.builder),
    args: json.args.map(byteStringOfText),
    env,
  }
}

const derivationJson = (path: string): Derivation => derivationOfJson(jsonOf(path) as JsonDerivation)

describe('golden vectors of Nix', { skip }, () => {
  const derivations = join(libstore, 'derivation')

  for (const folder of skip === false ? ['.', 'ia', 'ca', 'hash-modulo'] : []) {
    const files = existsSync(join(derivations, folder)) ? readdirSync(join(derivations, folder)).filter((name) => name.endsWith('.drv')) : []
    for (const file of files.filter((name) => existsSync(join(derivations, folder, name.replace(/drv$/, 'json'))))) {
      test(`derivation ${folder}/${file}`, () => {
        const text = textOf(join(derivations, folder, file))
        const expected = derivationJson(join(derivations, folder, file.replace(/drv$/, 'json')))
        const derivation = parseDerivation(text, expected.name)
        assert.equal(printDerivation(derivation), text)
        assert.equal(printDerivation(expected), text)
      })
    }
  }

  test('malformed derivations', () => {
    for (const file of readdirSync(derivations).filter((name) => /^bad-.*\.drv$/.test(name))) {
      assert.throws(() => parseDerivation(textOf(join(derivations, file)), 'fixed'), FormatError, file)
    }
  })

  test('hash modulo: the text that is hashed', { skip: lacking(join(derivations, 'hash-modulo')) }, () => {
    const all = new Map<string, Derivation>()
    for (const stem of ['source-first', 'source-second', 'intermediate-first', 'intermediate-second', 'parent-split', 'parent-joined']) {
      const derivation = derivationJson(join(derivations, `hash-modulo/${stem}.json`))
      all.set(derivationPath(derivation).toString(), derivation)
    }
    const lookup = (path: string): DerivationHash => derivationHash(all.get(path)!, lookup)
    for (const stem of ['intermediate-first', 'intermediate-second', 'parent-split', 'parent-joined']) {
      const derivation = derivationJson(join(derivations, `hash-modulo/${stem}.json`))
      const expected = formatHash(hashBytes('sha256', textOf(join(derivations, `hash-modulo/${stem}-modulo.drv`))), 'base16')
      assert.equal(hashDerivationModulo(derivation, lookup, true).base16, expected, stem)
    }
  })

  test('output paths are filled in, and wrong ones noticed', { skip: lacking(join(derivations, 'invariants')) }, () => {
    const read = (stem: string): Derivation => derivationJson(join(derivations, `invariants/${stem}.json`))
    const none = (path: string): DerivationHash => assert.fail(`asked for ${path}`)
    for (const stem of ['filled-in-deferred-empty-env-var', 'filled-in-deferred-no-env-var']) {
      assert.equal(printDerivation(fillOutputPaths(read(`${stem}-pre`), none)), printDerivation(read(`${stem}-post`)), stem)
    }
    checkOutputPaths(read('filled-in-idempotent'), none)
    for (const stem of ['bad-path', 'bad-env-var']) assert.throws(() => checkOutputPaths(read(stem), none), FormatError, stem)
  })

  test('resolution', { skip: lacking(join(derivations, 'try-resolve')) }, () => {
    const folder = join(derivations, 'try-resolve')
    for (const stem of ['no-inputs', 'with-inputs', 'resolution-failure']) {
      const trace = jsonOf(join(folder, `${stem}-buildTrace.json`)) as [{ drvPath: string; output: string }, string][]
      const realised = new Map(trace.map(([{ drvPath, output }, path]) => [`${absolute(drvPath)}!${output}`, absolute(path)]))
      const resolved = resolveDerivation(derivationJson(join(folder, `${stem}-before.json`)), (drvPath, [output]) => realised.get(`${drvPath}!${output}`))
      const after = join(folder, `${stem}-after.json`)
      assert.equal(resolved && printDerivation(resolved), existsSync(after) ? printDerivation(derivationJson(after)) : undefined, stem)
    }
  })

  test('derivation options', { skip: lacking(join(derivations, 'ia/derivation-options')) }, () => {
    const pairs = {
      'defaults': 'advanced-attributes-defaults', 'all_set': 'advanced-attributes', 'structuredAttrs_defaults': 'advanced-attributes-structured-attrs-defaults', 'structuredAttrs_all_set': 'advanced-attributes-structured-attrs',
    }
    for (const [options, stem] of Object.entries(pairs)) {
      const { name } = jsonOf(join(derivations, `ia/${stem}.json`)) as { name: string }
      const derivation = parseDerivation(textOf(join(derivations, `ia/${stem}.drv`)), name)
      assert.deepEqual(optionsAsJson(derivationOptions(derivation)), jsonOf(join(derivations, `ia/derivation-options/${options}.json`)), options)
    }
  })

  test('placeholders of outputs that aren\'t known yet', () => {
    // from the sources of downstream-placeholder.cc
    assert.equal(upstreamPlaceholder(absolute('g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo.drv'), 'out'), '/0c6rn30q4frawknapgwq386zq358m8r6msvywcvc89n6m5p2dgbz')
    assert.equal(dynamicPlaceholder(absolute('g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo.drv.drv'), ['out', 'out']), '/0gn6agqxjyyalf0dpihgyf49xq5hqxgw100f0wydnj6yqrhqsb3w')
  })

  test('archives: one is valid, the others aren\'t', { skip: lacking(join(libutil, 'nars')) }, async () => {
    for (const file of readdirSync(join(libutil, 'nars'))) {
      const bytes = bytesOf(join(libutil, 'nars', file))
      const chunks: Uint8Array[] = []
      const read = async (): Promise<void> => { for await (const chunk of writeNar(readNar([bytes]))) chunks.push(chunk) }
      if (file === 'regular-one-byte-zero-padding.nar') {
        await read()
        assert.deepEqual(Buffer.concat(chunks), Buffer.from(bytes))
      } else {
        await assert.rejects(read, FormatError, file)
      }
    }
  })

  test('hashes, store paths and content addresses', () => {
    for (const algorithm of ['sha256', 'sha512']) {
      const path = join(libutil, `hash/${algorithm}.json`)
      if (existsSync(path)) assert.equal(formatHash(parseHash(jsonOf(path) as string), 'sri'), jsonOf(path))
    }
    assert.equal(parseBaseName(jsonOf(join(libstore, 'store-path/simple.json')) as string).baseName, jsonOf(join(libstore, 'store-path/simple.json')))
    for (const method of ['text', 'nar'] as const) {
      const path = join(libstore, `content-address/${method}.json`)
      if (!existsSync(path)) continue
      const json = jsonOf(path) as { hash: string; method: string }
      assert.equal(json.method, method)
      assert.deepEqual(parseContentAddress(formatContentAddress({ method, hash: parseHash(json.hash) })), { method, hash: parseHash(json.hash) })
    }
  })

  test('the wire encoding of strings, store paths and content addresses', async () => {
    for (const protocol of ['common-protocol', 'worker-protocol', 'serve-protocol']) {
      const read = async (stem: string, render: (item: unknown) => string): Promise<void> => {
        const path = join(libstore, protocol, `${stem}.bin`)
        if (!existsSync(path)) return
        const encoded = bytesOf(path)
        const expected = (jsonOf(join(libstore, protocol, `${stem}.json`)) as unknown[]).map((item) => byteStringOfText(render(item)))
        const reader = new WireReader([encoded])
        for (const text of expected) assert.equal(await reader.string(), text)
        assert.ok(await reader.source.atEnd(), `${protocol}/${stem}`)
        const writer = new WireWriter()
        for (const text of expected) writer.string(text)
        assert.deepEqual(writer.take(), encoded)
      }
      const contentAddress = (item: unknown): string => {
        const { hash, method } = item as { hash: string; method: ContentAddressMethod }
        return formatContentAddress({ hash: parseHash(hash), method })
      }
      await read('string', (item) => item as string)
      await read('store-path', (item) => absolute(item as string))
      await read('content-address', contentAddress)
      await read('optional-store-path', (item) => (item === null ? '' : absolute(item as string)))
      await read('optional-content-address', (item) => (item === null ? '' : contentAddress(item)))
    }
  })

  test('the wire encoding of lists', async () => {
    for (const protocol of ['common-protocol', 'worker-protocol', 'serve-protocol']) {
      for (const stem of ['vector', 'set']) {
        const encoded = bytesOf(join(libstore, protocol, `${stem}.bin`))
        const [...lists] = jsonOf(join(libstore, protocol, `${stem}.json`)) as [string[], string[], string[], string[][]]
        const nested = lists.pop() as string[][]
        const reader = new WireReader([encoded])
        for (const list of lists as string[][]) assert.deepEqual(await reader.strings(), list)
        assert.equal(await reader.count(), nested.length)
        for (const list of nested) assert.deepEqual(await reader.strings(), list)
        assert.ok(await reader.source.atEnd())
      }
    }
    assert.equal(bytesOfByteString('').length, 0)
  })
})

/** Our options in the JSON that Nix's tests hold. */
function optionsAsJson(options: DerivationOptions): unknown {
  const specifier = (item: ReferenceSpecifier): unknown => (item.kind === 'path' ? item.path.slice('/nix/store/'.length) : { drvPath: 'self', output: item.name })
  // Nix sorts names of outputs before paths
  const list = (items: readonly ReferenceSpecifier[]): unknown[] => [...items].sort((left, right) => (left.kind === right.kind ? 0 : left.kind === 'output' ? -1 : 1)).map(specifier)
  const checks = (item: OutputChecks): unknown => ({
    ignoreSelfRefs: item.ignoreSelfReferences,
    maxSize: item.maximumSize ?? null,
    maxClosureSize: item.maximumClosureSize ?? null,
    allowedReferences: item.allowedReferences ? list(item.allowedReferences) : null,
    disallowedReferences: list(item.disallowedReferences),
    allowedRequisites: item.allowedRequisites ? list(item.allowedRequisites) : null,
    disallowedRequisites: list(item.disallowedRequisites),
  })
  return {
    outputChecks: options.outputChecks.kind === 'all-outputs'
      ? { forAllOutputs: checks(options.outputChecks.checks) }
      : { perOutput: Object.fromEntries([...options.outputChecks.checks].map(([name, item]) => [name, checks(item)])) },
    unsafeDiscardReferences: Object.fromEntries([...options.unsafeDiscardReferences].map((name) => [name, true])),
    passAsFile: options.passAsFile,
    exportReferencesGraph: Object.fromEntries([...options.exportReferencesGraph].map(([name, paths]) => [name, paths.map((path) => path.slice('/nix/store/'.length))])),
    additionalSandboxProfile: options.sandboxProfile,
    noChroot: options.noChroot,
    impureHostDeps: options.impureHostDeps,
    impureEnvVars: options.impureEnvVars,
    allowLocalNetworking: options.allowLocalNetworking,
    requiredSystemFeatures: options.requiredSystemFeatures,
    preferLocalBuild: options.preferLocalBuild,
    allowSubstitutes: options.allowSubstitutes,
  }
}
