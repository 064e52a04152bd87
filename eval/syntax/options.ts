/** Ring: eval. What a parse depends on beside the text. */
import type { Position } from './ast.ts'

export type LintLevel = 'ignore' | 'warn' | 'fatal'

export interface ParseOptions {
  /** Folder that relative paths are relative to: an absolute byte string. */
  readonly basePath: string
  /** For `~/…`; without one such a path is an error. */
  readonly homePath: string | undefined
  /** `~/…` is forbidden. */
  readonly pure?: boolean
  /** `|>` and `<|`. */
  readonly pipeOperators?: boolean
  /** Nix's settings `lint-…`. */
  readonly lints?: { readonly urlLiterals?: LintLevel; readonly absolutePathLiterals?: LintLevel; readonly shortPathLiterals?: LintLevel }
  /** Gets warnings; `position` where the message does not name it itself. */
  readonly warn?: (message: string, position: Position | undefined) => void
}
