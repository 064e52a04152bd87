/** Ring: eval. Files and folders: `readFile readDir pathExists findFile` and their like, `baseNameOf`, `dirOf`. */
import { byteStringOfBytes } from '../../nix/bytes.ts'
import { formatHash, hashBytes } from '../../nix/hash.ts'
import type { Evaluator } from '../evaluator.ts'
import type { FileKind } from '../io.ts'
import { realised } from '../realise.ts'
import { callSite } from '../runtime/call.ts'
import { coerceToPath, coerceToString } from '../runtime/coerce.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forceList, forcePlainString, requireAttribute } from '../runtime/expect.ts'
import { force, Thunk } from '../runtime/thunk.ts'
import { isString, textOf } from '../runtime/types.ts'
import { canonicalPath } from '../syntax/paths.ts'
import { ContextBuilder, singleContext } from '../values/context.ts'
import { attributesOf } from '../values/make.ts'
import { PathValue, stringValue, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'
import { BUILTIN_FETCHURL, realisePath } from './import.ts'
import { hashAlgorithm } from './strings.ts'

function pathExists(evaluator: Evaluator, slot: Slot): Value {
  try {
    const value = force(slot)
    const mustBeFolder = isString(value) && /\/\.?$/.test(textOf(value))
    const path = evaluator.files.resolve(realisePath(evaluator, value), mustBeFolder ? 'full' : 'ancestors')
    const status = evaluator.files.status(path)
    return status !== undefined && (!mustBeFolder || status.kind === 'directory')
  } catch (error) {
    if (error instanceof EvaluationError && error.kind === 'restricted') return false
    throw error
  }
}

function readFile(evaluator: Evaluator, slot: Slot): Value {
  const site = callSite()
  const path = evaluator.files.resolve(realisePath(evaluator, slot))
  const bytes = evaluator.files.readFile(path)
  if (bytes.includes(0)) throw new EvaluationError('eval', `the contents of the file '${path}' cannot be represented as a Nix string`, { location: site })
  const text = byteStringOfBytes(bytes)
  const context = new ContextBuilder()
  for (const reference of evaluator.referencesIn(path, text)) context.add(singleContext('opaque', reference))
  return stringValue(text, context.build())
}

function readDirectory(evaluator: Evaluator, slot: Slot): Value {
  const path = evaluator.files.resolve(realisePath(evaluator, slot))
  const entries: [string, Slot][] = []
  for (const [name, kind] of evaluator.files.readDirectory(path)) {
    const child = path === '/' ? `/${name}` : `${path}/${name}`
    entries.push([name, kind === 'unknown' ? new Thunk({ location: undefined, run: () => fileType(evaluator, child) }, undefined) : kind])
  }
  return attributesOf(entries)
}

function fileType(evaluator: Evaluator, path: string): FileKind {
  return evaluator.files.existing(path).kind
}

/** What comes after the last slash; one slash at the end doesn't count. */
function baseName(path: string): string {
  if (path === '') return ''
  let last = path.length - 1
  if (path[last] === '/' && last > 0) last--
  return path.slice(path.lastIndexOf('/', last) + 1, last + 1)
}

function dirOf(evaluator: Evaluator, slot: Slot): Value {
  const value = force(slot)
  if (value instanceof PathValue) {
    const slash = value.path.lastIndexOf('/')
    return new PathValue(slash <= 0 ? '/' : value.path.slice(0, slash))
  }
  const context = new ContextBuilder()
  const text = coerceToString(evaluator, value, context, { more: false, copy: false, doing: 'while evaluating the first argument passed to \'builtins.dirOf\'' }, callSite())
  const slash = text.lastIndexOf('/')
  return stringValue(slash < 0 ? '.' : slash === 0 ? '/' : text.slice(0, slash), context.build())
}

function findFile(evaluator: Evaluator, list: Slot, wanted: Slot): Value {
  const site = callSite()
  const entries = forceList(list, 'while evaluating the first argument passed to builtins.findFile', site).map((element) => {
    const attributes = forceAttributes(element, 'while evaluating an element of the list passed to builtins.findFile', site)
    const prefixSlot = attributes.get('prefix')
    const prefix = prefixSlot === undefined ? '' : forcePlainString(prefixSlot, 'while evaluating the `prefix` attribute of an element of the list passed to builtins.findFile', site)
    const context = new ContextBuilder()
    const path = coerceToString(evaluator, requireAttribute(attributes, 'path', 'in an element of the __nixPath'), context, { more: false, copy: false, doing: 'while evaluating the `path` attribute of an element of the list passed to builtins.findFile' }, site)
    return { prefix, path: realised(evaluator, path, context.build()) }
  })
  const name = forcePlainString(wanted, 'while evaluating the second argument passed to builtins.findFile', site)
  for (const { prefix, path } of entries) {
    const suffix = suffixBelow(prefix, name)
    if (suffix === undefined) continue
    const root = evaluator.resolveSearchPath(path)
    if (root === undefined) continue
    const candidate = evaluator.files.resolve(canonicalPath(`${root}/${suffix}`))
    if (evaluator.files.status(candidate) !== undefined) return new PathValue(candidate)
  }
  if (name === 'nix/fetchurl.nix') return new PathValue(BUILTIN_FETCHURL)
  const message = evaluator.settings.mode === 'pure'
    ? `cannot look up '<${name}>' in pure evaluation mode (use '--impure' to override)`
    : `file '${name}' was not found in the Nix search path (add it using $NIX_PATH or -I)`
  throw new EvaluationError('throw', message, { location: site })
}

/** What comes after a prefix of the search path; undefined where the name isn't below it. */
function suffixBelow(prefix: string, name: string): string | undefined {
  if (prefix === '') return name
  if (name === prefix) return ''
  return name.startsWith(`${prefix}/`) ? name.slice(prefix.length + 1) : undefined
}

export const paths: BuiltinFamily = (evaluator) => [
  builtin('__toPath', 1, (a) => {
    const context = new ContextBuilder()
    const path = coerceToPath(evaluator, a, context, 'while evaluating the first argument passed to builtins.toPath', callSite())
    return stringValue(path, context.build())
  }),
  builtin('__pathExists', 1, (a) => pathExists(evaluator, a)),
  builtin('__readFile', 1, (a) => readFile(evaluator, a)),
  builtin('__readDir', 1, (a) => readDirectory(evaluator, a)),
  builtin('__readFileType', 1, (a) => fileType(evaluator, realisePath(evaluator, a))),
  builtin('__hashFile', 2, (algorithm, file) => {
    const site = callSite()
    const name = hashAlgorithm(forcePlainString(algorithm, 'while evaluating the first argument passed to builtins.hashFile', site), site)
    return formatHash(hashBytes(name, evaluator.files.readFile(evaluator.files.resolve(realisePath(evaluator, file)))), 'base16')
  }),
  builtin('__findFile', 2, (list, name) => findFile(evaluator, list, name)),
  builtin('baseNameOf', 1, (a) => {
    const context = new ContextBuilder()
    const text = coerceToString(evaluator, a, context, { more: false, copy: false, doing: 'while evaluating the first argument passed to builtins.baseNameOf' }, callSite())
    return stringValue(baseName(text), context.build())
  }),
  builtin('dirOf', 1, (a) => dirOf(evaluator, a)),
]

