/** Ring: eval. What compiled code and coercions need of the evaluator they run in. */
import type { StringContext } from '../values/context.ts'
import type { Location } from '../values/location.ts'
import type { Value } from '../values/value.ts'

export interface Host {
  /** The store path of a source path that is used as a string, with its context. */
  copyPathToStore(path: string): { readonly text: string; readonly context: StringContext }
  /** The value of `__curPos` and `unsafeGetAttrPos`. */
  positionValue(location: Location | undefined): Value
}
