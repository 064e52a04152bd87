/** Ring: eval. What is added to the store while evaluating: `path filterSource toFile storePath`. */
import { makeFixedOutputPath, isStorePath } from '../../nix/store-path.ts'
import { parseHash } from '../../nix/hash.ts'
import type { Evaluator } from '../evaluator.ts'
import { guarded } from '../files.ts'
import type { FileKind } from '../io.ts'
import { realised } from '../realise.ts'
import { call2, callSite } from '../runtime/call.ts'
import { coerceToPath } from '../runtime/coerce.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forceBoolean, forceFunction, forcePlainString, forceString } from '../runtime/expect.ts'
import { NO_SITE, type Site } from '../runtime/site.ts'
import { machine } from '../runtime/machine.ts'
import { ContextBuilder, printContextElement, singleContext, type StringContext } from '../values/context.ts'
import { ContextString, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

interface Addition {
  readonly name: string
  readonly path: string
  readonly filter: Value | undefined
  readonly method: 'flat' | 'nar'
  readonly hash: string | undefined
  readonly context: StringContext | undefined
}

function addPath(evaluator: Evaluator, addition: Addition, site: Site): Value {
  const { depth } = machine
  try {
    return addPathTraced(evaluator, addition, site)
  } catch (error) {
    if (error instanceof EvaluationError) error.addTrace(`while adding path '${addition.path}'`, site, depth)
    throw error
  }
}

function addPathTraced(evaluator: Evaluator, addition: Addition, site: Site): Value {
  const { name, method, filter, hash, context } = addition
  const path = realised(evaluator, addition.path, context)
  let expected: string | undefined
  if (hash !== undefined) {
    const parsed = parseHash(hash, 'sha256')
    expected = makeFixedOutputPath(name, { method, hash: parsed }).toString()
  }
  const real = evaluator.files.resolve(path)
  evaluator.files.existing(real)
  const accepts = filter === undefined ? undefined : (file: string, kind: FileKind): boolean =>
    forceBoolean(call2(filter, file, kind, site), 'while evaluating the return value of the path filter function', site)
  const storePath = guarded(real, () => evaluator.io.addPath({ path: real, name, method, ...(accepts && { filter: accepts }), ...(expected !== undefined && { expectedHash: hash! }) }))
  if (expected !== undefined && expected !== storePath) {
    throw new EvaluationError('eval', `store path mismatch in (possibly filtered) path added from '${path}'`, { location: site })
  }
  evaluator.files.allow(storePath)
  return new ContextString(storePath, singleContext('opaque', storePath))
}

function baseName(path: string): string {
  return path === '/' ? '' : path.slice(path.lastIndexOf('/') + 1)
}

function pathBuiltin(evaluator: Evaluator, argument: Slot): Value {
  const site = callSite()
  const attributes = forceAttributes(argument, 'while evaluating the argument passed to \'builtins.path\'', site)
  const context = new ContextBuilder()
  let path: string | undefined
  let name = ''
  let filter: Value | undefined
  let method: 'flat' | 'nar' = 'nar'
  let hash: string | undefined
  for (const attribute of attributes.layout.names) {
    const slot = attributes.get(attribute)!
    const location = attributes.locationOf(attribute) ?? NO_SITE
    switch (attribute) {
      case 'path':
        path = coerceToPath(evaluator, slot, context, 'while evaluating the \'path\' attribute passed to \'builtins.path\'', location)
        break
      case 'name':
        name = forcePlainString(slot, 'while evaluating the `name` attribute passed to builtins.path', location)
        break
      case 'filter':
        filter = forceFunction(slot, 'while evaluating the `filter` parameter passed to builtins.path', location)
        break
      case 'recursive':
        method = forceBoolean(slot, 'while evaluating the `recursive` attribute passed to builtins.path', location) ? 'nar' : 'flat'
        break
      case 'sha256':
        hash = forcePlainString(slot, 'while evaluating the `sha256` attribute passed to builtins.path', location)
        break
      default:
        throw new EvaluationError('eval', `unsupported argument '${attribute}' to 'builtins.path'`, { location })
    }
  }
  if (path === undefined) throw new EvaluationError('eval', 'missing required \'path\' attribute in the first argument to \'builtins.path\'', { location: site })
  return addPath(evaluator, { name: name === '' ? baseName(path) : name, path, filter, method, hash, context: context.build() }, site)
}

function toFile(evaluator: Evaluator, nameSlot: Slot, textSlot: Slot): Value {
  const site = callSite()
  const name = forcePlainString(nameSlot, 'while evaluating the first argument passed to builtins.toFile', site)
  const context = new ContextBuilder()
  const text = forceString(textSlot, 'while evaluating the second argument passed to builtins.toFile', site, context)
  const references: string[] = []
  for (const element of context.build()?.sorted() ?? []) {
    if (element.kind !== 'opaque') {
      throw new EvaluationError('eval', `files created by builtins.toFile may not reference derivations, but ${name} references ${printContextElement(element)}`, { location: site })
    }
    references.push(element.path)
  }
  const storePath = evaluator.addText(name, text, references)
  evaluator.files.allow(storePath)
  return new ContextString(storePath, singleContext('opaque', storePath))
}

function storePathBuiltin(evaluator: Evaluator, slot: Slot): Value {
  const site = callSite()
  if (evaluator.settings.mode === 'pure') throw new EvaluationError('eval', '\'builtins.storePath\' is not allowed in pure evaluation mode', { location: site })
  const context = new ContextBuilder()
  let path = coerceToPath(evaluator, slot, context, 'while evaluating the first argument passed to \'builtins.storePath\'', site)
  if (!isStorePath(path)) path = evaluator.files.resolve(path)
  const match = /^(\/nix\/store\/[^/]+)(?:\/|$)/.exec(path)
  if (match === null || !isStorePath(match[1]!)) throw new EvaluationError('eval', `path '${path}' is not in the Nix store`, { location: site })
  evaluator.ensurePath(match[1]!)
  evaluator.files.allow(match[1]!)
  context.add(singleContext('opaque', match[1]!))
  return new ContextString(path, context.build()!)
}

export const sources: BuiltinFamily = (evaluator) => [
  builtin('__path', 1, (a) => pathBuiltin(evaluator, a)),
  builtin('__filterSource', 2, (filter, slot) => {
    const site = callSite()
    const context = new ContextBuilder()
    const path = coerceToPath(evaluator, slot, context, 'while evaluating the second argument (the path to filter) passed to \'builtins.filterSource\'', site)
    const callee = forceFunction(filter, 'while evaluating the first argument passed to builtins.filterSource', site)
    return addPath(evaluator, { name: baseName(path), path, filter: callee, method: 'nar', hash: undefined, context: context.build() }, site)
  }),
  builtin('__toFile', 2, (name, text) => toFile(evaluator, name, text)),
  builtin('__storePath', 1, (a) => storePathBuiltin(evaluator, a)),
]
