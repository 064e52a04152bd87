/**
 * Ring: eval. Values in Nix's own syntax. Upstream counterpart: src/libexpr/print.cc (`nix eval`, messages, `trace`) and
 * print-ambiguous.cc (`nix-instantiate --eval`). Nothing is forced: who wants more forces deeply first.
 */
import { originName } from '../syntax/position.ts'
import { formatFloat, printAttributeName, printStringLiteral } from '../text/printing.ts'
import { byBytes } from '../../nix/sorting.ts'
import { Attributes, ContextString, Float, Lambda, PartialPrimOp, PathValue, PrimOp, type Slot, type Value } from '../values/value.ts'
import { isDelayed, isWaiting, settled, Thunk } from '../runtime/thunk.ts'
import { inGuillemets } from './guillemets.ts'

export interface PrintLimits {
  readonly maxDepth?: number
  /** Of the whole printout. */
  readonly maxAttributes?: number
  /** Of the whole printout. */
  readonly maxListItems?: number
  readonly maxStringLength?: number
}

/** A byte string. Sets and lists met before are `«repeated»`. */
export function printValue(value: Slot, limits: PrintLimits = {}): string {
  return new Printer(limits).print(value)
}

type Work = { readonly text: string } | { readonly slot: Slot; readonly depth: number }

class Printer {
  private readonly limits: PrintLimits
  private readonly seen = new Set<object>()
  private attributes = 0
  private items = 0
  private output = ''
  private readonly pending: Work[] = []

  constructor(limits: PrintLimits) {
    this.limits = limits
  }

  print(root: Slot): string {
    this.pending.push({ slot: root, depth: 0 })
    for (let work = this.pending.pop(); work !== undefined; work = this.pending.pop()) {
      if ('text' in work) this.output += work.text
      else this.step(work.slot, work.depth)
    }
    return this.output
  }

  private step(slot: Slot, depth: number): void {
    if (slot instanceof Thunk) {
      if (!isDelayed(slot)) this.step(settled(slot), depth)
      else this.output += inGuillemets(isWaiting(slot) ? 'potential infinite recursion' : 'thunk')
      return
    }
    if (slot instanceof Attributes) this.printAttributes(slot, depth)
    else if (Array.isArray(slot)) this.printList(slot as readonly Slot[], depth)
    else this.output += this.printLeaf(slot)
  }

  private printLeaf(value: Value): string {
    if (typeof value === 'string' || value instanceof ContextString) return this.printString(typeof value === 'string' ? value : value.text)
    if (value === null) return 'null'
    if (typeof value === 'boolean' || typeof value === 'number' || typeof value === 'bigint') return String(value)
    if (value instanceof Float) return formatFloat(value.value)
    if (value instanceof PathValue) return value.path
    return printFunction(value as Lambda | PrimOp | PartialPrimOp)
  }

  private printString(text: string): string {
    const { maxStringLength } = this.limits
    if (maxStringLength === undefined || text.length <= maxStringLength) return printStringLiteral(text)
    return `${printStringLiteral(text.slice(0, maxStringLength))} ${elided(text.length - maxStringLength, 'byte')}`
  }

  private printAttributes(value: Attributes, depth: number): void {
    // As in Nix, the empty set counts as met too.
    if (this.seen.has(value)) {
      this.output += inGuillemets('repeated')
      return
    }
    this.seen.add(value)
    if (depth >= (this.limits.maxDepth ?? Infinity)) {
      this.output += '{ ... }'
      return
    }
    const max = this.limits.maxAttributes ?? Infinity
    const names = [...value.layout.names]
    if (max !== Infinity) names.sort((a, b) => Number(!isImportant(a)) - Number(!isImportant(b)) || byBytes(a, b))
    this.output += '{'
    const entries = names.map((name) => ({ before: ` ${printAttributeName(name)} = `, slot: value.get(name)!, after: ';' }))
    this.pushEntries(entries, ' }', depth, max, 'attribute')
  }

  private printList(list: readonly Slot[], depth: number): void {
    if (list.length > 0 && this.seen.has(list)) {
      this.output += inGuillemets('repeated')
      return
    }
    this.seen.add(list)
    if (depth >= (this.limits.maxDepth ?? Infinity)) {
      this.output += '[ ... ]'
      return
    }
    this.output += '['
    this.pushEntries(list.map((slot) => ({ before: ' ', slot, after: '' })), ' ]', depth, this.limits.maxListItems ?? Infinity, 'item')
  }

  /** Limits count over the whole printout, in the order of printing; so containers with limits print their entries at once. */
  private pushEntries(entries: readonly { readonly before: string; readonly slot: Slot; readonly after: string }[], end: string, depth: number, max: number, what: 'attribute' | 'item'): void {
    if (max === Infinity) {
      this.pending.push({ text: end })
      for (let i = entries.length - 1; i >= 0; i--) {
        const { before, slot, after } = entries[i]!
        if (after !== '') this.pending.push({ text: after })
        this.pending.push({ slot, depth: depth + 1 }, { text: before })
      }
      return
    }
    for (let i = 0; i < entries.length; i++) {
      const printed = what === 'attribute' ? this.attributes : this.items
      if (printed >= max) {
        this.output += ` ${elided(entries.length - i, what)}`
        break
      }
      const { before, slot, after } = entries[i]!
      this.output += before
      this.step(slot, depth + 1)
      this.output += after
      if (what === 'attribute') this.attributes++
      else this.items++
    }
    this.output += end
  }
}

function elided(count: number, what: string): string {
  return inGuillemets(`${count} ${what}${count === 1 ? '' : 's'} elided`)
}

function isImportant(name: string): boolean {
  return name === 'type' || name === '_type'
}

function printFunction(value: Lambda | PrimOp | PartialPrimOp): string {
  if (value instanceof PrimOp) return inGuillemets(`primop ${value.name}`)
  if (value instanceof PartialPrimOp) return inGuillemets(`partially applied primop ${value.primOp.name}`)
  const { name, location } = value.code
  const { line, column } = location.place
  return inGuillemets(`lambda${name === undefined ? '' : ` ${name}`} @ ${originName(location.source)}:${line}:${column}`)
}

/** As `nix-instantiate --eval` prints: `<LAMBDA>`, `<CODE>`, `{ a = 1; }`. */
export function printAmbiguous(root: Slot): string {
  const seen = new Set<object>()
  let output = ''
  const pending: Work[] = [{ slot: root, depth: 0 }]
  for (let work = pending.pop(); work !== undefined; work = pending.pop()) {
    if ('text' in work) {
      output += work.text
      continue
    }
    const slot = settled(work.slot)
    if (slot instanceof Thunk) {
      output += isWaiting(slot) ? inGuillemets('potential infinite recursion') : '<CODE>'
      continue
    }
    if (slot instanceof Attributes) {
      if (slot.size > 0 && seen.has(slot)) {
        output += inGuillemets('repeated')
        continue
      }
      seen.add(slot)
      output += '{ '
      pending.push({ text: '}' })
      for (let i = slot.size - 1; i >= 0; i--) pending.push({ text: '; ' }, { slot: slot.values[i]!, depth: 0 }, { text: `${printAttributeName(slot.layout.names[i]!)} = ` })
    } else if (Array.isArray(slot)) {
      // Short lists lie within the value that holds them in Nix, so another value with the same elements is not a repetition.
      const identity = slot.length <= 2 && work.slot instanceof Thunk ? work.slot : slot
      if (slot.length > 0 && seen.has(identity)) {
        output += inGuillemets('repeated')
        continue
      }
      seen.add(identity)
      output += '[ '
      pending.push({ text: ']' })
      const list = slot as readonly Slot[]
      for (let i = list.length - 1; i >= 0; i--) pending.push({ text: ' ' }, { slot: list[i]!, depth: 0 })
    } else {
      output += printAmbiguousLeaf(slot)
    }
  }
  return output
}

function printAmbiguousLeaf(value: Value): string {
  if (typeof value === 'string') return printStringLiteral(value)
  if (value instanceof ContextString) return printStringLiteral(value.text)
  if (value === null) return 'null'
  if (typeof value === 'boolean' || typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (value instanceof Float) return formatFloat(value.value)
  if (value instanceof PathValue) return value.path
  return value instanceof Lambda ? '<LAMBDA>' : value instanceof PrimOp ? '<PRIMOP>' : '<PRIMOP-APP>'
}
