/**
 * Ring: eval. The parts of the syntax that bind names: sets, `let`, `inherit`, attribute paths, and the formals of functions. Upstream
 * counterpart: `binds`, `attrpath` and `formals` of src/libexpr/parser.y.
 */
import type { AttributeName, Expression, Parameter, Position } from './ast.ts'
import { BindingsBuilder } from './bindings.ts'
import { LiteralParser } from './literal-parser.ts'
import { internName } from './names.ts'
import * as T from './tokens.ts'

export abstract class BindingParser extends LiteralParser {
  /** From `{` to `}`. */
  protected set(position: Position, recursive: boolean): Expression {
    this.at++
    const bindings = this.bindings(T.BRACE_CLOSE)
    bindings.recursive = recursive
    return { kind: 'attributes', position, bindings }
  }

  /** Bindings up to and including the token `close`. */
  protected bindings(close: number): BindingsBuilder {
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

  protected inherit(into: BindingsBuilder): void {
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

  protected attributePath(): AttributeName[] {
    const path = [this.attributeName()]
    while (this.kind() === T.DOT) {
      this.at++
      path.push(this.attributeName())
    }
    return path
  }

  protected attributeName(): AttributeName {
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

  /** At `{`: whether it begins a function's formals. */
  protected isFormals(): boolean {
    const { kinds, at } = this
    const first = kinds[at + 1]
    const second = kinds[at + 2]
    if (first === T.ELLIPSIS) return true
    if (first === T.BRACE_CLOSE) return second === T.COLON || second === T.AT
    return first === T.IDENTIFIER && (second === T.COMMA || second === T.QUESTION || second === T.BRACE_CLOSE)
  }

  /** `{ a, b ? c, ... }` and what may follow with `@`. */
  protected formals(before: string | undefined): Parameter {
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

  protected checkFormals(formals: readonly { readonly position: Position; readonly name: string }[], name: string | undefined, start: Position): void {
    const seen = new Map<string, Position | undefined>()
    for (const formal of formals) seen.set(formal.name, seen.has(formal.name) ? seen.get(formal.name) ?? formal.position : undefined)
    if (seen.size < formals.length) {
      for (const [duplicated, position] of seen) if (position !== undefined) this.fail(`duplicate formal function argument '${duplicated}'`, position)
    }
    if (name !== undefined && seen.has(name)) this.fail(`duplicate formal function argument '${name}'`, start)
  }
}

function attributeNameOf(position: Position, expression: Expression): AttributeName {
  if (expression.kind === 'string') return { kind: 'static', position, name: internName(expression.value) }
  return { kind: 'dynamic', position, expression }
}
