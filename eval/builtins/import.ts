/** Ring: eval. `import` and `scopedImport`, and paths that must be there before they are read. */
import { isStorePath } from '../../nix/store-path.ts'
import { upstreamPlaceholder } from '../../nix/placeholder.ts'
import type { Evaluator } from '../evaluator.ts'
import { realised } from '../realise.ts'
import { call1, callSite } from '../runtime/call.ts'
import { coerceToPath } from '../runtime/coerce.ts'
import { forceAttributes } from '../runtime/expect.ts'
import { NO_SITE } from '../runtime/site.ts'
import { ContextBuilder, singleContext } from '../values/context.ts'
import { attributesOf } from '../values/make.ts'
import { ContextString, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'
import { FETCHURL, IMPORTED_DERIVATION } from './derivation-source.ts'

/** Path of the one file that comes with the evaluator: `<nix/fetchurl.nix>`. */
export const BUILTIN_FETCHURL = '/__corepkgs__/fetchurl.nix'

const BUILTIN_IMPORTED_DERIVATION = '/__corepkgs__/imported-drv-to-derivation.nix'

/** The path a value stands for, with everything it refers to made readable; may suspend. Symlinks are not followed. */
export function realisePath(evaluator: Evaluator, slot: Slot): string {
  const { recall } = evaluator
  const argument = recall.meet(slot)
  const context = new ContextBuilder()
  const path = coerceToPath(evaluator, slot, context, 'while realising the context of a path', NO_SITE)
  return realised(evaluator, path, context.build(), argument && ((need) => recall.note(need.key, argument)))
}

function importPath(evaluator: Evaluator, slot: Slot, scope: Slot | undefined): Value {
  const path = realisePath(evaluator, slot)
  if (path === BUILTIN_FETCHURL) return evaluator.evaluateOwn(path, FETCHURL)
  if (path.endsWith('.drv') && isStorePath(path)) return importDerivation(evaluator, path)
  if (scope === undefined) return evaluator.evaluateFile(path)
  return evaluator.evaluateFileWith(path, forceAttributes(scope, 'while evaluating the first argument passed to builtins.scopedImport', callSite()))
}

/** Importing a `.drv` gives the derivation. */
function importDerivation(evaluator: Evaluator, drvPath: string): Value {
  const derivation = evaluator.readDerivation(drvPath)
  const entries: [string, Slot][] = [
    ['drvPath', new ContextString(drvPath, singleContext('deep', drvPath))],
    ['name', derivation.env.get('name') ?? ''],
    ['outputs', [...derivation.outputs.keys()]],
  ]
  for (const [name, output] of derivation.outputs) {
    entries.push([name, new ContextString('path' in output ? output.path : upstreamPlaceholder(drvPath, name), singleContext('built', drvPath, name))])
  }
  return call1(evaluator.evaluateOwn(BUILTIN_IMPORTED_DERIVATION, IMPORTED_DERIVATION), attributesOf(entries), NO_SITE)
}

export const importing: BuiltinFamily = (evaluator) => [
  builtin('import', 1, (path) => importPath(evaluator, path, undefined)),
  builtin('scopedImport', 2, (scope, path) => importPath(evaluator, path, scope)),
]
