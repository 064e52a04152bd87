/**
 * Ring: eval. Parts of a file that can be exchanged one by one: the values of the bindings in its outermost sets and `let`s, or the bodies of the
 * functions that these are. Only files that have changed before are taken apart. docs/design/resident-evaluation.md says why this is right.
 */
import type { Bindings, Expression, ParsedFile, SourceFile } from './ast.ts'

/** The one part of a syntax that changes. */
export interface Segment {
  expression: Expression
  /** Where it was read: its own, since its neighbours may stand in another text. */
  source: SourceFile
  /** Number of the observation that it was run; undefined if it never was. */
  observation: number | undefined
}

/** What compiles to a thunk wherever it stands: in place of anything else a segment would show as one where there is a value. */
const DELAYED: ReadonlySet<Expression['kind']> = new Set(['interpolation', 'path-interpolation', 'has-attribute', 'call', 'let', 'with', 'if', 'assert', 'not', 'binary'])

/** Whether it compiles to a thunk wherever it stands. */
export function isDelayedSyntax(value: Expression): boolean {
  return DELAYED.has(value.kind) || (value.kind === 'list' && value.elements.length > 0) || (value.kind === 'attributes' && value.bindings.static.length + value.bindings.dynamic.length > 0)
}

/** How far it is gone into what isn't cut: functions of functions, chains of `//`. */
const DEPTH = 100

/** The same syntax in parts. */
export function segmented({ source, expression }: ParsedFile): ParsedFile {
  return { source, expression: descend(expression, DEPTH) }

  function descend(at: Expression, depth: number): Expression {
    if (depth === 0) return at
    switch (at.kind) {
      case 'lambda':
      case 'with':
      case 'assert': return { ...at, body: descend(at.body, depth - 1) }
      case 'let': return { ...at, bindings: cut(at.bindings), body: descend(at.body, depth - 1) }
      case 'attributes': return { ...at, bindings: cut(at.bindings) }
      case 'binary': return at.operator === '//' ? { ...at, left: descend(at.left, depth - 1), right: descend(at.right, depth - 1) } : at
      default: return at
    }
  }

  function cut({ recursive, static: bindings, dynamic, inheritFrom }: Bindings): Bindings {
    return { recursive, dynamic, inheritFrom, static: bindings.map((binding) => (binding.kind === 'plain' ? { ...binding, value: part(binding.value, DEPTH) } : binding)) }
  }

  function part(value: Expression, depth: number): Expression {
    if (value.kind === 'lambda') return depth === 0 ? value : { ...value, body: part(value.body, depth - 1) }
    return isDelayedSyntax(value) ? { kind: 'segment', position: value.position, segment: { expression: value, source: standingAlone(source), observation: undefined } } : value
  }
}

/** A source with a table of places of its own. */
export function standingAlone({ origin, text }: SourceFile): SourceFile {
  return { origin, text, standing: { text, positions: undefined, observation: undefined } }
}
