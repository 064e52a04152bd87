/**
 * Ring: api. Why a build is another than one before: what of its derivation differs. Inputs are matched by name, since a change far below changes
 * all paths above it; for an input that is the same recipe, those below it in which the difference begins are named.
 */
import type { Digest } from '../../castore/digest.ts'
import type { DerivationDifference } from '../../contract/comparison.ts'
import { FirnError } from '../../contract/errors.ts'
import { textOfByteString } from '../../nix/bytes.ts'
import { type Derivation, parseDerivation } from '../../nix/derivation.ts'
import { derivationName, parseStorePath } from '../../nix/store-path.ts'
import type { ApiStore } from '../dependencies.ts'

type Difference = DerivationDifference['differences'][number]

/** Derivations read to find where a difference begins. */
const MOST_READ = 400
/** Characters of a value that are shown. */
const SHOWN = 2000

export async function readDerivations(store: ApiStore, drvPaths: readonly string[]): Promise<Map<string, Derivation>> {
  const infos = await store.pathInfos.get(drvPaths.map((path) => parseStorePath(path).hash))
  const digests = new Map<string, Digest>()
  for (const path of drvPaths) {
    const root = infos.get(parseStorePath(path).hash)?.root
    if (root?.kind === 'file') digests.set(path, root.digest)
  }
  const contents = await store.blobs.readMany([...new Set(digests.values())])
  const found = new Map<string, Derivation>()
  for (const [path, digest] of digests) {
    const bytes = contents.get(digest)
    if (bytes) found.set(path, parseDerivation(Buffer.from(bytes).toString('latin1'), derivationName(parseStorePath(path))))
  }
  return found
}

/** Differences of two derivations; 'not-found' where one isn't in the store any more. */
export async function compareDerivations(store: ApiStore, before: string, now: string): Promise<Difference[]> {
  const known = await readDerivations(store, [before, now])
  const [a, b] = [known.get(before), known.get(now)]
  if (!a || !b) throw new FirnError('not-found', `the derivation '${a ? now : before}' is not in the farm's store`)
  const differences: Difference[] = []
  const add = (kind: Difference['kind'], name: string, left: string | undefined, right: string | undefined): void => {
    if (left !== right) differences.push({ kind, name, before: shown(left), now: shown(right) })
  }
  add('system', 'system', a.system, b.system)
  add('builder', 'builder', a.builder, b.builder)
  add('arguments', 'args', JSON.stringify(a.args), JSON.stringify(b.args))
  add('outputs', 'outputs', [...a.outputs.keys()].join(' '), [...b.outputs.keys()].join(' '))
  const inputs = await inputDifferences(store, a, b)
  for (const name of [...new Set([...a.env.keys(), ...b.env.keys()])].sort()) {
    if (a.outputs.has(name) || b.outputs.has(name)) continue
    // a value that differs in paths of inputs only says what the inputs say
    add('environment', textOfByteString(name), a.env.get(name), b.env.get(name) === undefined ? undefined : samePaths(a.env.get(name), b.env.get(name)!))
  }
  const sources = pairByName(a.inputSources, b.inputSources)
  for (const [name, [left, right]] of sources) if (left !== right) differences.push({ kind: 'source', name, before: left ?? null, now: right ?? null })
  return [...differences, ...inputs]
}

/** The other value where the two are equal but for hashes in store paths; so that they compare as equal. */
function samePaths(left: string | undefined, right: string): string {
  const plain = (text: string): string => text.replace(/\/nix\/store\/[0-9a-z]{32}-/g, '/nix/store/…-')
  return left !== undefined && plain(left) === plain(right) ? left : right
}

async function inputDifferences(store: ApiStore, before: Derivation, now: Derivation): Promise<Difference[]> {
  const pairs = pairByName([...before.inputDerivations.keys()], [...now.inputDerivations.keys()])
  const differences: Difference[] = []
  const same: { name: string; left: string; right: string }[] = []
  for (const [name, [left, right]] of pairs) {
    if (left === right) continue
    if (left !== undefined && right !== undefined) same.push({ name, left, right })
    else differences.push({ kind: 'input', name, before: left ?? null, now: right ?? null })
  }
  const begins = await origins(store, same.map(({ left, right }) => [left, right] as const))
  for (const { name, left, right } of same) {
    const through = [...begins(left, right)].sort()
    differences.push({ kind: 'input', name, before: left, now: right, ...(through.length === 1 && through[0] === name ? {} : { through }) })
  }
  return differences
}

/** For pairs of derivations: the names of those at or below them whose own recipe differs. Goes down level by level, each pair once. */
async function origins(store: ApiStore, start: readonly (readonly [string, string])[]): Promise<(left: string, right: string) => Set<string>> {
  const keyOf = (left: string, right: string): string => `${left} ${right}`
  const below = new Map<string, { own: boolean; name: string; pairs: (readonly [string, string])[] }>()
  let level = start
  while (level.length > 0 && below.size < MOST_READ) {
    const known = await readDerivations(store, [...new Set(level.flat())])
    const next: (readonly [string, string])[] = []
    for (const [left, right] of level) {
      const [a, b] = [known.get(left), known.get(right)]
      if (!a || !b || below.has(keyOf(left, right))) continue
      const pairs = [...pairByName([...a.inputDerivations.keys()], [...b.inputDerivations.keys()]).values()]
      const changed = pairs.flatMap(([x, y]) => (x !== undefined && y !== undefined && x !== y ? [[x, y] as const] : []))
      const own = recipe(a) !== recipe(b) || pairs.some(([x, y]) => x === undefined || y === undefined)
      below.set(keyOf(left, right), { own, name: a.name, pairs: changed })
      next.push(...changed.filter(([x, y]) => !below.has(keyOf(x, y))))
    }
    level = next
  }
  return (left, right) => {
    const found = new Set<string>()
    const seen = new Set<string>()
    const walk = (x: string, y: string): void => {
      const key = keyOf(x, y)
      if (seen.has(key)) return
      seen.add(key)
      const entry = below.get(key)
      if (!entry || entry.own || entry.pairs.length === 0) found.add(nameOf(x))
      else for (const [p, q] of entry.pairs) walk(p, q)
    }
    walk(left, right)
    return found
  }
}

/** Everything of a derivation that is its own, and not what its inputs' paths make of it. */
function recipe(derivation: Derivation): string {
  const plain = (text: string): string => text.replace(/[0-9a-z]{32}-/g, '')
  return JSON.stringify([derivation.system, plain(derivation.builder), derivation.args.map(plain), [...derivation.env].filter(([name]) => !derivation.outputs.has(name)).map(([name, value]) => [name, plain(value)]).sort(), [...derivation.inputSources].sort()])
}

function nameOf(path: string): string {
  return parseStorePath(path).name.replace(/\.drv$/, '')
}

/** Paths of two lists by name: equal ones first, then those of one package whatever its version, in order. */
function pairByName(before: readonly string[], now: readonly string[]): Map<string, [string | undefined, string | undefined]> {
  const pairs = new Map<string, [string | undefined, string | undefined]>()
  const both = new Set(before.filter((path) => now.includes(path)))
  const left = before.filter((path) => !both.has(path))
  const right = new Set(now.filter((path) => !both.has(path)))
  const packageOf = (path: string): string => nameOf(path).replace(/-\d.*$/, '')
  for (const match of [nameOf, packageOf]) {
    for (let i = 0; i < left.length; i++) {
      const other = [...right].find((path) => match(path) === match(left[i]!))
      if (other === undefined) continue
      pairs.set(uniqueName(pairs, nameOf(other)), [left[i], other])
      right.delete(other)
      left.splice(i--, 1)
    }
  }
  for (const path of left) pairs.set(uniqueName(pairs, nameOf(path)), [path, undefined])
  for (const path of right) pairs.set(uniqueName(pairs, nameOf(path)), [undefined, path])
  return pairs
}

function uniqueName(taken: ReadonlyMap<string, unknown>, name: string): string {
  let unique = name
  for (let i = 2; taken.has(unique); i++) unique = `${name} (${i})`
  return unique
}

function shown(value: string | undefined): string | null {
  if (value === undefined) return null
  const text = textOfByteString(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
}
