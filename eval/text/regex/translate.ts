/**
 * Ring: eval. Translates a regular expression into JavaScript's where both give the same groups and lengths. They agree as long as
 *   - what is repeated can't be empty (JavaScript refuses empty rounds, libstdc++ allows two), and
 *   - a group inside a repetition takes part in every round (JavaScript forgets groups at the start of each), and
 *   - for a search, there are no alternatives (JavaScript takes the first that fits, libstdc++ the longest).
 * JavaScript backtracks without bound, so callers ask `affordable` for the given length first.
 */
import type { ByteSet, RegexNode } from './syntax.ts'

export interface Translation {
  readonly source: string
  readonly hasAlternatives: boolean
  /** How many parts can match at different lengths; each multiplies the time by the text's length. */
  readonly variableParts: number
  /** A repetition within a repetition: exponential time. */
  readonly nested: boolean
}

/** Each may double the time. */
const MOST_ALTERNATIVES = 12
/** Steps that may be spent on backtracking. */
const AFFORDABLE = 2_000_000

export function translate(root: RegexNode): Translation | undefined {
  const facts: Facts = { hasAlternatives: false, variableParts: 0, nested: false, alternatives: 0 }
  const source = render(root, facts, { repeated: false, optional: false })
  return source === undefined ? undefined : { source, hasAlternatives: facts.hasAlternatives, variableParts: facts.variableParts, nested: facts.nested }
}

/** Whether JavaScript's worst case on a text of this length is harmless. */
export function affordable(translation: Translation, length: number, search: boolean): boolean {
  if (translation.nested) return length <= 10
  const parts = translation.variableParts + (search ? 1 : 0)
  return parts <= 1 || (length + 1) ** parts <= AFFORDABLE
}

interface Facts {
  hasAlternatives: boolean
  variableParts: number
  nested: boolean
  alternatives: number
}

interface Context {
  /** Inside something that may happen more than once. */
  readonly repeated: boolean
  /** Inside something that a round may leave out. */
  readonly optional: boolean
}

function render(node: RegexNode, facts: Facts, context: Context): string | undefined {
  switch (node.kind) {
    case 'empty': return ''
    case 'set': return renderSet(node.set)
    case 'begin': return '^'
    case 'end': return '$'
    case 'group': {
      if (context.repeated && context.optional) return undefined
      const body = render(node.body, facts, context)
      return body === undefined ? undefined : `(${body})`
    }
    case 'sequence': {
      let result = ''
      for (const item of node.items) {
        const part = render(item, facts, context)
        if (part === undefined) return undefined
        result += part
      }
      return result
    }
    case 'alternative': {
      facts.hasAlternatives = true
      // `(a|aa)*` tries as many ways as a repetition within a repetition
      if (context.repeated) facts.nested = true
      if (++facts.alternatives > MOST_ALTERNATIVES) facts.nested = true
      const left = render(node.left, facts, { ...context, optional: true })
      const right = render(node.right, facts, { ...context, optional: true })
      return left === undefined || right === undefined ? undefined : `(?:${left}|${right})`
    }
    case 'repeat': {
      if (canBeEmpty(node.body) || node.maximum === 0) return undefined
      const many = node.maximum > 1
      const variable = node.maximum > node.minimum
      if (variable) {
        if (context.repeated && many) facts.nested = true
        facts.variableParts++
      }
      // `optional` starts anew with each round of a repetition, except that this one may have no round at all
      const body = render(node.body, facts, { repeated: context.repeated || many, optional: context.repeated && (context.optional || node.minimum === 0) })
      if (body === undefined) return undefined
      const maximum = node.maximum === Infinity ? '' : String(node.maximum)
      return `(?:${body}){${node.minimum},${maximum}}`
    }
  }
}

export function canBeEmpty(node: RegexNode): boolean {
  switch (node.kind) {
    case 'empty': case 'begin': case 'end': return true
    case 'set': return false
    case 'group': return canBeEmpty(node.body)
    case 'sequence': return node.items.every(canBeEmpty)
    case 'alternative': return canBeEmpty(node.left) || canBeEmpty(node.right)
    case 'repeat': return node.minimum === 0 || canBeEmpty(node.body)
  }
}

function renderSet(set: ByteSet): string {
  let ranges = ''
  for (let byte = 0; byte < 256; byte++) {
    if (set[byte] !== 1) continue
    let end = byte
    while (end < 255 && set[end + 1] === 1) end++
    ranges += end > byte ? `${hex(byte)}-${hex(end)}` : hex(byte)
    byte = end
  }
  return ranges === '' ? '[]' : `[${ranges}]`
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}
