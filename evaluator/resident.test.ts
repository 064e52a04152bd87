/**
 * A resident evaluator beside one that starts anew, after each of many random edits to a set of packages: whatever changed, both find the
 * same jobs with the same derivations, and fail alike. So do two processes that share the work and are kept. FIRN_TEST_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { EvaluationArgument, EvaluationRequest, EvaluationSettings, EvaluatorMessage } from '../contract/evaluations.ts'
import { ResidentEvaluator } from '../eval/resident.ts'
import { machine } from '../eval/runtime/machine.ts'
import { EvaluationSession } from '../eval/session.ts'
import type { FileIOOptions } from './file-io-options.ts'
import { FileIO } from './file-io.ts'
import { SharedEvaluator } from './shared/handle.ts'
import { spawnEvaluator } from './spawn.ts'

const SETTINGS: EvaluationSettings = {
  currentSystem: 'x86_64-linux', nixVersion: '2.26.0', mode: 'impure', allowedUris: [], allowedPaths: [], searchPath: [], allowImportFromDerivation: true, showTrace: true,
}

/** What the world is, beside the folder. */
interface World {
  arguments: Record<string, EvaluationArgument>
  environment: Map<string, string>
  journal: Record<string, unknown>
}

let folder: string
before(() => { folder = mkdtempSync(join(tmpdir(), 'firn-resident-')) })
after(() => rmSync(folder, { recursive: true, force: true }))

function ioOptions(world: World): FileIOOptions {
  return {
    storeFolders: [join(folder, 'store')], environment: world.environment, journal: world.journal, asksForUnknownPaths: true,
    scratchFolder: () => folder, add: () => undefined, record: () => undefined, trace: () => undefined,
  }
}

function requestOf(world: World): EvaluationRequest {
  return { source: { kind: 'file', path: join(folder, 'set') }, attributes: [], arguments: world.arguments, recurse: true, settings: {}, dryRun: true, priority: 0 }
}

/** What an evaluation found: derivation paths, messages of errors, traces. */
interface Found {
  readonly jobs: Record<string, string>
  readonly traces: string[]
}

class Gathered {
  private readonly jobs: Record<string, string> = {}
  private readonly traces = new Set<string>()

  readonly take = (message: EvaluatorMessage): void => {
    if (message.kind === 'job') this.jobs[message.job.attr] = message.job.drvPath
    else if (message.kind === 'job-error') this.jobs[message.attr] = message.message
    else if (message.kind === 'trace') this.traces.add(message.text)
    else if (message.kind === 'finished' && message.error !== undefined) this.jobs[''] = message.error.message
  }

  /** The same text twice is shown once by an evaluator that remembers. */
  get found(): Found {
    return { jobs: this.jobs, traces: [...this.traces].sort() }
  }
}

function gather(start: (emit: (message: EvaluatorMessage) => void) => EvaluationSession): Found {
  const gathered = new Gathered()
  const session = start(gathered.take)
  while (session.sweep() === 'busy');
  return gathered.found
}

function fresh(world: World): Found {
  return gather((emit) => new EvaluationSession({ io: new FileIO(ioOptions(world)), settings: SETTINGS, request: requestOf(world), emit }))
}

class Resident {
  private readonly io: FileIO
  private readonly evaluator: ResidentEvaluator
  /** Of the last evaluation: observations that weren't true any more. */
  changed = 0

  constructor(world: World) {
    this.io = new FileIO(ioOptions(world))
    this.evaluator = new ResidentEvaluator({ io: this.io, settings: SETTINGS })
  }

  evaluate(world: World): Found {
    this.io.renew(ioOptions(world))
    return gather((emit) => {
      const { session, changed } = this.evaluator.begin({ request: requestOf(world), emit })
      this.changed = changed
      return session
    })
  }
}

/** Two processes that share each evaluation. Their environment is that in which they were started. */
class SharedResident {
  readonly handle = new SharedEvaluator({ processes: 2, spawn: () => spawnEvaluator(), worth: { attributes: 0, milliseconds: 0 } })

  async evaluate(world: World): Promise<Found> {
    const gathered = new Gathered()
    await this.handle.send({ kind: 'start', request: requestOf(world), settings: SETTINGS, localStore: join(folder, 'store'), journal: world.journal, keep: true })
    for await (const message of this.handle.messages) {
      assert.notEqual(message.kind, 'idle')
      gathered.take(message)
      if (message.kind === 'finished') return gathered.found
    }
    await this.handle.ended
    throw new Error('the processes ended')
  }
}

function write(path: string, text: string): void {
  const at = join(folder, 'set', path)
  mkdirSync(join(at, '..'), { recursive: true })
  writeFileSync(at, text)
}

const remove = (path: string): void => rmSync(join(folder, 'set', path), { recursive: true, force: true })
const read = (path: string): string => readFileSync(join(folder, 'set', path), 'utf8')

/** A set as package sets are: found by folder, called by names of arguments, overridable, with a library, hooks and sources. */
function writeSet(): void {
  remove('.')
  write('default.nix', `{ flavour ? "plain", extra ? { }, ... }:
    let
      lib = import ./lib;
      names = builtins.attrNames (lib.filterAttrs (_: kind: kind == "directory") (builtins.readDir ./packages));
      packages = lib.fix (self: lib.mapNames names (name: lib.callWith (self // { inherit lib flavour; stdenv = import ./stdenv.nix { inherit lib; }; }) (./packages + "/\${name}")) // extra);
    in packages // { nested = { recurseForDerivations = true; first = packages.\${builtins.head names}; }; all = packages.mk { name = "all"; inputs = map (n: packages.\${n}) names; }; }
  `)
  write('lib/default.nix', `let
    strings = import ./strings.nix; attrs = import ./attrs.nix;
  in strings // attrs // { fix = f: let x = f x; in x // { mk = (import ../stdenv.nix { lib = strings; }); };
    callWith = scope: file: let f = import file; in f (builtins.intersectAttrs (builtins.functionArgs f) scope); }`)
  write('lib/strings.nix', 'rec { join = builtins.concatStringsSep ","; decorate = text: "<${text}>"; fail = of: text: if text == "1" then throw "no ${text}" else assert { inherit of; } == { of = of; }; text; }')
  write('lib/attrs.nix', `{ filterAttrs = test: set: builtins.removeAttrs set (builtins.filter (n: !(test n set.\${n})) (builtins.attrNames set));
    mapNames = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names); }`)
  write('stdenv.nix', `{ lib }: { name, inputs ? [ ], ... }@arguments:
    derivation (arguments // { system = builtins.currentSystem or "none"; builder = "/bin/sh"; hook = ./hook.sh; text = lib.decorate name; inputs = map toString inputs; })`)
  write('hook.sh', 'echo')
  for (let i = 0; i < 12; i++) writePackage(i, '1')
  write('data.json', '{ "value": 1 }')
  symlinkSync('data.json', join(folder, 'set', 'link.json'))
}

const bodies: readonly ((i: number, version: string) => string)[] = [
  (i, version) => `{ stdenv, lib${i > 3 ? `, p${i - 3}, p${i - 1} ? null` : ''} }: with lib; stdenv { name = "p${i}-${version}"; inputs = [ ${i > 3 ? `p${i - 3} p${i - 1}` : ''} ]; joined = join [ "a" "${version}" ]; list = lib.list or [ ]; decorated = lib.decorated or ""; }`,
  (i, version) => `{ stdenv, flavour, ... }: stdenv { name = "p${i}-${version}"; inherit flavour; source = ./source; variable = builtins.getEnv "FLAVOUR"; }`,
  (i, version) => `{ stdenv, ... }: let data = builtins.fromJSON (builtins.readFile ../../link.json); in stdenv { name = "p${i}-${version}"; value = toString data.value; }`,
  (i, version) => `{ stdenv${i > 1 ? `, p${i - 1}` : ''}, ... }: stdenv ({ name = "p${i}-${version}"; src = builtins.filterSource (path: kind: baseNameOf path != "ignored") ./source; }
      // (if builtins.pathExists ./optional then { optional = import ./optional; } else { })${i > 1 ? ` // { before = (builtins.tryEval (if p${i - 1}.name == "p${i - 1}-2" then throw "no" else p${i - 1}.outPath)).value; }` : ''})`,
  (i, version) => `{ stdenv, ... }: builtins.trace "evaluating p${i}" (stdenv { name = "p${i}-${version}"; file = builtins.toFile "f" (builtins.readFile ../../hook.sh); kinds = builtins.attrValues (builtins.readDir ./source); })`,
  // readers of places
  (i, version) => `{ stdenv, lib, ... }@given: let place = builtins.unsafeGetAttrPos "decorate" lib; own = __curPos; in builtins.trace [ "p${i}" lib.decorate ] (stdenv {
    name = "p${i}-${version}"; inherit (place) file line column; own = [ own.line own.column ]; formal = (builtins.unsafeGetAttrPos "lib" (builtins.functionArgs (import ./.))).line or 0; count = builtins.length (builtins.attrNames place); })`,
  // readers of bytes
  (i, version) => `{ stdenv, ... }: stdenv { name = "p${i}-${version}"; text = builtins.readFile ../../lib/strings.nix; hash = builtins.hashFile "sha256" ../../lib/attrs.nix; src = builtins.filterSource (_: _: true) ./.; }`,
  // an error with a place in a library
  (i, version) => `{ stdenv, lib, ... }: stdenv { name = "p${i}-${version}"; text = lib.fail (x: x) "${version}"; }`,
]

function writePackage(i: number, version: string): void {
  write(`packages/p${i}/default.nix`, bodies[i % bodies.length]!(i, version))
  write(`packages/p${i}/source/file`, `content ${i}`)
}

/** A library whose bindings change one by one: values, bodies of functions, what is printed, where something stands, errors; the first few keep the shape of the file. */
const LIBRARY: readonly (readonly [string, readonly string[]])[] = [
  ['join', ['builtins.concatStringsSep ","', 'builtins.concatStringsSep (toString [ 1 2 ])', 'let by = "-"; in builtins.concatStringsSep by', 'list: builtins.concatStringsSep decorated list', 'list: let by = decorate "/"; in with { sep = by; }; builtins.concatStringsSep sep list']],
  ['decorate', ['text: "<${text}>"', 'text: "[${text}]"', 'text: let left = "("; in rec { right = ")"; all = "${left}${text}${right}"; }.all', 'text: builtins.trace "decorating ${text}" "<${text}>"', 'text: "${text}:${toString __curPos.line}"', 'text: text', 'text: throw "no ${text}"', 'text: other: text', 'text: missing text', 'text: 1 + text', 'text: ']],
  ['decorated', ['decorate "x"', 'decorate "y"', '"plain"', 'toString __curPos.column', '(builtins.unsafeGetAttrPos "fail" self).line + 0', 'decorated']],
  ['fail', ['of: text: if text == "1" then throw "no ${text}" else text', 'of: text: throw (of text)', 'of: text: assert { inherit of; } == { of = 1; }; text', 'of: text: "${text}${decorated}"', 'of: { }']],
  ['self', ['{ join = 1; fail = __curPos; }', '{ fail = [ 1 ];\n join = 2; }']],
  ['list', ['[ (decorate "l") decorated ]', '[ decorated ]', '[ ]', 'map decorate [ "a" "b" ]']],
]
const chosen = LIBRARY.map(() => 0)

function writeLibrary(random: (below: number) => number): void {
  const space = (): string => ['', ' ', '\n', ' # c\n', ' /* c\n */ '][random(5)]!
  const bindings = (from: number, to: number): string => LIBRARY.slice(from, to).map(([name, variants], i) => `${space()}${name} =${space()} ${variants[chosen[from + i]!]};`).join('')
  // part of it in a let, part in a set, so that both are cut
  write('lib/strings.nix', `${space()}let ${bindings(1, 3)}${bindings(4, 5)} in rec {${bindings(0, 1)}${bindings(3, 4)}${bindings(5, 6)} inherit decorate decorated; }`)
}

/** Small and repeatable: mulberry32. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6D2B79F5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

/** Names of the kinds of edits, with what they do. */
const EDITS: Readonly<Record<string, (random: (below: number) => number, world: World) => void>> = {
  'a package': (random) => writePackage(random(12), String(random(4))),
  'a new package': (random) => writePackage(12 + random(3), '1'),
  'a removed package': (random) => remove(`packages/p${6 + random(9)}`),
  'a shared function': (random) => write('lib/strings.nix', `rec { join = builtins.concatStringsSep "${random(3)}"; decorate = text: "<\${text}>"; fail = of: text: throw "\${text}"; }`),
  'a function of all': (random) => write('stdenv.nix', read('stdenv.nix').replace(/"\/bin\/sh\d*"/, `"/bin/sh${random(3)}"`)),
  'a hook': (random) => write('hook.sh', `echo ${random(3)}`),
  'an optional file': (random) => (random(2) === 0 ? write(`packages/p${random(12)}/optional`, `"optional ${random(3)}"`) : remove(`packages/p${random(12)}/optional`)),
  'a source': (random) => write(`packages/p${random(12)}/source/file`, `content ${random(3)}`),
  'one more source': (random) => write(`packages/p${random(12)}/source/${random(2) === 0 ? 'ignored' : `more${random(3)}`}`, `more ${random(2)}`),
  'data behind a link': (random) => write('data.json', `{ "value": ${random(4)} }`),
  'a link': (random) => {
    write('other.json', '{ "value": "other" }')
    remove('link.json')
    symlinkSync(random(2) === 0 ? 'data.json' : 'other.json', join(folder, 'set', 'link.json'))
  },
  'an error': (random) => write(`packages/p${random(12)}/default.nix`, ['{ stdenv', '{ stdenv, ... }: throw "broken"', '{ missing }: missing'][random(3)]!),
  'an argument': (random, world) => {
    world.arguments = random(3) === 0 ? {} : { flavour: { kind: 'string', value: `flavour${random(3)}` }, ...(random(2) === 0 && { extra: { kind: 'expression', value: '{ p1 = { name = "x"; outPath = "/x"; }; }' } }) }
  },
  'one binding': (random) => {
    const at = random(LIBRARY.length)
    chosen[at] = random(LIBRARY[at]![1].length)
    writeLibrary(random)
  },
  'two bindings': (random) => {
    for (let i = 0; i < 2; i++) {
      const at = random(LIBRARY.length)
      chosen[at] = random(LIBRARY[at]![1].length)
    }
    writeLibrary(random)
  },
  'a comment in front': (random) => rewrite(random, (text) => `${random(2) === 0 ? '# a\n# b\n' : '/* a */'}${text}`),
  'a comment at the end': (random) => rewrite(random, (text) => `${text} # ${random(3)}\n`),
  'comments between': (random) => rewrite(random, (text) => text.replaceAll('; ', () => (random(2) === 0 ? '; # a\n' : '; /* a\n b */ '))),
  'no comments': (random) => rewrite(random, (text) => text.replaceAll(/# ?.*\n|\/\*[^*]*\*\/ ?/g, '')),
  'spaces': (random) => rewrite(random, (text) => text.replaceAll(/; */g, () => `;${' '.repeat(1 + random(3))}`)),
  'lines': (random) => rewrite(random, (text) => (random(2) === 0 ? text.replaceAll('; ', ';\n') : text.replaceAll(';\n', '; '))),
  'a space for a line': (random) => rewrite(random, (text) => text.replace(/[ \n]$/, ['\n', ' '][random(2)]!).replace(/^[ \n]?/, ['\n', ' '][random(2)]!)),
  'parentheses': (random) => rewrite(random, (text) => `(${text})`),
  'broken syntax': (random) => rewrite(random, (text) => `${text}\n]`),
  'mended syntax': () => mend(),
  'a variable': (random, world) => { world.environment = new Map([['FLAVOUR', String(random(3))]]) },
  'nothing': () => undefined,
}

/** Files of syntax. */
function files(): string[] {
  return readdirSync(join(folder, 'set'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.nix'))
}

/** Takes back what broke them. */
function mend(): void {
  for (const path of files()) write(path, read(path).replaceAll('\n]', ''))
}

/** Edits one of them; those that all use more often than chance. */
function rewrite(random: (below: number) => number, edit: (text: string) => string): void {
  const all = files().sort()
  const path = random(2) === 0 ? ['default.nix', 'stdenv.nix', 'lib/strings.nix', 'lib/attrs.nix', 'lib/default.nix'][random(5)]! : all[random(all.length)]!
  write(path, edit(read(path)))
}

const ROUNDS = 60

const SEEDS = process.env['FIRN_TEST_SEED'] === undefined ? [1, 2, 3] : [Number(process.env['FIRN_TEST_SEED'])]

async function compareAfterEdits(seed: number, kinds: readonly string[], begin: (world: World) => { evaluate(world: World): Found | Promise<Found> }): Promise<void> {
  const random = randomOf(seed)
  const world: World = { arguments: {}, environment: new Map(), journal: { 'current-time': 1 } }
  writeSet()
  const resident = begin(world)
  const results = new Set<string>()
  for (let round = 0; round <= ROUNDS; round++) {
    const edits: string[] = []
    if (round === 0) chosen.fill(0)
    if (random(2) === 0) mend()
    for (let i = round === 0 ? 0 : 1 + random(2); i > 0; i--) {
      const kind = kinds[random(kinds.length)]!
      edits.push(kind)
      EDITS[kind]!(random, world)
    }
    const expected = fresh(world)
    assert.deepEqual(await resident.evaluate(world), expected, `round ${round}: ${edits.join(' and ')}`)
    results.add(JSON.stringify(expected.jobs))
  }
  // edits that change nothing would show nothing
  assert.ok(results.size > ROUNDS / 4, `only ${results.size} different results`)
}

for (const seed of SEEDS) {
  test(`after each of ${ROUNDS} edits a resident evaluator finds what a fresh one does (seed ${seed})`, () => compareAfterEdits(seed, Object.keys(EDITS), (world) => new Resident(world)))
}

for (const seed of SEEDS) {
  test(`after each of ${ROUNDS} edits two processes that share the work and are kept find what a fresh one does (seed ${seed})`, async () => {
    const resident = new SharedResident()
    try {
      await compareAfterEdits(seed, Object.keys(EDITS).filter((kind) => kind !== 'a variable'), () => resident)
    } finally {
      await resident.handle.stop()
    }
  })
}

test('what nothing reaches is not evaluated again: its trace comes from memory, and only once', () => {
  const world: World = { arguments: {}, environment: new Map(), journal: { 'current-time': 1 } }
  writeSet()
  const resident = new Resident(world)
  const first = resident.evaluate(world)
  assert.equal(first.jobs[''], undefined)
  assert.deepEqual(first.traces.map((text) => text.replace(/«.*»/, '')), ['[ "p5"  ]', 'evaluating p4'])
  assert.deepEqual(resident.evaluate(world), first)
})

test('what a caught failure depended on is not forgotten', () => {
  const world: World = { arguments: {}, environment: new Map(), journal: { 'current-time': 1 } }
  remove('.')
  write('flag.nix', 'true')
  write('default.nix', `let failing = throw "caught"; nested = if import ./flag.nix then failing else "fine";
    caught = builtins.tryEval nested; text = builtins.toString caught.value;
    in { a = derivation { name = "a"; system = "x"; builder = "/b"; inherit text; }; }`)
  const resident = new Resident(world)
  const first = resident.evaluate(world)
  write('flag.nix', 'false')
  const second = resident.evaluate(world)
  assert.notDeepEqual(second, first)
  assert.deepEqual(second, fresh(world))
})

test('a comment computes nothing again but places that were read, and errors show where things are now', () => {
  const world: World = { arguments: {}, environment: new Map(), journal: { 'current-time': 1 } }
  remove('.')
  write('lib.nix', '{ make = name: extra: derivation ({ inherit name; system = "x"; builder = "/b"; } // extra);\nfail = throw "no"; }\n')
  write('default.nix', `let lib = import ./lib.nix; in {
    a = lib.make "a" { }; failing = lib.fail; place = lib.make "place" { line = (builtins.unsafeGetAttrPos "fail" lib).line; }; bytes = lib.make "bytes" { text = builtins.readFile ./lib.nix; }; }`)
  const resident = new Resident(world)
  const calls = (): { found: Found; forces: number } => {
    const before = machine.nextSerial
    return { found: resident.evaluate(world), forces: machine.nextSerial - before }
  }
  const { found: first } = calls()
  const unchanged = calls()
  assert.deepEqual(unchanged.found, first)
  write('lib.nix', `${read('lib.nix')}# at the end\n`)
  const atTheEnd = calls()
  assert.deepEqual(atTheEnd.found, fresh(world))
  assert.deepEqual(differing(first, atTheEnd.found), ['bytes', 'failing'])
  write('lib.nix', `# in front\n${read('lib.nix')}`)
  const inFront = calls()
  assert.deepEqual(inFront.found, fresh(world))
  assert.deepEqual(differing(atTheEnd.found, inFront.found), ['bytes', 'failing', 'place'])
  assert.ok(inFront.found.jobs['failing']!.includes('lib.nix:3:8'), inFront.found.jobs['failing'])
  write('lib.nix', `(${read('lib.nix')})`)
  const parentheses = calls()
  assert.deepEqual(parentheses.found, fresh(world))
  assert.deepEqual(differing(inFront.found, parentheses.found), ['bytes'])
  const again = calls()
  // a job that fails is tried in each evaluation
  for (const { forces } of [atTheEnd, inFront, parentheses]) assert.ok(forces < again.forces + 8, `${forces} forces beside ${again.forces} with nothing changed`)
  write('lib.nix', read('lib.nix').replace('"/b"', '"/c"'))
  assert.deepEqual(resident.evaluate(world), fresh(world))
})

/** Errors from their last `error:` on: lines above it say through which selections a value came, of which one that is known already needs none. */
function withoutTraces({ jobs, traces }: Found): Found {
  return { jobs: Object.fromEntries(Object.entries(jobs).map(([name, text]) => [name, text.slice(Math.max(0, text.lastIndexOf('error:')))])), traces }
}

function differing(before: Found, after: Found): string[] {
  return Object.keys(after.jobs).filter((name) => before.jobs[name] !== after.jobs[name]).sort()
}

for (const seed of SEEDS) {
  test(`bindings of a library that change one by one reach whoever uses them, and nobody else (seed ${seed})`, () => {
    const random = randomOf(seed)
    const world: World = { arguments: {}, environment: new Map(), journal: { 'current-time': 1 } }
    remove('.')
    chosen.fill(0)
    writeLibrary(random)
    write('default.nix', `let lib = import ./lib/strings.nix; make = name: text: derivation { inherit name text; system = "x"; builder = "/b"; };
      in { join = make "join" (lib.join [ "a" "b" ]); decorate = make "decorate" (lib.decorate "a"); decorated = make "decorated" lib.decorated; fail = make "fail" (lib.fail "1");
        list = make "list" lib.list; place = make "place" (toString (builtins.unsafeGetAttrPos "list" lib).line); functions = builtins.trace lib.fail (make "functions" (builtins.attrNames lib)); }`)
    const resident = new Resident(world)
    let kept = 0
    let before = resident.evaluate(world)
    for (let round = 0; round < 100; round++) {
      const at = random(LIBRARY.length)
      chosen[at] = random(LIBRARY[at]![1].length)
      // most rounds only a binding: comments beside it move all others
      writeLibrary(random(3) === 0 ? random : () => 1)
      const expected = fresh(world)
      const found = resident.evaluate(world)
      assert.deepEqual(withoutTraces(found), withoutTraces(expected), `round ${round}: ${LIBRARY[at]![0]} is ${LIBRARY[at]![1][chosen[at]]}`)
      if (resident.changed === 0 && JSON.stringify(before) !== JSON.stringify(found)) kept++
      before = found
    }
    assert.ok(kept > 10, `the file was kept while results changed in ${kept} rounds`)
  })
}
