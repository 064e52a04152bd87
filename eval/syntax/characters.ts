/** Ring: eval. What each byte may be part of, as tables. Upstream counterpart: the definitions at the top of src/libexpr/lexer.l. */
import * as T from './tokens.ts'

export const WORD_START = 1
export const WORD = 2
export const PATH_CHARACTER = 4
export const DIGIT = 8
export const SCHEME = 16
export const URI_CHARACTER = 32
export const SPACE = 64
export const LETTER = 128

/** Flags by byte. */
export const CLASSES = characterClasses()
/** Tokens of one byte that nothing longer begins with. */
export const SINGLE = singleCharacters()

function characterClasses(): Uint8Array {
  const classes = new Uint8Array(256)
  const add = (characters: string, flags: number): void => {
    for (const character of characters) {
      const code = character.charCodeAt(0)
      classes[code] = classes[code]! | flags
    }
  }
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
  const digits = '0123456789'
  add(letters, LETTER | WORD_START | WORD | PATH_CHARACTER | SCHEME | URI_CHARACTER)
  add(digits, DIGIT | WORD | PATH_CHARACTER | SCHEME | URI_CHARACTER)
  add('_', WORD_START | WORD | PATH_CHARACTER)
  add("'-", WORD)
  add('.-+', PATH_CHARACTER | SCHEME)
  add("%/?:@&=+$,-_.!~*'", URI_CHARACTER)
  add(' \t\r\n', SPACE)
  return classes
}

function singleCharacters(): Uint8Array {
  const kinds = new Uint8Array(256).fill(T.INVALID)
  const table: Readonly<Record<string, number>> = {
    '*': T.TIMES, '?': T.QUESTION, ':': T.COLON, '@': T.AT, ';': T.SEMICOLON, '(': T.PARENTHESIS_OPEN, ')': T.PARENTHESIS_CLOSE,
    '[': T.BRACKET_OPEN, ']': T.BRACKET_CLOSE, ',': T.COMMA,
  }
  for (const [character, kind] of Object.entries(table)) kinds[character.charCodeAt(0)] = kind
  return kinds
}
