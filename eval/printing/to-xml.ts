/** Ring: eval. Values as XML. Upstream counterpart: src/libexpr/value-to-xml.cc. */
import { escapeXml } from '../text/xml.ts'
import { formatFloat } from '../text/printing.ts'
import { isDerivation } from '../runtime/equality.ts'
import { force, isDelayed, settled } from '../runtime/thunk.ts'
import { isString, textOf } from '../runtime/types.ts'
import type { ContextBuilder } from '../values/context.ts'
import type { Location } from '../values/location.ts'
import { byBytes } from '../../nix/sorting.ts'
import { placeAt } from '../values/places.ts'
import { Attributes, ContextString, Float, Lambda, PathValue, type List, type Slot } from '../values/value.ts'

export interface XmlOptions {
  /** Whether everything is evaluated; else what isn't is shown so. */
  readonly strict: boolean
  /** Whether places in sources are shown. */
  readonly locations: boolean
}

type XmlAttributes = Readonly<Record<string, string>>

/** A whole document, as a byte string; what strings refer to goes to `context`. */
export function valueToXml(slot: Slot, context: ContextBuilder, options: XmlOptions): string {
  const writer = new XmlWriter(context, options)
  writer.open('expr', {})
  writer.value(slot)
  writer.close('expr')
  return writer.output
}

class XmlWriter {
  output = '<?xml version=\'1.0\' encoding=\'utf-8\'?>\n'
  private depth = 0
  private readonly context: ContextBuilder
  private readonly options: XmlOptions
  private readonly derivationsSeen = new Set<string>()

  constructor(context: ContextBuilder, options: XmlOptions) {
    this.context = context
    this.options = options
  }

  open(tag: string, attributes: XmlAttributes): void {
    this.tag(tag, attributes, '>')
    this.depth++
  }

  close(tag: string): void {
    this.depth--
    this.output += `${'  '.repeat(this.depth)}</${tag}>\n`
  }

  private empty(tag: string, attributes: XmlAttributes = {}): void {
    this.tag(tag, attributes, ' />')
  }

  private tag(tag: string, attributes: XmlAttributes, end: string): void {
    const sorted = Object.entries(attributes).sort(([a], [b]) => byBytes(a, b))
    this.output += `${'  '.repeat(this.depth)}<${tag}${sorted.map(([name, value]) => ` ${name}="${escapeXml(value)}"`).join('')}${end}\n`
  }

  value(slot: Slot): void {
    const settledSlot = this.options.strict ? force(slot) : settled(slot)
    if (isDelayed(settledSlot)) return this.empty('unevaluated')
    const value = settledSlot
    if (value === null) return this.empty('null')
    if (typeof value === 'boolean') return this.empty('bool', { value: String(value) })
    if (typeof value === 'number' || typeof value === 'bigint') return this.empty('int', { value: String(value) })
    if (isString(value)) {
      if (value instanceof ContextString) this.context.add(value.context)
      return this.empty('string', { value: textOf(value) })
    }
    if (value instanceof PathValue) return this.empty('path', { value: value.path })
    if (value instanceof Float) return this.empty('float', { value: formatFloat(value.value) })
    if (value instanceof Attributes) return this.attributes(value)
    if (value instanceof Lambda) return this.lambda(value)
    if (!Array.isArray(value)) return this.empty('unevaluated')
    this.open('list', {})
    for (const element of value as List) this.value(element)
    this.close('list')
  }

  private attributes(value: Attributes): void {
    if (!isDerivation(value)) {
      this.open('attrs', {})
      this.members(value)
      this.close('attrs')
      return
    }
    const drvPath = this.textAttribute(value, 'drvPath')
    const outPath = this.textAttribute(value, 'outPath')
    this.open('derivation', { ...(drvPath !== undefined && { drvPath }), ...(outPath !== undefined && { outPath }) })
    if (drvPath !== undefined && drvPath !== '' && !this.derivationsSeen.has(drvPath)) {
      this.derivationsSeen.add(drvPath)
      this.members(value)
    } else {
      this.empty('repeated')
    }
    this.close('derivation')
  }

  private textAttribute(value: Attributes, name: string): string | undefined {
    const slot = value.get(name)
    if (slot === undefined) return undefined
    const forced = this.options.strict ? force(slot) : settled(slot)
    return isDelayed(forced) || !isString(forced) ? undefined : textOf(forced)
  }

  private members(value: Attributes): void {
    const { names } = value.layout
    for (let i = 0; i < names.length; i++) {
      this.open('attr', { name: names[i]!, ...this.place(placeAt(value.places, i)) })
      this.value(value.values[i]!)
      this.close('attr')
    }
  }

  private lambda(value: Lambda): void {
    const { parameter, location } = value.code
    this.open('function', this.place(location))
    if (parameter.kind === 'name') {
      this.empty('varpat', { name: parameter.name })
    } else {
      this.open('attrspat', { ...(parameter.wholeName !== undefined && { name: parameter.wholeName }), ...(parameter.ellipsis && { ellipsis: '1' }) })
      for (const formal of [...parameter.formals].sort((a, b) => byBytes(a.name, b.name))) this.empty('attr', { name: formal.name })
      this.close('attrspat')
    }
    this.close('function')
  }

  private place(location: Location | undefined): XmlAttributes {
    if (!this.options.locations || location === undefined || location.offset < 0) return {}
    const { line, column } = location.place
    const { origin } = location.source
    return { ...(origin.kind === 'file' && { path: origin.path }), line: String(line), column: String(column) }
  }
}
