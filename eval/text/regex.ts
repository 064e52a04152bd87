/**
 * Ring: eval. Regular expressions of `builtins.match` and `builtins.split`. Upstream counterpart: std::regex with the extended
 * grammar, whose results (not POSIX's in every case) are what Nix's users see. Texts and patterns are byte strings.
 *
 * Two engines: JavaScript's, where translate.ts can show that it agrees and is fast enough for the text at hand, else the
 * automaton, whose time is bounded.
 */
import { Automaton, type AutomatonSession, type RawMatch } from './regex/automaton.ts'
import { parseRegex, RegexError, type ParsedRegex } from './regex/syntax.ts'
import { affordable, translate, type Translation } from './regex/translate.ts'

export { RegexError }

export interface RegexMatch {
  readonly start: number
  readonly end: number
  /** Undefined where a group took no part. */
  readonly groups: readonly (string | undefined)[]
}

export interface PosixRegex {
  /** Groups of a match of the whole text; undefined where it doesn't match. */
  match(text: string): readonly (string | undefined)[] | undefined
  /** All matches from left to right, as std::regex_iterator finds them. */
  matches(text: string): Generator<RegexMatch, void, undefined>
}

/** Throws RegexError. */
export function compileRegex(pattern: string): PosixRegex {
  return new CompiledRegex(parseRegex(pattern))
}

class CompiledRegex implements PosixRegex {
  private readonly parsed: ParsedRegex
  private readonly translation: Translation | undefined
  private automaton: Automaton | undefined
  private whole: RegExp | undefined
  private anywhere: RegExp | undefined

  constructor(parsed: ParsedRegex) {
    this.parsed = parsed
    this.translation = translate(parsed.root)
  }

  match(text: string): readonly (string | undefined)[] | undefined {
    if (this.translation !== undefined && affordable(this.translation, text.length, false)) {
      this.whole ??= new RegExp(`^(?:${this.translation.source})$`)
      const found = this.whole.exec(text)
      return found === null ? undefined : found.slice(1)
    }
    const found = this.session(text).search(0, { continuous: true, notEmpty: false, whole: true }, false)
    return found === undefined ? undefined : groupsOf(text, found)
  }

  *matches(text: string): Generator<RegexMatch, void, undefined> {
    const { translation } = this
    if (translation !== undefined && !translation.hasAlternatives && affordable(translation, text.length, true)) yield* this.nativeMatches(text, translation)
    else yield* this.automatonMatches(text)
  }

  private *automatonMatches(text: string): Generator<RegexMatch, void, undefined> {
    const session = this.session(text)
    const anywhere = { continuous: false, notEmpty: false, whole: false }
    let found = session.search(0, anywhere, false)
    while (found !== undefined) {
      const start = found.bounds[0]!
      const end = found.bounds[1]!
      yield { start, end, groups: groupsOf(text, found) }
      let from = end
      if (start === end) {
        if (end === text.length) return
        // not empty at the same place, else from the next byte on
        found = session.search(from, { continuous: true, notEmpty: true, whole: false }, from > 0)
        if (found !== undefined) continue
        from++
      }
      found = session.search(from, anywhere, true)
    }
  }

  private *nativeMatches(text: string, translation: Translation): Generator<RegexMatch, void, undefined> {
    this.anywhere ??= new RegExp(translation.source, 'g')
    const regex = this.anywhere
    let from = 0
    for (;;) {
      regex.lastIndex = from
      const found = regex.exec(text)
      if (found === null) return
      const start = found.index
      const end = start + found[0].length
      yield { start, end, groups: found.slice(1) }
      from = end
      if (start !== end) continue
      if (end === text.length) return
      // greedy repetition found nothing here, and would again: only a search that shuns the empty match may differ
      const longer = this.session(text).search(end, { continuous: true, notEmpty: true, whole: false }, end > 0)
      if (longer === undefined) {
        from++
        continue
      }
      yield { start: end, end: longer.bounds[1]!, groups: groupsOf(text, longer) }
      from = longer.bounds[1]!
    }
  }

  private session(text: string): AutomatonSession {
    this.automaton ??= new Automaton(this.parsed)
    return this.automaton.session(text)
  }
}

function groupsOf(text: string, { bounds }: RawMatch): (string | undefined)[] {
  const groups: (string | undefined)[] = []
  for (let at = 2; at < bounds.length; at += 2) groups.push(bounds[at]! < 0 ? undefined : text.slice(bounds[at], bounds[at + 1]))
  return groups
}
