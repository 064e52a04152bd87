/**
 * Ring: eval. Tokens of what holds text: strings of both kinds and paths. Upstream counterpart: the modes STRING, IND_STRING,
 * PATH_START and INPATH of src/libexpr/lexer.l.
 */
import { CLASSES, PATH_CHARACTER } from './characters.ts'
import { IN_INDENTED, IN_PATH, IN_PATH_AFTER_SLASH, NORMAL, TokenBuffer } from './token-buffer.ts'
import * as T from './tokens.ts'

export class TextLexer extends TokenBuffer {
  /** One piece of a `"` string. */
  protected string(start: number): number {
    const { text, length } = this
    let end = start
    while (end < length) {
      const code = text.charCodeAt(end)
      if (code === 34 /* " */) break
      if (code === 92 /* \ */) {
        if (end + 1 >= length) break
        end += 2
      } else if (code === 36 /* $ */) {
        const next = text.charCodeAt(end + 1)
        if (next === 123 || end + 1 >= length) break
        if (next === 34) end++
        else if (next === 92) {
          if (end + 2 >= length) break
          end += 3
        } else end += 2
      } else end++
    }
    if (end > start) return this.emit(T.STRING, start, end)
    if (end >= length) return this.end()
    const code = text.charCodeAt(end)
    if (code === 34) {
      this.pop()
      return this.emit(T.QUOTE, end, end + 1)
    }
    if (code === 36 && text.charCodeAt(end + 1) === 123) {
      this.modes.push(NORMAL)
      return this.emit(T.INTERPOLATION, end, end + 2)
    }
    // a lone `$` or `\` before the end of the file
    return this.end(end)
  }

  protected openIndented(start: number): number {
    const { text } = this
    let end = start + 2
    while (text.charCodeAt(end) === 32) end++
    if (text.charCodeAt(end) === 10) end++
    else end = start + 2
    this.modes.push(IN_INDENTED)
    return this.emit(T.INDENTED_OPEN, start, end)
  }

  /** One piece of a `''` string. Pieces that are escapes are told from plain ones by their first bytes (see strings.ts). */
  protected indented(start: number): number {
    const { text, length } = this
    let end = start
    while (end < length) {
      const code = text.charCodeAt(end)
      if (code === 36 /* $ */) {
        const next = text.charCodeAt(end + 1)
        if (next === 123 || next === 39 || end + 1 >= length) break
        end += 2
      } else if (code === 39 /* ' */) {
        const next = text.charCodeAt(end + 1)
        if (next === 39 || next === 36 || end + 1 >= length) break
        end += 2
      } else end++
    }
    if (end > start) return this.emit(T.INDENTED_STRING, start, end)
    if (end >= length) return this.end()
    if (text.charCodeAt(end) === 36) {
      if (text.charCodeAt(end + 1) === 123) {
        this.modes.push(NORMAL)
        return this.emit(T.INTERPOLATION, end, end + 2)
      }
      return this.emit(T.INDENTED_STRING, end, end + 1)
    }
    if (text.charCodeAt(end + 1) !== 39) return this.emit(T.INDENTED_STRING, end, end + 1)
    const third = end + 2 < length ? text.charCodeAt(end + 2) : 0
    if (third === 36 || third === 39) return this.emit(T.INDENTED_STRING, end, end + 3)
    if (third === 92 && end + 3 < length) return this.emit(T.INDENTED_STRING, end, end + 4)
    this.pop()
    return this.emit(T.INDENTED_CLOSE, end, end + 2)
  }

  /** One piece after a path's first. */
  protected path(start: number, mode: number): number {
    const { text, length } = this
    if (text.charCodeAt(start) === 36 && text.charCodeAt(start + 1) === 123) {
      this.modes[this.modes.length - 1] = IN_PATH
      this.modes.push(NORMAL)
      return this.emit(T.INTERPOLATION, start, start + 2)
    }
    let end = start
    while (end < length && CLASSES[text.charCodeAt(end)]! & PATH_CHARACTER) end++
    if (end < length && text.charCodeAt(end) === 47) {
      const segments = this.pathSegments(end)
      end = segments > end ? segments : end + 1
    }
    if (end > start) {
      this.modes[this.modes.length - 1] = text.charCodeAt(end - 1) === 47 ? IN_PATH_AFTER_SLASH : IN_PATH
      return this.emit(T.STRING, start, end)
    }
    // at the end of the file Nix's scanner does not move on, so what it reports there stands where the last token began
    const last = this.count - 1
    if (mode === IN_PATH_AFTER_SLASH) return this.fail('path has a trailing slash', start < length ? start : this.starts[last]!, start)
    this.pop()
    this.emit(T.PATH_END, start < length ? start : this.starts[Math.max(0, last - 1)]!, start)
    return start
  }

  /** `(/seg)+/?` from a slash on; returns its end. */
  protected pathSegments(slash: number): number {
    const { text, length } = this
    let end = slash
    while (end < length && text.charCodeAt(end) === 47) {
      let segment = end + 1
      while (segment < length && CLASSES[text.charCodeAt(segment)]! & PATH_CHARACTER) segment++
      if (segment === end + 1) return end > slash ? end + 1 : end
      end = segment
    }
    return end
  }

  protected emitPath(kind: number, start: number, end: number): number {
    this.modes.push(this.text.charCodeAt(end - 1) === 47 ? IN_PATH_AFTER_SLASH : IN_PATH)
    return this.emit(kind, start, end)
  }
}
