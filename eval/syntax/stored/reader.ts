/** Ring: eval. Reads syntax from bytes (format.ts), which must be what the writer wrote: whoever keeps them sees to that. */
import { byteStringOfBytes } from '../../../nix/bytes.ts'
import type { AttributeName, AttributePath, Bindings, Expression, Parameter, Position, StaticBinding } from '../ast.ts'
import { internName } from '../names.ts'
import { KINDS, OPERATORS, PART, PART_HEAD } from './format.ts'

/** The expression; its parts are read when they are asked for. */
export function readSyntax(bytes: Uint8Array): Expression {
  return new SyntaxReader(bytes).expression()
}

const floatBytes = new Uint8Array(8)
const float = new Float64Array(floatBytes.buffer)

class SyntaxReader {
  private readonly bytes: Uint8Array
  private at = 0
  private readonly text: string
  /** Where each string begins in the text; after the last, where that ends. */
  private readonly starts: Int32Array
  private readonly names: (string | undefined)[]

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    const size = this.number()
    const count = this.number()
    this.starts = new Int32Array(count + 1)
    for (let i = 0; i < count; i++) this.starts[i + 1] = this.starts[i]! + this.number()
    this.text = byteStringOfBytes(bytes.subarray(this.at, this.at + size))
    this.at += size
    this.names = new Array<string | undefined>(count).fill(undefined)
  }

  expression(): Expression {
    const kind = KINDS[this.byte()]!
    const position = this.number()
    switch (kind) {
      case 'int': return { kind, position, value: BigInt(this.string()) }
      case 'float': return { kind, position, value: this.float() }
      case 'string': return { kind, position, value: this.string() }
      case 'path': return { kind, position, value: this.string() }
      case 'search-path': return { kind, position, value: this.string() }
      case 'interpolation':
      case 'path-interpolation': {
        const parts = this.expressions()
        return { kind, position, parts, partPositions: this.numbers() }
      }
      case 'variable': return { kind, position, name: this.name() }
      case 'select': return this.select(position)
      case 'has-attribute': {
        const subject = this.expression()
        return { kind, position, subject, path: this.path() }
      }
      case 'attributes': return { kind, position, bindings: this.bindings() }
      case 'list': return { kind, position, elements: this.partList() }
      case 'lambda': return this.lambda(position)
      case 'call': {
        const callee = this.expression()
        return { kind, position, callee, arguments: this.partList() }
      }
      case 'let': {
        const bindings = this.bindings()
        return { kind, position, bindings, body: this.expression() }
      }
      case 'with': {
        const scope = this.part()
        return { kind, position, scope, body: this.expression() }
      }
      case 'if': {
        const condition = this.expression()
        const then = this.expression()
        return { kind, position, condition, then, else: this.expression() }
      }
      case 'assert': {
        const condition = this.expression()
        return { kind, position, condition, body: this.expression() }
      }
      case 'not': return { kind, position, operand: this.expression() }
      case 'binary': return this.binary(position)
      case 'current-position': return { kind, position }
    }
  }

  private expressionAt(at: number): Expression {
    this.at = at
    return this.expression()
  }

  /** What is compiled later: read when it is. */
  private part(): Expression {
    const { bytes } = this
    if (bytes[this.at] !== PART) return this.expression()
    const start = this.at + PART_HEAD
    const size = bytes[this.at + 1]! | (bytes[this.at + 2]! << 8) | (bytes[this.at + 3]! << 16)
    this.at = start + 1
    const position = this.number()
    this.at = start + size
    return { kind: 'stored', position, read: () => this.expressionAt(start) }
  }

  private select(position: Position): Expression {
    const subject = this.expression()
    const path = this.path()
    return this.byte() === 0 ? { kind: 'select', position, subject, path } : { kind: 'select', position, subject, path, fallback: this.expression() }
  }

  private lambda(position: Position): Expression {
    const parameter = this.parameter()
    const body = this.part()
    return this.byte() === 0 ? { kind: 'lambda', position, parameter, body } : { kind: 'lambda', position, parameter, body, name: this.name() }
  }

  private binary(position: Position): Expression {
    const operator = OPERATORS[this.byte()]!
    const left = this.expression()
    const right = this.expression()
    const leftPosition = this.byte() === 0 ? undefined : this.number()
    const rightPosition = this.byte() === 0 ? undefined : this.number()
    return { kind: 'binary', position, operator, left, right, ...(leftPosition !== undefined && { leftPosition }), ...(rightPosition !== undefined && { rightPosition }) }
  }

  private bindings(): Bindings {
    const recursive = this.byte() === 1
    const inheritFrom = this.partList()
    const fixed: StaticBinding[] = []
    for (let left = this.number(); left > 0; left--) fixed.push(this.binding())
    const dynamic: { position: Position; name: Expression; value: Expression }[] = []
    for (let left = this.number(); left > 0; left--) {
      const position = this.number()
      const name = this.expression()
      dynamic.push({ position, name, value: this.part() })
    }
    return { recursive, static: fixed, dynamic, inheritFrom }
  }

  private binding(): StaticBinding {
    const position = this.number()
    const name = this.name()
    switch (this.byte()) {
      case 0: return { kind: 'plain', position, name, value: this.part() }
      case 1: return { kind: 'inherited', position, name, value: this.expression() }
      default: return { kind: 'inherited-from', position, name, source: this.number() }
    }
  }

  private parameter(): Parameter {
    const kind = this.byte()
    if (kind === 0) return { kind: 'name', name: this.name() }
    const formals: { position: Position; name: string; fallback?: Expression }[] = []
    for (let left = this.number(); left > 0; left--) {
      const position = this.number()
      const name = this.name()
      formals.push(this.byte() === 0 ? { position, name } : { position, name, fallback: this.part() })
    }
    const ellipsis = kind === 2
    return this.byte() === 0 ? { kind: 'pattern', formals, ellipsis } : { kind: 'pattern', formals, ellipsis, name: this.name() }
  }

  private path(): AttributePath {
    const path: AttributeName[] = []
    for (let left = this.number(); left > 0; left--) {
      const isStatic = this.byte() === 0
      const position = this.number()
      path.push(isStatic ? { kind: 'static', position, name: this.name() } : { kind: 'dynamic', position, expression: this.expression() })
    }
    return path
  }

  private expressions(): Expression[] {
    const found: Expression[] = []
    for (let left = this.number(); left > 0; left--) found.push(this.expression())
    return found
  }

  private partList(): Expression[] {
    const found: Expression[] = []
    for (let left = this.number(); left > 0; left--) found.push(this.part())
    return found
  }

  private numbers(): number[] {
    const found: number[] = []
    for (let left = this.number(); left > 0; left--) found.push(this.number())
    return found
  }

  private string(): string {
    const number = this.number()
    return this.text.slice(this.starts[number], this.starts[number + 1])
  }

  private name(): string {
    const number = this.number()
    return (this.names[number] ??= internName(this.text.slice(this.starts[number], this.starts[number + 1])))
  }

  private float(): number {
    for (let i = 0; i < floatBytes.length; i++) floatBytes[i] = this.byte()
    return float[0]!
  }

  private number(): number {
    const { bytes } = this
    let byte = bytes[this.at++]!
    if (byte < 0x80) return byte
    let value = byte & 0x7f
    let scale = 0x80
    do {
      byte = bytes[this.at++]!
      value += (byte & 0x7f) * scale
      scale *= 0x80
    } while (byte >= 0x80)
    return value
  }

  private byte(): number {
    return this.bytes[this.at++]!
  }
}
