/**
 * Ring: eval. Turns text into syntax nodes: recursive descent for what nests, stacks of its own for what merely goes on
 * (operators, `if … else if`, `a: b:`, `let … in let`), so that generated code with long chains does not exhaust the
 * JavaScript stack. Upstream counterpart: src/libexpr/parser.y.
 */
import type { Expression, Parameter, ParsedFile, Position, SourceFile } from './ast.ts'
import { BindingParser } from './binding-parser.ts'
import type { BindingsBuilder } from './bindings.ts'
import { ParseError } from './errors.ts'
import { tokenize } from './lexer.ts'
import { call, combine, COMPLEMENT, NEGATE, negated, type Operator, OPERATORS, PREFIX_NEGATE, PREFIX_NOT } from './operators.ts'
import type { ParseOptions } from './options.ts'
import { lineAndColumn, originName } from './position.ts'
import * as T from './tokens.ts'

export type { LintLevel, ParseOptions } from './options.ts'

/** Parses a whole file. Throws ParseError. */
export function parse(source: SourceFile, options: ParseOptions): ParsedFile {
  const tokens = tokenize(source.text, { pipeOperators: options.pipeOperators ?? false })
  const parser = new Parser(source, tokens, options)
  try {
    return { source, expression: parser.file() }
  } catch (error) {
    if (error instanceof RangeError) throw new ParseError('expression is nested too deeply', source, parser.position())
    throw error
  }
}

/** Left of what is still to be read: applied from the innermost outwards once the body is there. */
type Prefix =
  | { readonly kind: 'lambda'; readonly position: Position; readonly parameter: Parameter }
  | { readonly kind: 'assert'; readonly position: Position; readonly subject: Expression }
  | { readonly kind: 'with'; readonly position: Position; readonly subject: Expression }
  | { readonly kind: 'let'; readonly position: Position; readonly bindings: BindingsBuilder }
  | { readonly kind: 'if'; readonly position: Position; readonly condition: Expression; readonly then: Expression }

const BEGINS_SIMPLE = kindsTable([T.IDENTIFIER, T.INTEGER, T.FLOAT, T.QUOTE, T.INDENTED_OPEN, T.PATH, T.HOME_PATH, T.SEARCH_PATH, T.URI, T.PARENTHESIS_OPEN, T.LET, T.REC, T.BRACE_OPEN, T.BRACKET_OPEN])

class Parser extends BindingParser {
  /** Where the last `f or` read by `select` ended, else -1. */
  private cursedEnd = -1

  file(): Expression {
    const expression = this.expression()
    if (this.kind() !== T.END_OF_FILE) this.unexpected()
    return expression
  }

  /** `expr` of the grammar. */
  protected override expression(): Expression {
    let prefixes: Prefix[] | undefined
    for (;;) {
      const prefix = this.prefix()
      if (prefix === undefined) break
      if (prefixes === undefined) prefixes = [prefix]
      else prefixes.push(prefix)
    }
    let body = this.pipes()
    if (prefixes !== undefined) for (let at = prefixes.length - 1; at >= 0; at--) body = this.wrap(prefixes[at]!, body)
    return body
  }

  private wrap(prefix: Prefix, body: Expression): Expression {
    const { position } = prefix
    switch (prefix.kind) {
      case 'lambda':
        if (prefix.parameter.kind === 'pattern') this.checkFormals(prefix.parameter.formals, prefix.parameter.name, position)
        return { kind: 'lambda', position, parameter: prefix.parameter, body }
      case 'assert': return { kind: 'assert', position, condition: prefix.subject, body }
      case 'with': return { kind: 'with', position, scope: prefix.subject, body }
      case 'if': return { kind: 'if', position, condition: prefix.condition, then: prefix.then, else: body }
      case 'let':
        if (prefix.bindings.dynamic.length > 0) this.fail('dynamic attributes not allowed in let', position)
        return { kind: 'let', position, bindings: prefix.bindings, body }
    }
  }

  private prefix(): Prefix | undefined {
    const position = this.position()
    switch (this.kind()) {
      case T.IDENTIFIER: {
        const next = this.kinds[this.at + 1]
        if (next === T.COLON) {
          const name = this.name()
          this.at += 2
          return { kind: 'lambda', position, parameter: { kind: 'name', name } }
        }
        if (next !== T.AT) return undefined
        const name = this.name()
        this.at += 2
        if (this.kind() !== T.BRACE_OPEN) this.unexpected()
        const parameter = this.formals(name)
        this.expect(T.COLON)
        return { kind: 'lambda', position, parameter }
      }
      case T.BRACE_OPEN: {
        if (!this.isFormals()) return undefined
        const parameter = this.formals(undefined)
        this.expect(T.COLON)
        return { kind: 'lambda', position, parameter }
      }
      case T.ASSERT:
      case T.WITH: {
        const kind = this.kind() === T.WITH ? 'with' : 'assert'
        this.at++
        const subject = this.expression()
        this.expect(T.SEMICOLON)
        return { kind, position, subject }
      }
      case T.LET: {
        if (this.kinds[this.at + 1] === T.BRACE_OPEN) return undefined
        this.at++
        const bindings = this.bindings(T.IN)
        return { kind: 'let', position, bindings }
      }
      case T.IF: {
        this.at++
        const condition = this.expression()
        this.expect(T.THEN)
        const then = this.expression()
        this.expect(T.ELSE)
        return { kind: 'if', position, condition, then }
      }
      default: return undefined
    }
  }

  /** `a |> f |> g`, `f <| g <| a`, or operators alone. */
  private pipes(): Expression {
    const first = this.operators()
    if (this.kind() === T.PIPE_INTO) {
      let result = first
      while (this.kind() === T.PIPE_INTO) {
        const position = this.position()
        this.at++
        result = call(position, this.operators(), result)
      }
      return result
    }
    if (this.kind() !== T.PIPE_FROM) return first
    const chain: { function: Expression; position: Position }[] = []
    let argument = first
    while (this.kind() === T.PIPE_FROM) {
      chain.push({ function: argument, position: this.position() })
      this.at++
      argument = this.operators()
    }
    for (let at = chain.length - 1; at >= 0; at--) argument = call(chain[at]!.position, chain[at]!.function, argument)
    return argument
  }

  /** `expr_op`: operands and operators on two stacks, reduced by precedence. */
  private operators(): Expression {
    const start = this.position()
    const kind = this.kind()
    if (kind === T.MINUS || kind === T.NOT) return this.operation(undefined, start)
    // most have no operator, and need no stacks
    const operand = this.application()
    return OPERATORS[this.kind()] === undefined && this.kind() !== T.QUESTION ? operand : this.operation(operand, start)
  }

  /** Goes on after the first operand, which began at `firstStart`; reads it where it isn't there yet. */
  private operation(first: Expression | undefined, firstStart: Position): Expression {
    const pending: Operator[] = []
    const pendingAt: Position[] = []
    const operands: Expression[] = []
    const operandStarts: Position[] = []
    let read = first
    for (;;) {
      let start = firstStart
      if (read === undefined) {
        start = this.position()
        for (let kind = this.kind(); kind === T.MINUS || kind === T.NOT; kind = this.kind()) {
          pending.push(kind === T.MINUS ? PREFIX_NEGATE : PREFIX_NOT)
          pendingAt.push(start)
          this.at++
          start = this.position()
        }
      }
      let operand: Expression = read ?? this.application()
      read = undefined
      let next = OPERATORS[this.kind()]
      while (this.kind() === T.QUESTION) {
        // only `-` binds tighter
        while (pending.at(-1)?.token === NEGATE) {
          pending.pop()
          start = pendingAt.pop()!
          operand = negated(start, operand)
        }
        const position = this.position()
        this.at++
        operand = { kind: 'has-attribute', position, subject: operand, path: this.attributePath() }
        next = OPERATORS[this.kind()]
      }
      const precedence = next === undefined ? 0 : next.precedence
      while (pending.length > 0) {
        const top: Operator = pending[pending.length - 1]!
        if (top.precedence < precedence || (top.precedence === precedence && next!.associativity === 'right')) break
        if (top.precedence === precedence && next!.associativity === 'none') this.unexpected()
        pending.pop()
        const position = pendingAt.pop()!
        if (top.token === NEGATE || top.token === COMPLEMENT) {
          operand = top.token === NEGATE ? negated(position, operand) : { kind: 'not', position, operand }
          start = position
        } else {
          const leftStart = operandStarts.pop()!
          operand = combine(top.token, position, operands.pop()!, operand, leftStart, start)
          start = leftStart
        }
      }
      if (next === undefined) return operand
      pending.push(next)
      pendingAt.push(this.position())
      operands.push(operand)
      operandStarts.push(start)
      this.at++
    }
  }

  /** `f a b` */
  private application(): Expression {
    const start = this.position()
    const callee = this.select()
    if (BEGINS_SIMPLE[this.kind()] === 0) return callee
    const found: Expression[] = []
    do found.push(this.argument())
    while (BEGINS_SIMPLE[this.kind()] === 1)
    if (callee.kind === 'call') return { ...callee, arguments: [...callee.arguments, ...found] }
    return { kind: 'call', position: start, callee, arguments: found }
  }

  /** An operand in a place where `f or` is likely a mistake. */
  private argument(): Expression {
    const start = this.position()
    const argument = this.select()
    if (this.cursedEnd >= 0) this.warnOfOr(start)
    return argument
  }

  private warnOfOr(start: Position): void {
    const snippet = this.text.slice(start, this.cursedEnd)
    this.cursedEnd = -1
    const { line, column } = lineAndColumn(this.text, start)
    this.options.warn?.(
      `at ${originName(this.source)}:${line}:${column}: This expression uses \`or\` as an identifier in a way that will change in a future Nix release.\n`
      + `Wrap this entire expression in parentheses to preserve its current meaning:\n    (${snippet})\nGive feedback at https://github.com/NixOS/nix/pull/11121`,
      undefined,
    )
  }

  /** `a.b.c or d`, `f or` */
  private select(): Expression {
    const start = this.position()
    const subject = this.simple()
    this.cursedEnd = -1
    const kind = this.kind()
    if (kind === T.DOT) {
      this.at++
      const path = this.attributePath()
      if (this.kind() !== T.OR_WORD) return { kind: 'select', position: start, subject, path }
      this.at++
      const fallback = this.argument()
      return { kind: 'select', position: start, subject, path, fallback }
    }
    if (kind !== T.OR_WORD) return subject
    this.cursedEnd = this.ends[this.at]!
    this.at++
    return call(start, subject, { kind: 'variable', position: start, name: 'or' })
  }

  private simple(): Expression {
    const position = this.position()
    switch (this.kind()) {
      case T.IDENTIFIER: {
        const name = this.name()
        this.at++
        return name === '__curPos' ? { kind: 'current-position', position } : { kind: 'variable', position, name }
      }
      case T.INTEGER: {
        const value = BigInt(this.lexeme())
        this.at++
        return { kind: 'int', position, value }
      }
      case T.FLOAT: {
        const value = Number(this.lexeme())
        this.at++
        return { kind: 'float', position, value }
      }
      case T.QUOTE: return this.quoted()
      case T.INDENTED_OPEN: return this.indented()
      case T.PATH:
      case T.HOME_PATH: return this.path()
      case T.SEARCH_PATH: {
        const value = this.lexeme().slice(1, -1)
        this.at++
        return { kind: 'search-path', position, value }
      }
      case T.URI: {
        const value = this.lexeme()
        this.at++
        this.lint('urlLiterals', (fatal) => `URL literals are ${fatal ? 'disallowed' : 'discouraged'}. Consider using a string literal "${value}" instead`, position)
        return { kind: 'string', position, value }
      }
      case T.PARENTHESIS_OPEN: {
        this.at++
        const inner = this.expression()
        this.expect(T.PARENTHESIS_CLOSE)
        return inner
      }
      case T.LET: {
        this.at++
        if (this.kind() !== T.BRACE_OPEN) this.unexpected()
        const subject = this.set(position, true)
        return { kind: 'select', position, subject, path: [{ kind: 'static', position, name: 'body' }] }
      }
      case T.REC:
        this.at++
        if (this.kind() !== T.BRACE_OPEN) this.unexpected()
        return this.set(position, true)
      case T.BRACE_OPEN: return this.set(position, false)
      case T.BRACKET_OPEN: {
        this.at++
        const elements: Expression[] = []
        while (this.kind() !== T.BRACKET_CLOSE) {
          if (BEGINS_SIMPLE[this.kind()] === 0) this.unexpected()
          elements.push(this.argument())
        }
        this.at++
        return { kind: 'list', position, elements }
      }
      default: return this.unexpected()
    }
  }
}

function kindsTable(kinds: readonly number[]): Uint8Array {
  const table = new Uint8Array(64)
  for (const kind of kinds) table[kind] = 1
  return table
}
