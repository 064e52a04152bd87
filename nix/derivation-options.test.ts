import assert from 'node:assert/strict'
import { test } from 'node:test'
import { derivationOptions, passAsFileName, type DerivationOptions } from './derivation-options.ts'
import { parseDerivation, type Derivation } from './derivation.ts'
import { FormatError } from './errors.ts'
import { goldenBuilds } from './testing/goldens.ts'

const PATH = '/nix/store/yijsab4r1bx0r46irb2jbir2xdndmxrz-tree'

function withEnvironment(env: Record<string, string>): Derivation {
  return { name: 'x', outputs: new Map([['out', { kind: 'deferred' }]]), inputDerivations: new Map(), inputSources: [], system: 's', builder: 'b', args: [], env: new Map(Object.entries(env)) }
}
const plain = (env: Record<string, string>): DerivationOptions => derivationOptions(withEnvironment(env))
const structured = (attributes: unknown): DerivationOptions => derivationOptions(withEnvironment({ __json: JSON.stringify(attributes) }))

test('without any of them, the defaults', () => {
  for (const options of [plain({}), structured({})]) {
    assert.equal(options.allowSubstitutes, true)
    assert.equal(options.preferLocalBuild, false)
    assert.equal(options.noChroot, false)
    assert.deepEqual([options.requiredSystemFeatures, options.impureEnvVars, options.passAsFile, options.warnings], [[], [], [], []])
    assert.equal(options.unsafeDiscardReferences.size + options.exportReferencesGraph.size, 0)
  }
  assert.deepEqual(plain({}).outputChecks, { kind: 'all-outputs', checks: { ignoreSelfReferences: true, disallowedReferences: [], disallowedRequisites: [] } })
  assert.equal(plain({}).structuredAttributes, undefined)
  assert.equal(structured({}).structuredAttributes?.size, 0)
})

test('from the environment: words, and 1 for true', () => {
  const options = plain({
    requiredSystemFeatures: ' kvm\n big-parallel\tkvm', impureEnvVars: 'http_proxy no_proxy', passAsFile: 'b a', preferLocalBuild: '1', allowSubstitutes: '', __noChroot: 'yes',
    allowedReferences: `out ${PATH}`, disallowedRequisites: '', exportReferencesGraph: `graph ${PATH}/sub other ${PATH}`, unsafeDiscardReferences: '1',
  })
  assert.deepEqual(options.requiredSystemFeatures, ['big-parallel', 'kvm'])
  assert.deepEqual(options.impureEnvVars, ['http_proxy', 'no_proxy'])
  assert.deepEqual(options.passAsFile, ['a', 'b'])
  assert.deepEqual([options.preferLocalBuild, options.allowSubstitutes, options.noChroot], [true, false, false])
  assert.ok(options.outputChecks.kind === 'all-outputs')
  assert.deepEqual(options.outputChecks.checks.allowedReferences, [{ kind: 'path', path: PATH }, { kind: 'output', name: 'out' }])
  assert.equal(options.outputChecks.checks.allowedRequisites, undefined)
  assert.deepEqual([...options.exportReferencesGraph], [['graph', [PATH]], ['other', [PATH]]])
  assert.equal(options.warnings.length, 1)
})

test('an empty list allows nothing, which is not the same as no list', () => {
  const { outputChecks } = plain({ allowedReferences: '' })
  assert.ok(outputChecks.kind === 'all-outputs')
  assert.deepEqual(outputChecks.checks.allowedReferences, [])
})

test('from structured attributes: real lists and booleans, checks for each output', () => {
  const options = structured({
    requiredSystemFeatures: ['kvm'], preferLocalBuild: true, allowSubstitutes: false, impureEnvVars: ['a'],
    outputChecks: { out: { maxSize: 10, maxClosureSize: 9007199254740991, allowedReferences: ['dev', PATH], disallowedRequisites: [PATH] }, dev: {} },
    unsafeDiscardReferences: { out: true, dev: false }, exportReferencesGraph: { closure: [[PATH], `${PATH}/x`] },
  })
  assert.deepEqual(options.requiredSystemFeatures, ['kvm'])
  assert.deepEqual([options.preferLocalBuild, options.allowSubstitutes], [true, false])
  assert.deepEqual([...options.unsafeDiscardReferences], ['out'])
  assert.deepEqual([...options.exportReferencesGraph], [['closure', [PATH]]])
  assert.ok(options.outputChecks.kind === 'per-output')
  assert.deepEqual(options.outputChecks.checks.get('out'), {
    ignoreSelfReferences: false, maximumSize: 10, maximumClosureSize: 9007199254740991, allowedReferences: [{ kind: 'path', path: PATH }, { kind: 'output', name: 'dev' }],
    disallowedReferences: [], disallowedRequisites: [{ kind: 'path', path: PATH }],
  })
  assert.deepEqual(options.outputChecks.checks.get('dev'), { ignoreSelfReferences: false, disallowedReferences: [], disallowedRequisites: [] })
})

test('top-level checks count for nothing in structured attributes, and that is said', () => {
  const options = structured({ allowedReferences: [], passAsFile: ['a'], exportReferencesGraph: ['x', PATH] })
  assert.equal(options.warnings.length, 3)
  assert.deepEqual(options.outputChecks, { kind: 'per-output', checks: new Map() })
  assert.deepEqual(options.passAsFile, [])
})

test('malformed options are rejected with a FormatError that names the attribute', () => {
  const cases: [() => DerivationOptions, RegExp][] = [
    [() => plain({ exportReferencesGraph: 'a' }), /odd number of tokens in 'exportReferencesGraph'/],
    [() => plain({ exportReferencesGraph: `../a ${PATH}` }), /invalid file name '..\/a'/],
    [() => plain({ exportReferencesGraph: 'a /etc' }), /not in the Nix store/],
    [() => structured({ preferLocalBuild: '1' }), /'preferLocalBuild' of a derivation must be a boolean/],
    [() => structured({ requiredSystemFeatures: 'kvm' }), /'requiredSystemFeatures'/],
    [() => structured({ outputChecks: [] }), /'outputChecks'/],
    [() => structured({ outputChecks: { out: { maxSize: -1 } } }), /'outputChecks.out.maxSize'/],
    [() => structured({ outputChecks: { out: { maxSize: 1.5 } } }), /'outputChecks.out.maxSize'/],
    [() => structured({ unsafeDiscardReferences: true }), /'unsafeDiscardReferences'/],
    [() => structured({ exportReferencesGraph: { a: 1 } }), /'exportReferencesGraph'/],
    [() => plain({ __json: '{' }), /cannot process __json attribute/],
    [() => plain({ __json: '[]' }), /it is not an object/],
  ]
  for (const [read, message] of cases) {
    assert.throws(read, (error) => error instanceof FormatError && message.test(error.message), String(message))
  }
})

test('files of passAsFile have the names that stock Nix gives them', () => {
  const { passed } = goldenBuilds()
  const [path] = passed.content!.split('\n') as [string]
  assert.equal(path, `/build/${passAsFileName('long')}`)
  assert.deepEqual(derivationOptions(parseDerivation(passed.derivation, 'passed')).passAsFile, ['long'])
})
