/**
 * Ring: eval. Whether two syntaxes differ in nothing but where their parts stand: what an edit of comments, spaces or parentheses leaves.
 * Where it can't be sure it says no.
 */
import type { Expression, Position } from './ast.ts'
import type { Segment } from './segments.ts'

/** Fields of nodes that say where something stands, and nothing else. */
const PLACES: ReadonlySet<string> = new Set(['position', 'leftPosition', 'rightPosition', 'partPositions'])
/** What the parser's builder of bindings remembers of the bindings beside it. */
const DERIVED = 'index'
const SEGMENT = 'segment'

/**
 * For each position in the first syntax the position of the same part in the second; undefined where they aren't the same, or parts that stood at one
 * place stand at several. Segments are not looked into: the pairs of them are added to `segments`.
 */
export function matchSyntax(first: Expression, second: Expression, segments: [Segment, Segment][] = []): ReadonlyMap<Position, Position> | undefined {
  const positions = new Map<Position, Position>()
  // not by recursion: chains of operators are as deep as they are long
  const pending: unknown[] = [first, second]
  while (pending.length > 0) {
    const right = pending.pop()
    const left = pending.pop()
    if (Object.is(left, right)) {
      if (typeof left === 'object' && left !== null) return undefined
      continue
    }
    if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return undefined
    if (Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) return undefined
    const keys = Object.keys(left)
    if (keys.length !== Object.keys(right).length) return undefined
    for (const key of keys) {
      if (!Object.hasOwn(right, key)) return undefined
      const [a, b] = [(left as Fields)[key], (right as Fields)[key]]
      if (!PLACES.has(key)) {
        if (key === SEGMENT) segments.push([a as Segment, b as Segment])
        else if (key !== DERIVED) pending.push(a, b)
      } else if (!Array.isArray(a) || !Array.isArray(b)) {
        if (!pair(positions, a, b)) return undefined
      } else {
        if (a.length !== b.length) return undefined
        for (let i = 0; i < a.length; i++) if (!pair(positions, a[i], b[i])) return undefined
      }
    }
  }
  return positions
}

type Fields = Readonly<Record<string, unknown>>

function pair(positions: Map<Position, Position>, from: unknown, to: unknown): boolean {
  if (from === undefined && to === undefined) return true
  if (typeof from !== 'number' || typeof to !== 'number') return false
  const known = positions.get(from)
  if (known === undefined) positions.set(from, to)
  return known === undefined || known === to
}
