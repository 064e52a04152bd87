/**
 * Ring: eval. Syntax nodes, after what Nix's parser (src/libexpr/parser.y) does itself: nested attribute paths are
 * merged, `''` strings are stripped of their indentation, operators without a node of their own are calls of
 * `__sub`, `__mul`, `__div`, `__lessThan` (shadowable, as in Nix). All nodes are readonly with a literal `kind`.
 *
 * Strings hold bytes: each character code is one byte of UTF-8.
 */

import type { Segment } from './segments.ts'

/** Offset into the file's bytes; line and column are computed from it only when somebody asks. */
export type Position = number

export type Expression =
  | { readonly kind: 'int'; readonly position: Position; readonly value: bigint }
  | { readonly kind: 'float'; readonly position: Position; readonly value: number }
  | { readonly kind: 'string'; readonly position: Position; readonly value: string }
  /** A string with interpolations: parts are added as `+` does with a string on its left. */
  | { readonly kind: 'interpolation'; readonly position: Position; readonly parts: readonly Expression[]; /** where each part begins (its `${`), for messages */ readonly partPositions: readonly Position[] }
  /** An absolute path, already made canonical from the file's folder or the home folder. */
  | { readonly kind: 'path'; readonly position: Position; readonly value: string }
  /** `./a/${b}`: the first part is a path. */
  | { readonly kind: 'path-interpolation'; readonly position: Position; readonly parts: readonly Expression[]; readonly partPositions: readonly Position[] }
  /** `<nixpkgs/lib>` */
  | { readonly kind: 'search-path'; readonly position: Position; readonly value: string }
  | { readonly kind: 'variable'; readonly position: Position; readonly name: string }
  | { readonly kind: 'select'; readonly position: Position; readonly subject: Expression; readonly path: AttributePath; readonly fallback?: Expression }
  | { readonly kind: 'has-attribute'; readonly position: Position; readonly subject: Expression; readonly path: AttributePath }
  | { readonly kind: 'attributes'; readonly position: Position; readonly bindings: Bindings }
  | { readonly kind: 'list'; readonly position: Position; readonly elements: readonly Expression[] }
  | { readonly kind: 'lambda'; readonly position: Position; readonly parameter: Parameter; readonly body: Expression; /** name of the binding it stands in, for messages */ readonly name?: string }
  | { readonly kind: 'call'; readonly position: Position; readonly callee: Expression; readonly arguments: readonly Expression[] }
  | { readonly kind: 'let'; readonly position: Position; readonly bindings: Bindings; readonly body: Expression }
  | { readonly kind: 'with'; readonly position: Position; readonly scope: Expression; readonly body: Expression }
  | { readonly kind: 'if'; readonly position: Position; readonly condition: Expression; readonly then: Expression; readonly else: Expression }
  | { readonly kind: 'assert'; readonly position: Position; readonly condition: Expression; readonly body: Expression }
  | { readonly kind: 'not'; readonly position: Position; readonly operand: Expression }
  | { readonly kind: 'binary'; readonly position: Position; readonly operator: BinaryOperator; readonly left: Expression; readonly right: Expression; /** of `+` only: where the operands begin, parentheses included, for messages */ readonly leftPosition?: Position; readonly rightPosition?: Position }
  /** `__curPos` */
  | { readonly kind: 'current-position'; readonly position: Position }
  /** A part that may be exchanged in an evaluator that stays (segments.ts); the parser makes none. */
  | { readonly kind: 'segment'; readonly position: Position; readonly segment: Segment }
  /** A part of syntax that was stored (stored/format.ts), read when it is compiled; the parser makes none. */
  | { readonly kind: 'stored'; readonly position: Position; readonly read: () => Expression }

export type BinaryOperator = '==' | '!=' | '&&' | '||' | '->' | '//' | '++' | '+'

export type AttributePath = readonly AttributeName[]
export type AttributeName =
  | { readonly kind: 'static'; readonly position: Position; readonly name: string }
  | { readonly kind: 'dynamic'; readonly position: Position; readonly expression: Expression }

export interface Bindings {
  readonly recursive: boolean
  /** In source order; names are unique. */
  readonly static: readonly StaticBinding[]
  readonly dynamic: readonly { readonly position: Position; readonly name: Expression; readonly value: Expression }[]
  /** Sources of `inherit (e) …`; a binding refers to one by its index, so that it is evaluated once. */
  readonly inheritFrom: readonly Expression[]
}

export type StaticBinding =
  | { readonly kind: 'plain'; readonly position: Position; readonly name: string; readonly value: Expression }
  /** `inherit x`: looked up outside of a recursive set. */
  | { readonly kind: 'inherited'; readonly position: Position; readonly name: string; readonly value: Expression }
  | { readonly kind: 'inherited-from'; readonly position: Position; readonly name: string; readonly source: number }

export type Parameter =
  | { readonly kind: 'name'; readonly name: string }
  | {
    readonly kind: 'pattern'
    readonly formals: readonly { readonly position: Position; readonly name: string; readonly fallback?: Expression }[]
    readonly ellipsis: boolean
    /** `args@{ … }` */
    readonly name?: string
  }

export interface SourceFile {
  /** As shown in messages: a path, `«string»`, `«stdin»`. */
  readonly origin: { readonly kind: 'file'; readonly path: string } | { readonly kind: 'string' } | { readonly kind: 'stdin' }
  readonly text: string
  /** Part of the evaluator itself: places in it are of no use to anybody. */
  readonly internal?: boolean
  /** Of a file whose syntax may outlive edits that leave it the same. */
  readonly standing?: Standing
}

/** Where the parts of a syntax stand now. */
export interface Standing {
  text: string
  /** By position in the text that was parsed; undefined while that is the text. */
  positions: ReadonlyMap<Position, Position> | undefined
  /** Number of the observation that a line or column was read; undefined if none was. */
  observation: number | undefined
}

export interface ParsedFile {
  readonly source: SourceFile
  readonly expression: Expression
}
