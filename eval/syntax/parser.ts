/**
 * Ring: eval. Turns text into syntax nodes: recursive descent for what nests, stacks of its own for what merely goes on
 * (operators, `if … else if`, `a: b:`, `let … in let`), so that generated code with long chains does not exhaust the
 * JavaScript stack. Upstream counterpart: src/libexpr/parser.y.
 *
 * When it fails it asks diagnose.ts for the message: only that file knows what Nix's parser would have expected.
 */
import type { AttributeName, BinaryOperator, Expression, Parameter, ParsedFile, Position, SourceFile } from './ast.ts'
import { BindingsBuilder } from './bindings.ts'
import { syntaxErrorOf } from './diagnose.ts'
import { ParseError } from './errors.ts'
import { tokenize, type Tokens } from './lexer.ts'
import { canonicalPath } from './paths.ts'
import { lineAndColumn, originName } from './position.ts'
import { indentedPart, stripIndentation, unescape, type IndentedPart } from './strings.ts'
import * as T from './tokens.ts'

export type LintLevel = 'ignore' | 'warn' | 'fatal'

export interface ParseOptions {
  /** Folder that relative paths are relative to: an absolute byte string. */
  readonly basePath: string
  /** For `~/…`; without one such a path is an error. */
  readonly homePath: string | undefined
  /** `~/…` is forbidden. */
  readonly pure?: boolean
  /** `|>` and `<|`. */
  readonly pipeOperators?: boolean
  /** Nix's settings `lint-…`. */
  readonly lints?: { readonly urlLiterals?: LintLevel; readonly absolutePathLiterals?: LintLevel; readonly shortPathLiterals?: LintLevel }
  /** Gets warnings; `position` where the message does not name it itself. */
  readonly warn?: (message: string, position: Position | undefined) => void
}

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

interface Operator {
  readonly precedence: number
  readonly associativity: 'left' | 'right' | 'none'
  /** `-x` and `!x` have tokens of their own here. */
  readonly token: number
}

const NEGATE = -1
const COMPLEMENT = -2
const OPERATORS = operatorTable()
const PREFIX_NOT: Operator = { precedence: 7, associativity: 'left', token: COMPLEMENT }
const PREFIX_NEGATE: Operator = { precedence: 12, associativity: 'none', token: NEGATE }
const BEGINS_SIMPLE = kindsTable([T.IDENTIFIER, T.INTEGER, T.FLOAT, T.QUOTE, T.INDENTED_OPEN, T.PATH, T.HOME_PATH, T.SEARCH_PATH, T.URI, T.PARENTHESIS_OPEN, T.LET, T.REC, T.BRACE_OPEN, T.BRACKET_OPEN])

/** One copy of each name, so that comparing names later is comparing pointers. */
const names = new Map<string, string>()

class Parser {
  private readonly source: SourceFile
  private readonly text: string
  private readonly options: ParseOptions
  private readonly tokens: Tokens
  private readonly kinds: Uint8Array
  private readonly starts: Int32Array
  private readonly ends: Int32Array
  private at = 0
  /** Where the last `f or` read by `select` ended, else -1. */
  private cursedEnd = -1

  constructor(source: SourceFile, tokens: Tokens, options: ParseOptions) {
    this.source = source
    this.text = source.text
    this.options = options
    this.tokens = tokens
    this.kinds = tokens.kinds
    this.starts = tokens.starts
    this.ends = tokens.ends
  }

  file(): Expression {
    const expression = this.expression()
    if (this.kind() !== T.END_OF_FILE) this.unexpected()
    return expression
  }

  position(): Position {
    return this.starts[this.at]!
  }

  private kind(): number {
    return this.kinds[this.at]!
  }

  private lexeme(at = this.at): string {
    return this.text.slice(this.starts[at], this.ends[at])
  }

  private expect(kind: number): void {
    if (this.kinds[this.at] !== kind) this.unexpected()
    this.at++
  }

  private unexpected(): never {
    const { message, position } = syntaxErrorOf(this.tokens, this.at)
    throw new ParseError(message, this.source, position)
  }

  private fail(message: string, position: Position | undefined): never {
    throw new ParseError(message, this.source, position)
  }

  private duplicate = (path: string, position: Position, previous: Position): never => {
    const { line, column } = lineAndColumn(this.text, previous)
    return this.fail(`attribute '${path}' already defined at ${originName(this.source)}:${line}:${column}`, position)
  }

  private name(at = this.at): string {
    const text = this.lexeme(at)
    const known = names.get(text)
    if (known !== undefined) return known
    names.set(text, text)
    return text
  }

  /** `expr` of the grammar. */
  private expression(): Expression {
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

  /** At `{`: whether it begins a function's formals. */
  private isFormals(): boolean {
    const { kinds, at } = this
    const first = kinds[at + 1]
    const second = kinds[at + 2]
    if (first === T.ELLIPSIS) return true
    if (first === T.BRACE_CLOSE) return second === T.COLON || second === T.AT
    return first === T.IDENTIFIER && (second === T.COMMA || second === T.QUESTION || second === T.BRACE_CLOSE)
  }

  /** `{ a, b ? c, ... }` and what may follow with `@`. */
  private formals(before: string | undefined): Parameter {
    const formals: { position: Position; name: string; fallback?: Expression }[] = []
    let ellipsis = false
    this.at++
    while (this.kind() !== T.BRACE_CLOSE) {
      if (this.kind() === T.ELLIPSIS) {
        this.at++
        ellipsis = true
        if (this.kind() !== T.BRACE_CLOSE) this.unexpected()
        break
      }
      if (this.kind() !== T.IDENTIFIER) this.unexpected()
      const position = this.position()
      const name = this.name()
      this.at++
      if (this.kind() === T.QUESTION) {
        this.at++
        formals.push({ position, name, fallback: this.expression() })
      } else formals.push({ position, name })
      if (this.kind() === T.COMMA) this.at++
      else if (this.kind() !== T.BRACE_CLOSE) this.unexpected()
    }
    this.at++
    let name = before
    if (before === undefined && this.kind() === T.AT) {
      this.at++
      if (this.kind() !== T.IDENTIFIER) this.unexpected()
      name = this.name()
      this.at++
    }
    if (this.kind() !== T.COLON) this.unexpected()
    return name === undefined ? { kind: 'pattern', formals, ellipsis } : { kind: 'pattern', formals, ellipsis, name }
  }

  private checkFormals(formals: readonly { readonly position: Position; readonly name: string }[], name: string | undefined, start: Position): void {
    const seen = new Map<string, Position | undefined>()
    for (const formal of formals) seen.set(formal.name, seen.has(formal.name) ? seen.get(formal.name) ?? formal.position : undefined)
    if (seen.size < formals.length) {
      for (const [duplicated, position] of seen) if (position !== undefined) this.fail(`duplicate formal function argument '${duplicated}'`, position)
    }
    if (name !== undefined && seen.has(name)) this.fail(`duplicate formal function argument '${name}'`, start)
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
    let pending: Operator[] | undefined
    const pendingAt: Position[] = []
    const operands: Expression[] = []
    const operandStarts: Position[] = []
    for (;;) {
      let start = this.position()
      let kind = this.kind()
      if (kind === T.MINUS || kind === T.NOT) {
        pending ??= []
        while (kind === T.MINUS || kind === T.NOT) {
          pending.push(kind === T.MINUS ? PREFIX_NEGATE : PREFIX_NOT)
          pendingAt.push(start)
          this.at++
          start = this.position()
          kind = this.kind()
        }
      }
      let operand = this.application()
      let next = OPERATORS[this.kind()]
      if (pending === undefined && next === undefined && this.kind() !== T.QUESTION) return operand
      pending ??= []
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

  /** From `{` to `}`. */
  private set(position: Position, recursive: boolean): Expression {
    this.at++
    const bindings = this.bindings(T.BRACE_CLOSE)
    bindings.recursive = recursive
    return { kind: 'attributes', position, bindings }
  }

  /** Bindings up to and including the token `close`. */
  private bindings(close: number): BindingsBuilder {
    const result = new BindingsBuilder()
    for (;;) {
      const kind = this.kind()
      if (kind === close) {
        this.at++
        return result
      }
      if (kind === T.INHERIT) {
        this.at++
        this.inherit(result)
        continue
      }
      const position = this.position()
      const path = this.attributePath()
      this.expect(T.ASSIGN)
      const value = this.expression()
      this.expect(T.SEMICOLON)
      result.define(path, position, value, this.duplicate)
    }
  }

  private inherit(into: BindingsBuilder): void {
    let source = -1
    let from: Expression | undefined
    if (this.kind() === T.PARENTHESIS_OPEN) {
      this.at++
      from = this.expression()
      this.expect(T.PARENTHESIS_CLOSE)
      source = into.inheritFrom.length
    }
    const found: { name: string; position: Position }[] = []
    while (this.kind() !== T.SEMICOLON) {
      const name = this.attributeName()
      if (name.kind === 'dynamic') this.fail('dynamic attributes not allowed in inherit', name.position)
      found.push(name)
    }
    this.at++
    if (from !== undefined) into.inheritFrom.push(from)
    for (const { name, position } of found) {
      const known = into.find(name)
      if (known !== undefined) this.duplicate(name, position, known.position)
      if (from !== undefined) into.insert({ kind: 'inherited-from', position, name, source })
      else into.insert({ kind: 'inherited', position, name, value: { kind: 'variable', position, name } })
    }
  }

  private attributePath(): AttributeName[] {
    const path = [this.attributeName()]
    while (this.kind() === T.DOT) {
      this.at++
      path.push(this.attributeName())
    }
    return path
  }

  private attributeName(): AttributeName {
    const position = this.position()
    switch (this.kind()) {
      case T.IDENTIFIER:
      case T.OR_WORD: {
        const name = this.name()
        this.at++
        return { kind: 'static', position, name }
      }
      case T.QUOTE: return attributeNameOf(position, this.quoted())
      case T.INTERPOLATION: {
        this.at++
        const expression = this.expression()
        this.expect(T.BRACE_CLOSE)
        return attributeNameOf(position, expression)
      }
      default: return this.unexpected()
    }
  }

  /** A `"` string. */
  private quoted(): Expression {
    const start = this.position()
    this.at++
    if (this.kind() === T.QUOTE) {
      this.at++
      return { kind: 'string', position: start, value: '' }
    }
    if (this.kind() === T.STRING && this.kinds[this.at + 1] === T.QUOTE) {
      const value = this.stringPiece()
      this.at++
      return { kind: 'string', position: start, value }
    }
    const position = this.position()
    const { parts, partPositions } = this.parts(T.QUOTE)
    return { kind: 'interpolation', position, parts, partPositions }
  }

  /** Texts and interpolations up to and including the token `close`. */
  private parts(close: number): { parts: Expression[]; partPositions: Position[] } {
    const parts: Expression[] = []
    const partPositions: Position[] = []
    while (this.kind() !== close) {
      const position = this.position()
      partPositions.push(position)
      if (this.kind() === T.STRING) {
        parts.push({ kind: 'string', position, value: close === T.QUOTE ? this.stringPiece() : this.lexeme() })
        if (close !== T.QUOTE) this.at++
      } else parts.push(this.interpolated())
    }
    this.at++
    return { parts, partPositions }
  }

  /** `${ expr }` */
  private interpolated(): Expression {
    this.expect(T.INTERPOLATION)
    const expression = this.expression()
    this.expect(T.BRACE_CLOSE)
    return expression
  }

  private stringPiece(): string {
    const value = unescape(this.lexeme())
    this.rejectNull(value)
    this.at++
    return value
  }

  private rejectNull(value: string): void {
    if (!value.includes('\0')) return
    this.fail(`input string '${value.replaceAll('\0', '\u00e2\u0090\u0080')}' cannot be represented as Nix string because it contains null bytes`, this.position())
  }

  /** A `''` string. */
  private indented(): Expression {
    const position = this.position()
    this.at++
    const parts: IndentedPart[] = []
    while (this.kind() !== T.INDENTED_CLOSE) {
      const partPosition = this.position()
      if (this.kind() === T.INDENTED_STRING) {
        const part = indentedPart(this.lexeme(), partPosition)
        if (part.kind === 'text') this.rejectNull(part.text)
        parts.push(part)
        this.at++
      } else parts.push({ kind: 'expression', position: partPosition, expression: this.interpolated() })
    }
    this.at++
    const stripped = stripIndentation(parts)
    if (stripped.length === 0) return { kind: 'string', position, value: '' }
    if (stripped.length === 1 && stripped[0]!.expression.kind === 'string') return stripped[0]!.expression
    return { kind: 'interpolation', position, parts: stripped.map((part) => part.expression), partPositions: stripped.map((part) => part.position) }
  }

  private path(): Expression {
    const position = this.position()
    const literal = this.lexeme()
    const value = this.kind() === T.HOME_PATH ? this.homePath(literal, position) : this.plainPath(literal, position)
    this.at++
    if (this.kind() === T.PATH_END) {
      this.at++
      return { kind: 'path', position, value }
    }
    // `a//b`: a piece of text is allowed only where an interpolation follows
    if (this.kind() === T.STRING && this.kinds[this.at + 1] !== T.INTERPOLATION) {
      this.at++
      this.unexpected()
    }
    const { parts, partPositions } = this.parts(T.PATH_END)
    return { kind: 'path-interpolation', position, parts: [{ kind: 'path', position, value }, ...parts], partPositions: [position, ...partPositions] }
  }

  private plainPath(literal: string, position: Position): string {
    const absolute = literal.startsWith('/')
    if (absolute) this.lint('absolutePathLiterals', () => `absolute path literals are not portable. Consider replacing path literal '${literal}' by a string, relative path, or parameter`, position)
    else if (!literal.startsWith('.')) this.lint('shortPathLiterals', () => `relative path literal '${literal}' should be prefixed with '.' for clarity: './${literal}'`, position)
    const path = canonicalPath(absolute ? literal : `${this.options.basePath}/${literal}`)
    // the slash before an interpolation is kept
    return literal.length > 1 && literal.endsWith('/') ? `${path}/` : path
  }

  private homePath(literal: string, position: Position): string {
    if (this.options.pure === true) this.fail(`the path '${literal}' can not be resolved in pure mode`, undefined)
    this.lint('absolutePathLiterals', () => `home path literals are not portable. Consider replacing path literal '${literal}' by a string, relative path, or parameter`, position)
    if (this.options.homePath === undefined) this.fail(`the path '${literal}' can not be resolved without a home folder`, position)
    const path = canonicalPath(this.options.homePath + literal.slice(1))
    return literal.endsWith('/') ? `${path}/` : path
  }

  private lint(name: keyof NonNullable<ParseOptions['lints']>, message: (fatal: boolean) => string, position: Position): void {
    const level = this.options.lints?.[name] ?? 'ignore'
    if (level === 'ignore') return
    const setting = { urlLiterals: 'lint-url-literals', absolutePathLiterals: 'lint-absolute-path-literals', shortPathLiterals: 'lint-short-path-literals' }[name]
    const text = `${message(level === 'fatal')} (${setting})`
    if (level === 'fatal') this.fail(text, position)
    this.options.warn?.(text, position)
  }
}

/** `f a` as the grammar's actions build it: a call that is applied again gets one more argument. */
function call(position: Position, callee: Expression, argument: Expression): Expression {
  if (callee.kind === 'call') return { ...callee, arguments: [...callee.arguments, argument] }
  return { kind: 'call', position, callee, arguments: [argument] }
}

function attributeNameOf(position: Position, expression: Expression): AttributeName {
  if (expression.kind === 'string') return { kind: 'static', position, name: expression.value }
  return { kind: 'dynamic', position, expression }
}

function negated(position: Position, operand: Expression): Expression {
  return primitive('__sub', position, { kind: 'int', position, value: 0n }, operand)
}

function combine(token: number, position: Position, left: Expression, right: Expression, leftPosition: Position, rightPosition: Position): Expression {
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

function kindsTable(kinds: readonly number[]): Uint8Array {
  const table = new Uint8Array(64)
  for (const kind of kinds) table[kind] = 1
  return table
}
