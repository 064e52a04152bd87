/**
 * Ring: web (playground). Values over several lines, as `nix repl` prints them. What a value holds is evaluated while it is
 * printed, each attribute for itself: one that fails or waits says so in its place.
 */
import { Suspended } from '../../eval/io.ts'
import { isolated } from '../../eval/evaluator.ts'
import { printValue } from '../../eval/printing/print.ts'
import { EvaluationError } from '../../eval/runtime/errors.ts'
import { isDerivation } from '../../eval/runtime/equality.ts'
import { isString, textOf } from '../../eval/runtime/types.ts'
import { force } from '../../eval/runtime/thunk.ts'
import { printAttributeName } from '../../eval/text/printing.ts'
import { Attributes, type Slot, type Value } from '../../eval/values/value.ts'

const MAX_LINES = 2000
const MAX_DEPTH = 12
/** What fits into a line is not broken over several. */
const LINE = 88

export interface Shown {
  /** A byte string. */
  readonly text: string
  /** Keys of what it waits for. */
  readonly needs: readonly string[]
}

export function showValue(root: Slot): Shown {
  const printer = new Printer()
  const text = printer.print(root, 0)
  return { text, needs: [...printer.needs] }
}

class Printer {
  readonly needs = new Set<string>()
  private readonly open = new Set<object>()
  private lines = 0

  print(slot: Slot, depth: number): string {
    let value: Value
    try {
      value = isolated(() => force(slot))
      if (value instanceof Attributes && isolated(() => isDerivation(value))) return this.derivation(value)
    } catch (error) {
      return this.failure(error)
    }
    if (!(value instanceof Attributes) && !Array.isArray(value)) return printValue(value)
    if (this.open.has(value)) return marked('repeated')
    if (depth > MAX_DEPTH || this.lines > MAX_LINES) return value instanceof Attributes ? '{ ... }' : '[ ... ]'
    this.open.add(value)
    const printed = value instanceof Attributes ? this.attributes(value, depth) : this.list(value as readonly Slot[], depth)
    this.open.delete(value)
    return printed
  }

  private attributes(value: Attributes, depth: number): string {
    return this.block('{', '}', value.layout.names.map((name) => () => `${printAttributeName(name)} = ${this.print(value.get(name)!, depth + 1)};`), depth)
  }

  private list(value: readonly Slot[], depth: number): string {
    return this.block('[', ']', value.map((slot) => () => this.print(slot, depth + 1)), depth)
  }

  private block(opening: string, closing: string, entries: readonly (() => string)[], depth: number): string {
    if (entries.length === 0) return `${opening} ${closing}`
    const shown: string[] = []
    for (const entry of entries) {
      if (this.lines > MAX_LINES) {
        shown.push(marked(`${entries.length - shown.length} more`))
        break
      }
      this.lines++
      shown.push(entry())
    }
    const line = `${opening} ${shown.join(' ')} ${closing}`
    if (line.length + depth * 2 <= LINE && !line.includes('\n') && depth > 0) return line
    const pad = '  '.repeat(depth + 1)
    return `${opening}\n${shown.map((entry) => pad + entry).join('\n')}\n${'  '.repeat(depth)}${closing}`
  }

  private derivation(value: Attributes): string {
    try {
      const path = value.get('drvPath')
      const forced = path === undefined ? undefined : isolated(() => force(path))
      return marked(forced !== undefined && isString(forced) ? `derivation ${textOf(forced)}` : 'derivation without drvPath')
    } catch (error) {
      return this.failure(error)
    }
  }

  private failure(error: unknown): string {
    if (error instanceof Suspended) {
      this.needs.add(error.need.key)
      return marked(`waits for ${error.need.key}`)
    }
    if (error instanceof EvaluationError) return marked(`error: ${error.message.split('\n')[0]}`)
    throw error
  }
}

/** In « and », as bytes of UTF-8. */
function marked(text: string): string {
  return `\u00c2\u00ab${text}\u00c2\u00bb`
}
