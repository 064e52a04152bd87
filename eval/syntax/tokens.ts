/**
 * Ring: eval. Kinds of tokens, as plain constants so that the lexer's and parser's comparisons are of small integers.
 * Upstream counterpart: the %token list of parser.y. The order matters: error messages list what was expected in it.
 */

export const END_OF_FILE = 0
/** A character that begins no token. */
export const INVALID = 1
export const IDENTIFIER = 2
export const STRING = 3
export const INDENTED_STRING = 4
export const INTEGER = 5
export const FLOAT = 6
export const PATH = 7
export const HOME_PATH = 8
export const SEARCH_PATH = 9
export const PATH_END = 10
export const URI = 11
export const IF = 12
export const THEN = 13
export const ELSE = 14
export const ASSERT = 15
export const WITH = 16
export const LET = 17
export const IN = 18
export const REC = 19
export const INHERIT = 20
export const EQUAL = 21
export const NOT_EQUAL = 22
export const LESS_OR_EQUAL = 23
export const GREATER_OR_EQUAL = 24
export const UPDATE = 25
export const CONCATENATE = 26
export const AND = 27
export const OR = 28
export const IMPLIES = 29
/** The word `or`. */
export const OR_WORD = 30
export const PIPE_FROM = 31
export const PIPE_INTO = 32
/** `${` */
export const INTERPOLATION = 33
export const INDENTED_OPEN = 34
export const INDENTED_CLOSE = 35
export const ELLIPSIS = 36
export const LESS = 37
export const GREATER = 38
export const PLUS = 39
export const MINUS = 40
export const TIMES = 41
export const DIVIDE = 42
export const QUESTION = 43
export const COLON = 44
export const AT = 45
export const SEMICOLON = 46
export const NOT = 47
export const DOT = 48
export const QUOTE = 49
export const PARENTHESIS_OPEN = 50
export const PARENTHESIS_CLOSE = 51
export const BRACE_OPEN = 52
export const BRACE_CLOSE = 53
export const BRACKET_OPEN = 54
export const BRACKET_CLOSE = 55
export const ASSIGN = 56
export const COMMA = 57
/** The lexer failed here; `Tokens.failure` says why. Always the last token. */
export const FAILURE = 58

/** How messages name each kind, by its number. */
export const TOKEN_NAMES: readonly string[] = [
  'end of file', 'invalid token', 'identifier', 'string', 'indented string', 'integer', 'floating-point literal', 'path',
  "'~/\u00e2\u0080\u00a6' path", "'<\u00e2\u0080\u00a6>' path", 'end of path', 'URI', "'if'", "'then'", "'else'", "'assert'", "'with'", "'let'", "'in'",
  "'rec'", "'inherit'", "'=='", "'!='", "'<='", "'>='", "'//'", "'++'", "'&&'", "'||'", "'->'", "'or'", "'<|'", "'|>'", "'${'",
  'start of an indented string', 'end of an indented string', "'...'", "'<'", "'>'", "'+'", "'-'", "'*'", "'/'", "'?'", "':'",
  "'@'", "';'", "'!'", "'.'", "'\"'", "'('", "')'", "'{'", "'}'", "'['", "']'", "'='", "','",
]
