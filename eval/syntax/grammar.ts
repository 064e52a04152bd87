/**
 * Ring: eval. The language's grammar as data, for error messages only (see diagnose.ts); parser.ts does not use it.
 * Upstream counterpart: the rules of src/libexpr/parser.y. Their order and shape are kept, because which tokens a message
 * lists as expected follows from the states that this very grammar gives.
 */
import * as T from './tokens.ts'

/** A symbol is a terminal (a token's number) or a non-terminal (its name). */
export type GrammarSymbol = number | string

export interface Rule {
  readonly left: string
  readonly right: readonly GrammarSymbol[]
  /** Precedence of another token than the rule's last. */
  readonly precedence?: number
}

export interface Precedence {
  readonly level: number
  readonly associativity: 'left' | 'right' | 'none'
}

/** Marks the start of bindings typed into a REPL; no text has it. */
const REPL_BINDINGS = 59
/** Tokens that exist only as names of a precedence. */
const NOT_PRECEDENCE = 60
const NEGATE_PRECEDENCE = 61

export const START = 'start'

const WORDS: Readonly<Record<string, number>> = {
  ID: T.IDENTIFIER, STR: T.STRING, IND_STR: T.INDENTED_STRING, INT: T.INTEGER, FLOAT: T.FLOAT, PATH: T.PATH, HPATH: T.HOME_PATH,
  SPATH: T.SEARCH_PATH, PATH_END: T.PATH_END, URI: T.URI, if: T.IF, then: T.THEN, else: T.ELSE, assert: T.ASSERT, with: T.WITH,
  let: T.LET, in: T.IN, rec: T.REC, inherit: T.INHERIT, '==': T.EQUAL, '!=': T.NOT_EQUAL, '<=': T.LESS_OR_EQUAL,
  '>=': T.GREATER_OR_EQUAL, '//': T.UPDATE, '++': T.CONCATENATE, '&&': T.AND, '||': T.OR, '->': T.IMPLIES, or: T.OR_WORD,
  '<|': T.PIPE_FROM, '|>': T.PIPE_INTO, '${': T.INTERPOLATION, "''(": T.INDENTED_OPEN, ")''": T.INDENTED_CLOSE, '...': T.ELLIPSIS,
  REPL: REPL_BINDINGS, '<': T.LESS, '>': T.GREATER, '+': T.PLUS, '-': T.MINUS, '*': T.TIMES, '/': T.DIVIDE, '?': T.QUESTION,
  ':': T.COLON, '@': T.AT, ';': T.SEMICOLON, '!': T.NOT, '.': T.DOT, '"': T.QUOTE, '(': T.PARENTHESIS_OPEN, ')': T.PARENTHESIS_CLOSE,
  '{': T.BRACE_OPEN, '}': T.BRACE_CLOSE, '[': T.BRACKET_OPEN, ']': T.BRACKET_CLOSE, '=': T.ASSIGN, ',': T.COMMA,
}

/** One rule a line: `left: alternative`; `%not` and `%negate` at its end give it another precedence. */
const TEXT = `
start: expr
start: REPL binds1
expr: function
function: ID : function
function: formalset : function
function: formalset @ ID : function
function: ID @ formalset : function
function: assert expr ; function
function: with expr ; function
function: let binds in function
function: conditional
conditional: if expr then expr else expr
conditional: pipefrom
conditional: pipeinto
conditional: op
pipefrom: op <| pipefrom
pipefrom: op <| op
pipeinto: pipeinto |> op
pipeinto: op |> op
op: ! op %not
op: - op %negate
op: op == op
op: op != op
op: op < op
op: op <= op
op: op > op
op: op >= op
op: op && op
op: op || op
op: op -> op
op: op // op
op: op ? attrpath
op: op + op
op: op - op
op: op * op
op: op / op
op: op ++ op
op: app
app: app select
app: select
select: simple . attrpath
select: simple . attrpath or select
select: simple or
select: simple
simple: ID
simple: INT
simple: FLOAT
simple: " stringparts "
simple: ''( indparts )''
simple: pathstart PATH_END
simple: pathstart interpolated PATH_END
simple: SPATH
simple: URI
simple: ( expr )
simple: let { binds }
simple: rec { binds }
simple: { binds1 }
simple: { }
simple: [ list ]
stringparts: STR
stringparts: interpolated
stringparts:
interpolated: interpolated STR
interpolated: interpolated \${ expr }
interpolated: \${ expr }
interpolated: STR \${ expr }
pathstart: PATH
pathstart: HPATH
indparts: indparts IND_STR
indparts: indparts \${ expr }
indparts:
binds: binds1
binds:
binds1: binds1 attrpath = expr ;
binds1: binds inherit attrs ;
binds1: binds inherit ( expr ) attrs ;
binds1: attrpath = expr ;
attrs: attrs attr
attrs: attrs stringattr
attrs:
attrpath: attrpath . attr
attrpath: attrpath . stringattr
attrpath: attr
attrpath: stringattr
attr: ID
attr: or
stringattr: " stringparts "
stringattr: \${ expr }
list: list select
list:
formalset: { formals , ... }
formalset: { ... }
formalset: { formals , }
formalset: { formals }
formalset: { }
formals: formals , formal
formals: formal
formal: ID
formal: ID ? expr
`

export const RULES: readonly Rule[] = TEXT.trim().split('\n').map(ruleOf)

export const PRECEDENCES: ReadonlyMap<number, Precedence> = new Map([
  ...level(1, 'right', T.IMPLIES),
  ...level(2, 'left', T.OR),
  ...level(3, 'left', T.AND),
  ...level(4, 'none', T.EQUAL, T.NOT_EQUAL),
  ...level(5, 'none', T.LESS, T.GREATER, T.LESS_OR_EQUAL, T.GREATER_OR_EQUAL),
  ...level(6, 'right', T.UPDATE),
  ...level(7, 'left', NOT_PRECEDENCE),
  ...level(8, 'left', T.PLUS, T.MINUS),
  ...level(9, 'left', T.TIMES, T.DIVIDE),
  ...level(10, 'right', T.CONCATENATE),
  ...level(11, 'none', T.QUESTION),
  ...level(12, 'none', NEGATE_PRECEDENCE),
])

function level(number: number, associativity: Precedence['associativity'], ...tokens: number[]): [number, Precedence][] {
  return tokens.map((token) => [token, { level: number, associativity }])
}

function ruleOf(line: string): Rule {
  const [left, ...words] = line.split(' ') as [string, ...string[]]
  const last = words.at(-1)
  const precedence = last === '%not' ? NOT_PRECEDENCE : last === '%negate' ? NEGATE_PRECEDENCE : undefined
  if (precedence !== undefined) words.pop()
  const right = words.map((word) => WORDS[word] ?? word)
  return { left: left.slice(0, -1), right, ...(precedence === undefined ? {} : { precedence }) }
}
