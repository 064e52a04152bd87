/**
 * Ring: eval. The operators of the language: how tightly they bind, and what the grammar's actions make of them. Upstream
 * counterpart: the precedences and `expr_op` of src/libexpr/parser.y.
 */
import type { BinaryOperator, Expression, Position } from './ast.ts'
import * as T from './tokens.ts'

export interface Operator {
  readonly precedence: number
  readonly associativity: 'left' | 'right' | 'none'
  /** `-x` and `!x` have tokens of their own here. */
  readonly token: number
}

export const NEGATE = -1
export const COMPLEMENT = -2
export const OPERATORS = operatorTable()
export const PREFIX_NOT: Operator = { precedence: 7, associativity: 'left', token: COMPLEMENT }
export const PREFIX_NEGATE: Operator = { precedence: 12, associativity: 'none', token: NEGATE }

/** `f a` as the grammar's actions build it: a call that is applied again gets one more argument. */
export function call(position: Position, callee: Expression, argument: Expression): Expression {
  if (callee.kind === 'call') return { ...callee, arguments: [...callee.arguments, argument] }
  return { kind: 'call', position, callee, arguments: [argument] }
}

export function negated(position: Position, operand: Expression): Expression {
  return primitive('__sub', position, { kind: 'int', position, value: 0n }, operand)
}

export function combine(token: number, position: Position, left: Expression, right: Expression, leftPosition: Position, rightPosition: Position): Expression {
  switch (token) {
    case T.LESS: return primitive('__lessThan', position, left, right)
    case T.GREATER: return primitive('__lessThan', position, right, left)
    case T.LESS_OR_EQUAL: return { kind: 'not', position, operand: primitive('__lessThan', position, right, left) }
    case T.GREATER_OR_EQUAL: return { kind: 'not', position, operand: primitive('__lessThan', position, left, right) }
    case T.MINUS: return primitive('__sub', position, left, right)
    case T.TIMES: return primitive('__mul', position, left, right)
    case T.DIVIDE: return primitive('__div', position, left, right)
    case T.PLUS: return { kind: 'binary', position, operator: '+', left, right, leftPosition, rightPosition }
    default: return { kind: 'binary', position, operator: BINARY.get(token)!, left, right }
  }
}

const BINARY: ReadonlyMap<number, BinaryOperator> = new Map<number, BinaryOperator>([
  [T.EQUAL, '=='], [T.NOT_EQUAL, '!='], [T.AND, '&&'], [T.OR, '||'], [T.IMPLIES, '->'], [T.UPDATE, '//'], [T.CONCATENATE, '++'],
])

function primitive(name: string, position: Position, ...operands: Expression[]): Expression {
  return { kind: 'call', position, callee: { kind: 'variable', position, name }, arguments: operands }
}

function operatorTable(): (Operator | undefined)[] {
  const table: (Operator | undefined)[] = new Array<Operator | undefined>(64).fill(undefined)
  const add = (precedence: number, associativity: Operator['associativity'], ...tokens: number[]): void => {
    for (const token of tokens) table[token] = { precedence, associativity, token }
  }
  add(1, 'right', T.IMPLIES)
  add(2, 'left', T.OR)
  add(3, 'left', T.AND)
  add(4, 'none', T.EQUAL, T.NOT_EQUAL)
  add(5, 'none', T.LESS, T.GREATER, T.LESS_OR_EQUAL, T.GREATER_OR_EQUAL)
  add(6, 'right', T.UPDATE)
  add(8, 'left', T.PLUS, T.MINUS)
  add(9, 'left', T.TIMES, T.DIVIDE)
  add(10, 'right', T.CONCATENATE)
  return table
}
