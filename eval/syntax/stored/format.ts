/**
 * Ring: eval. Syntax as bytes, so that a file that was parsed before needn't be parsed again. Bytes are:
 *
 *   size of the strings, their number, their lengths, the strings; the expression
 *
 * Numbers are of seven bits a byte, the lowest first. An expression is its kind, its position and its parts in the order of ast.ts; names and texts are
 * numbers of strings. What compiles to a thunk, or is the body of a function, is `PART`, its size in three bytes and the expression: it is read when it
 * is compiled, which most of a package set never is.
 */
import type { BinaryOperator, Expression } from '../ast.ts'

/** To be raised when the bytes mean something else, or the parser makes another syntax of the same text. */
export const FORMAT = 1

export const KINDS = [
  'int', 'float', 'string', 'interpolation', 'path', 'path-interpolation', 'search-path', 'variable', 'select', 'has-attribute', 'attributes', 'list',
  'lambda', 'call', 'let', 'with', 'if', 'assert', 'not', 'binary', 'current-position',
] as const satisfies readonly Expression['kind'][]

export type StoredKind = (typeof KINDS)[number]

export const PART = KINDS.length
/** Bytes before a part. */
export const PART_HEAD = 4
/** A part that is smaller is read at once. */
export const SMALLEST_PART = 24
/** What is nested deeper isn't stored: reading it would need as much of the engine's stack as parsing doesn't. */
export const DEEPEST = 500

export const OPERATORS: readonly BinaryOperator[] = ['==', '!=', '&&', '||', '->', '//', '++', '+']
