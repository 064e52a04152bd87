/**
 * Ring: web (playground). Nix for CodeMirror: a stream parser with a stack for strings and interpolations. For colours only; what
 * an expression means is told by the evaluator's own parser.
 */
import { HighlightStyle, StreamLanguage, type StringStream, syntaxHighlighting } from '@codemirror/language'
import { tags } from '@lezer/highlight'

type Mode = 'code' | 'string' | 'indented' | 'comment'

interface State {
  /** The innermost is the last; `code` above a string is an interpolation, and counts its braces. */
  stack: { readonly mode: Mode; braces: number }[]
}

const KEYWORDS = new Set(['let', 'in', 'if', 'then', 'else', 'with', 'rec', 'inherit', 'assert', 'or'])
const CONSTANTS = new Set(['true', 'false', 'null', '__curPos'])
const BUILTINS = new Set(['builtins', 'derivation', 'import', 'map', 'toString', 'throw', 'abort', 'baseNameOf', 'dirOf', 'fetchTarball', 'fetchGit', 'fetchTree', 'isNull', 'removeAttrs', 'scopedImport', 'placeholder'])

function token(stream: StringStream, state: State): string | null {
  const top = state.stack.at(-1)!
  switch (top.mode) {
    case 'string': return stringToken(stream, state)
    case 'indented': return indentedToken(stream, state)
    case 'comment':
      if (stream.match(/^.*?\*\//)) state.stack.pop()
      else stream.skipToEnd()
      return 'comment'
    case 'code': return codeToken(stream, state)
  }
}

function codeToken(stream: StringStream, state: State): string | null {
  if (stream.eatSpace()) return null
  if (stream.match('#')) {
    stream.skipToEnd()
    return 'comment'
  }
  if (stream.match('/*')) {
    state.stack.push({ mode: 'comment', braces: 0 })
    return 'comment'
  }
  if (stream.match('"')) {
    state.stack.push({ mode: 'string', braces: 0 })
    return 'string'
  }
  if (stream.match("''")) {
    state.stack.push({ mode: 'indented', braces: 0 })
    return 'string'
  }
  if (stream.match('${') || stream.match('{')) {
    state.stack.at(-1)!.braces++
    return 'bracket'
  }
  if (stream.match('}')) {
    const top = state.stack.at(-1)!
    if (top.braces > 0) top.braces--
    else if (state.stack.length > 1) {
      state.stack.pop()
      return 'special'
    }
    return 'bracket'
  }
  if (stream.match(/^<[a-zA-Z0-9._+-]+(\/[a-zA-Z0-9._+-]+)*>/)) return 'path'
  if (stream.match(/^[a-zA-Z][a-zA-Z0-9+.-]*:[a-zA-Z0-9%/?:@&=+$,\-_.!~*']+/)) return 'path'
  if (stream.match(/^(~|[a-zA-Z0-9._+-]*)(\/[a-zA-Z0-9._+-]+)+\/?/)) return 'path'
  if (stream.match(/^([0-9]+\.[0-9]*|\.?[0-9]+)([eE][+-]?[0-9]+)?/)) return 'number'
  const word = stream.match(/^[a-zA-Z_][a-zA-Z0-9_'-]*/) as RegExpMatchArray | null
  if (word) {
    const [name] = word
    if (KEYWORDS.has(name)) return 'keyword'
    if (CONSTANTS.has(name)) return 'atom'
    if (BUILTINS.has(name)) return 'builtin'
    // what is bound, or named as a parameter
    if (stream.match(/^\s*(=(?!=)|:|@)/, false)) return 'definition'
    return 'variable'
  }
  if (stream.match(/^(\/\/|\+\+|->|==|!=|<=|>=|&&|\|\||\|>|<\||[-+*/<>!?@=:.])/)) return 'operator'
  stream.next()
  return 'bracket'
}

function stringToken(stream: StringStream, state: State): string {
  if (stream.match('"')) {
    state.stack.pop()
    return 'string'
  }
  if (stream.match('${')) {
    state.stack.push({ mode: 'code', braces: 0 })
    return 'special'
  }
  if (stream.match(/^\\./) || stream.match('\\')) return 'escape'
  if (!stream.match(/^([^"\\$]|\$(?!\{))+/)) stream.next()
  return 'string'
}

function indentedToken(stream: StringStream, state: State): string {
  if (stream.match(/^''(\$|'|\\.)/)) return 'escape'
  if (stream.match("''")) {
    state.stack.pop()
    return 'string'
  }
  if (stream.match('${')) {
    state.stack.push({ mode: 'code', braces: 0 })
    return 'special'
  }
  if (!stream.match(/^([^'$]|'(?!')|\$(?!\{))+/)) stream.next()
  return 'string'
}

export const nixLanguage = StreamLanguage.define<State>({
  name: 'nix',
  startState: () => ({ stack: [{ mode: 'code', braces: 0 }] }),
  copyState: (state) => ({ stack: state.stack.map((level) => ({ ...level })) }),
  token,
  languageData: { commentTokens: { line: '#', block: { open: '/*', close: '*/' } }, closeBrackets: { brackets: ['(', '[', '{', '"'] } },
  tokenTable: { path: tags.url, builtin: tags.standard(tags.variableName), definition: tags.definition(tags.variableName), variable: tags.variableName, special: tags.special(tags.bracket), escape: tags.escape, bracket: tags.bracket },
})

/** Colours by class, so that both themes and the page's tokens apply. */
export const nixHighlighting = syntaxHighlighting(HighlightStyle.define([
  { tag: tags.keyword, class: 'nix-keyword' },
  { tag: tags.atom, class: 'nix-atom' },
  { tag: tags.number, class: 'nix-atom' },
  { tag: tags.string, class: 'nix-string' },
  { tag: tags.escape, class: 'nix-escape' },
  { tag: tags.special(tags.bracket), class: 'nix-escape' },
  { tag: tags.url, class: 'nix-path' },
  { tag: tags.comment, class: 'nix-comment' },
  { tag: tags.standard(tags.variableName), class: 'nix-builtin' },
  { tag: tags.definition(tags.variableName), class: 'nix-definition' },
]))
