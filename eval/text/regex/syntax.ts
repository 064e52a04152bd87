/**
 * Ring: eval. Reads POSIX extended regular expressions as libstdc++'s std::regex does in the C locale, quirks included: an
 * escaped ordinary character is an error, `-` in a bracket stands only first, last or between the ends of a range, characters
 * compare as signed bytes. Upstream counterpart: bits/regex_scanner.tcc and bits/regex_compiler.tcc.
 */

export class RegexError extends Error {
  readonly kind = 'regex'
  readonly reason: 'syntax' | 'space'

  constructor(reason: RegexError['reason'], message: string) {
    super(message)
    this.name = 'RegexError'
    this.reason = reason
  }
}

/** 256 entries, 1 where the byte belongs to the set. */
export type ByteSet = Uint8Array

export type RegexNode =
  | { readonly kind: 'empty' }
  | { readonly kind: 'set'; readonly set: ByteSet }
  /** `^`, `$` */
  | { readonly kind: 'begin' }
  | { readonly kind: 'end' }
  /** Counted from 1 by opening parentheses. */
  | { readonly kind: 'group'; readonly index: number; readonly body: RegexNode }
  | { readonly kind: 'sequence'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'alternative'; readonly left: RegexNode; readonly right: RegexNode }
  | { readonly kind: 'repeat'; readonly body: RegexNode; readonly minimum: number; readonly maximum: number }

export interface ParsedRegex {
  readonly root: RegexNode
  readonly groups: number
}

const SPECIAL = '.[\\()*+?{|^$'
/** States that libstdc++ allows an automaton to have. */
const STATE_LIMIT = 100_000

export function parseRegex(pattern: string): ParsedRegex {
  return new RegexReader(pattern).run()
}

class RegexReader {
  private readonly pattern: string
  private at = 0
  private groups = 0

  constructor(pattern: string) {
    this.pattern = pattern
  }

  run(): ParsedRegex {
    const root = this.disjunction()
    if (this.at < this.pattern.length) this.fail('unexpected character')
    if (stateCount(root) > STATE_LIMIT) throw new RegexError('space', 'number of states exceeds the limit')
    return { root, groups: this.groups }
  }

  private fail(message: string): never {
    throw new RegexError('syntax', `${message} at offset ${this.at}`)
  }

  private take(character: string): boolean {
    if (this.pattern[this.at] !== character) return false
    this.at++
    return true
  }

  private disjunction(): RegexNode {
    let left = this.sequence()
    while (this.take('|')) {
      const right = this.sequence()
      left = left.kind === 'set' && right.kind === 'set'
        ? { kind: 'set', set: left.set.map((member, byte) => member | right.set[byte]!) }
        : { kind: 'alternative', left, right }
    }
    return left
  }

  private sequence(): RegexNode {
    const items: RegexNode[] = []
    for (;;) {
      const item = this.term()
      if (item === undefined) break
      items.push(item)
    }
    if (items.length === 0) return { kind: 'empty' }
    return items.length === 1 ? items[0]! : { kind: 'sequence', items }
  }

  private term(): RegexNode | undefined {
    if (this.take('^')) return { kind: 'begin' }
    if (this.take('$')) return { kind: 'end' }
    let atom = this.atom()
    if (atom === undefined) return undefined
    for (;;) {
      if (this.take('*')) atom = { kind: 'repeat', body: atom, minimum: 0, maximum: Infinity }
      else if (this.take('+')) atom = { kind: 'repeat', body: atom, minimum: 1, maximum: Infinity }
      else if (this.take('?')) atom = { kind: 'repeat', body: atom, minimum: 0, maximum: 1 }
      else if (this.take('{')) atom = { kind: 'repeat', body: atom, ...this.interval() }
      else return atom
      if (stateCount(atom) > STATE_LIMIT) throw new RegexError('space', 'number of states exceeds the limit')
    }
  }

  /** `n}`, `n,}` or `n,m}` */
  private interval(): { minimum: number; maximum: number } {
    const minimum = this.count()
    if (minimum === undefined) this.fail('a number is missing in an interval')
    let maximum = minimum
    if (this.take(',')) maximum = this.count() ?? Infinity
    if (!this.take('}')) this.fail('an interval is not closed')
    if (maximum < minimum) this.fail('an interval ends before it begins')
    return { minimum, maximum }
  }

  private count(): number | undefined {
    const digits = /^[0-9]+/.exec(this.pattern.slice(this.at, this.at + 12))?.[0]
    if (digits === undefined) return undefined
    this.at += digits.length
    const value = Number(digits)
    if (value > 2_147_483_647) this.fail('a number in an interval is too large')
    return value
  }

  private atom(): RegexNode | undefined {
    const { pattern } = this
    if (this.at >= pattern.length) return undefined
    const character = pattern[this.at]!
    switch (character) {
      case '*': case '+': case '?': case '{': case '|': case ')': return undefined
      case '.':
        this.at++
        // any byte but NUL, which no string has
        return { kind: 'set', set: new Uint8Array(256).fill(1) }
      case '(': {
        this.at++
        const index = ++this.groups
        const body = this.disjunction()
        if (!this.take(')')) this.fail('a parenthesis is not closed')
        return { kind: 'group', index, body }
      }
      case '[':
        this.at++
        return { kind: 'set', set: new BracketReader(this.pattern, this.at, (end) => { this.at = end }).run() }
      case '\\': {
        const escaped = pattern[this.at + 1]
        if (escaped === undefined || !SPECIAL.includes(escaped)) this.fail('an ordinary character is escaped')
        this.at += 2
        return single(escaped)
      }
      default:
        this.at++
        return single(character)
    }
  }
}

function single(character: string): RegexNode {
  const set = new Uint8Array(256)
  set[character.charCodeAt(0)] = 1
  return { kind: 'set', set }
}

/** About as many states as libstdc++ makes; intervals copy what they repeat. */
function stateCount(node: RegexNode): number {
  switch (node.kind) {
    case 'empty': case 'set': case 'begin': case 'end': return 1
    case 'group': return stateCount(node.body) + 2
    case 'sequence': return node.items.reduce((sum, item) => sum + stateCount(item), 0)
    case 'alternative': return stateCount(node.left) + stateCount(node.right) + 2
    case 'repeat': {
      const copies = node.maximum === Infinity ? Math.max(node.minimum, 1) : Math.max(node.maximum, 1)
      return (stateCount(node.body) + 1) * copies + 1
    }
  }
}

type BracketToken =
  | { readonly kind: 'close' }
  | { readonly kind: 'dash' }
  | { readonly kind: 'character'; readonly text: string }
  | { readonly kind: 'class' | 'collating' | 'equivalence'; readonly text: string }

/** What stands between `[` and `]`. */
class BracketReader {
  private readonly pattern: string
  private at: number
  private readonly done: (end: number) => void
  private atStart = true
  private readonly set = new Uint8Array(256)
  /** What may still become the start of a range: a byte, or a class, which may not. */
  private last: number | 'class' | undefined

  constructor(pattern: string, at: number, done: (end: number) => void) {
    this.pattern = pattern
    this.at = at
    this.done = done
  }

  run(): ByteSet {
    const negative = this.pattern[this.at] === '^'
    if (negative) this.at++
    let token = this.next()
    if (token.kind === 'dash') {
      this.last = 45
      token = this.next()
    } else if (token.kind === 'character') {
      this.last = token.text.charCodeAt(0)
      token = this.next()
    }
    while (token.kind !== 'close') {
      if (token.kind === 'dash') {
        token = this.dash()
        continue
      }
      this.flush()
      if (token.kind === 'character') this.last = token.text.charCodeAt(0)
      else if (token.kind === 'collating') this.last = collatingElement(token.text) ?? this.fail('unknown collating element')
      else {
        this.last = 'class'
        this.addClass(token.kind, token.text)
      }
      token = this.next()
    }
    this.flush()
    this.done(this.at)
    return negative ? this.set.map((member) => 1 - member) : this.set
  }

  private fail(message: string): never {
    throw new RegexError('syntax', `${message} in a bracket expression`)
  }

  private flush(): void {
    if (typeof this.last === 'number') this.set[this.last] = 1
    this.last = undefined
  }

  /** After a `-` that is not first; returns the token to go on with. */
  private dash(): BracketToken {
    const end = this.next()
    if (end.kind === 'close') {
      this.flush()
      this.last = 45
      return end
    }
    if (typeof this.last !== 'number') this.fail('a dash has no start')
    const high = end.kind === 'dash' ? 45 : end.kind === 'character' ? end.text.charCodeAt(0) : this.fail('a range has no end')
    if (signed(this.last) > signed(high)) this.fail('a range ends before it begins')
    for (let byte = signed(this.last); byte <= signed(high); byte++) this.set[byte & 255] = 1
    this.last = undefined
    return this.next()
  }

  private next(): BracketToken {
    const { pattern } = this
    const character = pattern[this.at++]
    if (character === undefined) this.fail('the end is missing')
    const first = this.atStart
    this.atStart = false
    if (character === '-') return { kind: 'dash' }
    if (character === ']' && !first) return { kind: 'close' }
    if (character === '[') {
      const mark = pattern[this.at]
      if (mark === undefined) this.fail('the end is missing')
      const kind = mark === ':' ? 'class' : mark === '.' ? 'collating' : mark === '=' ? 'equivalence' : undefined
      if (kind !== undefined) return { kind, text: this.named(mark) }
    }
    return { kind: 'character', text: character }
  }

  private named(mark: string): string {
    const end = this.pattern.indexOf(mark, this.at + 1)
    if (end < 0 || this.pattern[end + 1] !== ']') this.fail('a name is not closed')
    const name = this.pattern.slice(this.at + 1, end)
    this.at = end + 2
    return name
  }

  private addClass(kind: 'class' | 'equivalence', name: string): void {
    if (kind === 'equivalence') {
      const element = collatingElement(name) ?? this.fail('unknown equivalence class')
      const lower = String.fromCharCode(element).toLowerCase()
      for (const character of [lower, lower.toUpperCase()]) if (character.length === 1 && character.charCodeAt(0) < 128) this.set[character.charCodeAt(0)] = 1
      this.set[element] = 1
      return
    }
    const members = CLASSES[name.toLowerCase()]
    if (members === undefined) this.fail(`unknown class ${name}`)
    for (let byte = 0; byte < 128; byte++) if (members.test(String.fromCharCode(byte))) this.set[byte] = 1
  }
}

function signed(byte: number): number {
  return byte < 128 ? byte : byte - 256
}

const CLASSES: Readonly<Record<string, RegExp | undefined>> = {
  d: /[0-9]/, w: /[0-9A-Za-z_]/, s: /[ \t-\r]/,
  alnum: /[0-9A-Za-z]/, alpha: /[A-Za-z]/, blank: /[ \t]/, cntrl: /[\0-\x1f\x7f]/, digit: /[0-9]/, graph: /[!-~]/, lower: /[a-z]/,
  print: /[ -~]/, punct: /[!-/:-@[-`{-~]/, space: /[ \t-\r]/, upper: /[A-Z]/, xdigit: /[0-9A-Fa-f]/,
}

const COLLATING_NAMES = [
  'NUL', 'SOH', 'STX', 'ETX', 'EOT', 'ENQ', 'ACK', 'alert', 'backspace', 'tab', 'newline', 'vertical-tab', 'form-feed', 'carriage-return',
  'SO', 'SI', 'DLE', 'DC1', 'DC2', 'DC3', 'DC4', 'NAK', 'SYN', 'ETB', 'CAN', 'EM', 'SUB', 'ESC', 'IS4', 'IS3', 'IS2', 'IS1', 'space',
  'exclamation-mark', 'quotation-mark', 'number-sign', 'dollar-sign', 'percent-sign', 'ampersand', 'apostrophe', 'left-parenthesis',
  'right-parenthesis', 'asterisk', 'plus-sign', 'comma', 'hyphen', 'period', 'slash', 'zero', 'one', 'two', 'three', 'four', 'five', 'six',
  'seven', 'eight', 'nine', 'colon', 'semicolon', 'less-than-sign', 'equals-sign', 'greater-than-sign', 'question-mark', 'commercial-at',
]
const COLLATING_TAIL = ['left-square-bracket', 'backslash', 'right-square-bracket', 'circumflex', 'underscore', 'grave-accent']
const COLLATING_END = ['left-curly-bracket', 'vertical-line', 'right-curly-bracket', 'tilde', 'DEL']

function collatingElement(name: string): number | undefined {
  if (/^[A-Za-z]$/.test(name)) return name.charCodeAt(0)
  for (const [names, first] of [[COLLATING_NAMES, 0], [COLLATING_TAIL, 91], [COLLATING_END, 123]] as const) {
    const at = names.indexOf(name)
    if (at >= 0) return first + at
  }
  return undefined
}
