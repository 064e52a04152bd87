/**
 * Ring: nix. What follows the inputs in a derivation's text. Upstream: Derivation::unparse in libstore/derivation/aterm.cc.
 *
 * A derivation is printed three times before its path and hash are known, and the texts differ only in outputs, inputs and the variables
 * named after outputs. So the rest is sorted and escaped once, and kept in pieces between those variables.
 */
import { quote } from './aterm.ts'
import type { Derivation } from './derivation.ts'
import { sortedUnique } from './sorting.ts'

export class BodyPrinter {
  /** From the sources to the start of the variables. */
  private readonly middle: string
  /** Variables, with a gap for the value of each that is named after an output. */
  private readonly pieces: readonly string[]
  /** Whose values belong into the gaps. */
  private readonly gaps: readonly string[]

  constructor(derivation: Pick<Derivation, 'outputs' | 'inputSources' | 'system' | 'builder' | 'args' | 'env'>) {
    const { outputs, inputSources, system, builder, args, env } = derivation
    this.middle = `,${printNames(inputSources)},"${system}",${quote(builder)},[${args.map(quote).join(',')}],[`
    const pieces: string[] = []
    const gaps: string[] = []
    let parts: string[] = []
    for (const name of sortedKeys(env)) {
      parts.push(parts.length + gaps.length === 0 ? '(' : ',(', quotedName(name), ',')
      if (outputs.has(name)) {
        gaps.push(name)
        pieces.push(parts.join(''))
        parts = [')']
      } else {
        parts.push(quote(env.get(name)!), ')')
      }
    }
    pieces.push(parts.join(''))
    this.pieces = pieces
    this.gaps = gaps
  }

  /** The text after `Derive(`; outputs and inputs as they stand between their brackets. */
  print(outputs: string, inputs: string, valueOf: (outputName: string) => string): string {
    const { pieces, gaps } = this
    let text = `[${outputs}],[${inputs}]${this.middle}${pieces[0]!}`
    for (let i = 0; i < gaps.length; i++) text += quote(valueOf(gaps[i]!)) + pieces[i + 1]!
    return `${text}])`
  }
}

/** A set of names or paths, without escapes: neither may hold a character that needs one. */
export function printNames(names: readonly string[]): string {
  if (names.length === 0) return '[]'
  return names.length === 1 ? `["${names[0]}"]` : `["${sortedUnique(names).join('","')}"]`
}

/** Those that an expression gave come sorted, and a few are added after them: an insertion each. */
function sortedKeys(map: ReadonlyMap<string, unknown>): readonly string[] {
  const keys = [...map.keys()]
  if (keys.length > 256) return keys.sort()
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i]!
    let at = i
    for (; at > 0 && keys[at - 1]! > key; at--) keys[at] = keys[at - 1]!
    keys[at] = key
  }
  return keys
}

/** Names of variables are few and come in every derivation. */
const quotedNames = new Map<string, string>()
const QUOTED_LIMIT = 10_000

function quotedName(name: string): string {
  let quoted = quotedNames.get(name)
  if (quoted === undefined) {
    if (quotedNames.size >= QUOTED_LIMIT) quotedNames.clear()
    quotedNames.set(name, (quoted = quote(name)))
  }
  return quoted
}
