/** Ring: eval. Writes syntax as bytes (format.ts). */
import { writeByteString } from '../../../nix/bytes.ts'
import type { AttributeName, AttributePath, Bindings, Expression, Parameter, StaticBinding } from '../ast.ts'
import { isDelayedSyntax } from '../segments.ts'
import { DEEPEST, KINDS, OPERATORS, PART, PART_HEAD, SMALLEST_PART, type StoredKind } from './format.ts'

/** Undefined for what is nested too deeply to be stored. */
export function writeSyntax(expression: Expression): Uint8Array | undefined {
  const writer = new SyntaxWriter()
  try {
    writer.expression(expression)
  } catch (error) {
    if (error === TOO_DEEP) return undefined
    throw error
  }
  return writer.finish()
}

const TOO_DEEP = new RangeError('nested too deeply to be stored')
const KIND_NUMBERS = new Map<string, number>(KINDS.map((kind, number) => [kind, number]))
const float = new Float64Array(1)
const floatBytes = new Uint8Array(float.buffer)

class SyntaxWriter {
  private bytes = new Uint8Array(4096)
  private at = 0
  private depth = 0
  private readonly strings = new Map<string, number>()

  /** The strings, and then what was written. */
  finish(): Uint8Array {
    const body = this.bytes.subarray(0, this.at)
    this.bytes = new Uint8Array(4096)
    this.at = 0
    const texts = [...this.strings.keys()]
    const all = texts.join('')
    this.number(all.length)
    this.number(texts.length)
    for (const text of texts) this.number(text.length)
    const start = this.at
    const whole = new Uint8Array(start + all.length + body.length)
    whole.set(this.bytes.subarray(0, start))
    writeByteString(whole, all, start)
    whole.set(body, start + all.length)
    return whole
  }

  expression(node: Expression): void {
    if (++this.depth > DEEPEST) throw TOO_DEEP
    const kind = KIND_NUMBERS.get(node.kind)
    if (kind === undefined) throw new TypeError(`the parser makes no ${node.kind}`)
    this.byte(kind)
    this.number(node.position)
    this.parts(node as Expression & { readonly kind: StoredKind })
    this.depth--
  }

  private parts(node: Expression & { readonly kind: StoredKind }): void {
    switch (node.kind) {
      case 'int': return this.string(node.value.toString())
      case 'float': return this.float(node.value)
      case 'string':
      case 'path':
      case 'search-path': return this.string(node.value)
      case 'interpolation':
      case 'path-interpolation':
        this.list(node.parts, (part) => this.expression(part))
        return this.list(node.partPositions, (position) => this.number(position))
      case 'variable': return this.string(node.name)
      case 'select':
        this.expression(node.subject)
        this.path(node.path)
        return this.optional(node.fallback, (fallback) => this.expression(fallback))
      case 'has-attribute':
        this.expression(node.subject)
        return this.path(node.path)
      case 'attributes': return this.bindings(node.bindings)
      case 'list': return this.list(node.elements, (element) => this.part(element))
      case 'lambda':
        this.parameter(node.parameter)
        this.part(node.body)
        return this.optional(node.name, (name) => this.string(name))
      case 'call':
        this.expression(node.callee)
        return this.list(node.arguments, (argument) => this.part(argument))
      case 'let':
        this.bindings(node.bindings)
        return this.expression(node.body)
      case 'with':
        this.part(node.scope)
        return this.expression(node.body)
      case 'if':
        this.expression(node.condition)
        this.expression(node.then)
        return this.expression(node.else)
      case 'assert':
        this.expression(node.condition)
        return this.expression(node.body)
      case 'not': return this.expression(node.operand)
      case 'binary':
        this.byte(OPERATORS.indexOf(node.operator))
        this.expression(node.left)
        this.expression(node.right)
        this.optional(node.leftPosition, (position) => this.number(position))
        return this.optional(node.rightPosition, (position) => this.number(position))
      case 'current-position': return
    }
  }

  /** What is compiled later, or as it is where that is no thunk or hardly worth it. */
  private part(node: Expression): void {
    if (!isDelayedSyntax(node)) return this.expression(node)
    const start = this.at
    this.byte(PART)
    for (let i = 1; i < PART_HEAD; i++) this.byte(0)
    this.expression(node)
    const size = this.at - start - PART_HEAD
    if (size < SMALLEST_PART) {
      this.bytes.copyWithin(start, start + PART_HEAD, this.at)
      this.at -= PART_HEAD
      return
    }
    if (size >= 2 ** 24) throw TOO_DEEP
    for (let i = 1; i < PART_HEAD; i++) this.bytes[start + i] = size >>> (8 * (i - 1))
  }

  private bindings({ recursive, static: fixed, dynamic, inheritFrom }: Bindings): void {
    this.byte(recursive ? 1 : 0)
    this.list(inheritFrom, (source) => this.part(source))
    this.list(fixed, (binding) => this.binding(binding))
    this.list(dynamic, ({ position, name, value }) => {
      this.number(position)
      this.expression(name)
      this.part(value)
    })
  }

  private binding(binding: StaticBinding): void {
    this.number(binding.position)
    this.string(binding.name)
    switch (binding.kind) {
      case 'plain':
        this.byte(0)
        return this.part(binding.value)
      case 'inherited':
        this.byte(1)
        return this.expression(binding.value)
      case 'inherited-from':
        this.byte(2)
        return this.number(binding.source)
    }
  }

  private parameter(parameter: Parameter): void {
    this.byte(parameter.kind === 'name' ? 0 : parameter.ellipsis ? 2 : 1)
    if (parameter.kind === 'name') return this.string(parameter.name)
    this.list(parameter.formals, ({ position, name, fallback }) => {
      this.number(position)
      this.string(name)
      this.optional(fallback, (value) => this.part(value))
    })
    this.optional(parameter.name, (name) => this.string(name))
  }

  private path(path: AttributePath): void {
    this.list(path, (name) => this.attributeName(name))
  }

  private attributeName(name: AttributeName): void {
    this.byte(name.kind === 'static' ? 0 : 1)
    this.number(name.position)
    if (name.kind === 'static') this.string(name.name)
    else this.expression(name.expression)
  }

  private list<T>(items: readonly T[], write: (item: T) => void): void {
    this.number(items.length)
    for (const item of items) write(item)
  }

  private optional<T>(item: T | undefined, write: (item: T) => void): void {
    this.byte(item === undefined ? 0 : 1)
    if (item !== undefined) write(item)
  }

  private string(text: string): void {
    let number = this.strings.get(text)
    if (number === undefined) this.strings.set(text, (number = this.strings.size))
    this.number(number)
  }

  private float(value: number): void {
    float[0] = value
    for (const byte of floatBytes) this.byte(byte)
  }

  private number(value: number): void {
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) + 0x80)
    this.byte(rest)
  }

  private byte(value: number): void {
    if (this.at === this.bytes.length) {
      const larger = new Uint8Array(2 * this.at)
      larger.set(this.bytes)
      this.bytes = larger
    }
    this.bytes[this.at++] = value
  }
}
