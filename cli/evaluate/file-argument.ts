/** Ring: cli. What a file argument of a command names. Upstream counterpart: libcmd/common-eval-args.cc (lookupFileArg). */
import { coerceToString } from '../../eval/runtime/coerce.ts'
import { EvaluationError } from '../../eval/runtime/errors.ts'
import { NO_SITE } from '../../eval/runtime/site.ts'
import { canonicalPath } from '../../eval/syntax/paths.ts'
import { ContextBuilder } from '../../eval/values/context.ts'
import { byteStringOfNative } from '../../evaluator/paths.ts'
import { FirnError } from '../../contract/errors.ts'
import { isFetched, type Input } from './options.ts'
import { writeBytes } from './output.ts'
import type { World } from './world.ts'

/** A file argument: a path, `<name>` of the search path, or an address. */
export function fileOf(world: World, argument: string): string {
  const path = byteStringOfNative(argument)
  if (isFetched(argument)) {
    const found = world.evaluator.resolveSearchPath(path)
    if (found === undefined) throw new EvaluationError('eval', `'${path}' can't be fetched`)
    return found
  }
  if (argument.length > 2 && argument.startsWith('<') && argument.endsWith('>')) return lookUp(world, path.slice(1, -1))
  return canonicalPath(path.startsWith('/') ? path : `${world.folder}/${path}`)
}

function lookUp(world: World, name: string): string {
  const value = world.evaluator.evaluateText(`toString <${name}>`, world.folder)
  return typeof value === 'string' ? value : coerceToString(world.evaluator, value, new ContextBuilder(), { more: false, copy: false, doing: '' }, NO_SITE)
}

export function printFound(world: World, input: Input): void {
  if (input.kind !== 'file') throw new FirnError('invalid-input', 'only names can be looked up')
  writeBytes(1, `${lookUp(world, byteStringOfNative(input.path))}\n`)
}

