/** Ring: eval. How builtins are declared: a family of them per file, made for one evaluator. */
import type { Evaluator } from '../evaluator.ts'
import type { PrimOpFunction } from '../values/value.ts'

export interface BuiltinDefinition {
  /** As every file sees it: with `__` where Nix has it; `builtins` has it without. */
  readonly name: string
  readonly arity: 1 | 2 | 3
  /** Arguments are slots: the builtin forces what it needs. */
  readonly run: PrimOpFunction
}

export type BuiltinFamily = (evaluator: Evaluator) => readonly BuiltinDefinition[]

export function builtin(name: string, arity: 1 | 2 | 3, run: PrimOpFunction): BuiltinDefinition {
  return { name, arity, run }
}
