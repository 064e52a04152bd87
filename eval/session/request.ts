/** Ring: eval. What a request's source and arguments stand for. */
import type { EvaluationRequest } from '../../contract/evaluations.ts'
import { byteStringOfText } from '../../nix/bytes.ts'
import type { Evaluator } from '../evaluator.ts'
import { callFlake } from '../flakes/call-flake.ts'
import { lockFlake } from '../flakes/lock-flake.ts'
import { parseFlakeReference } from '../flakes/reference.ts'
import { autoCall, parseAttributePath, selectPath } from '../runtime/auto-call.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { expectAttributes } from '../runtime/expect.ts'
import { call1 } from '../runtime/call.ts'
import { NO_SITE } from '../runtime/site.ts'
import { force, Thunk } from '../runtime/thunk.ts'
import { canonicalPath } from '../syntax/paths.ts'
import { Attributes, type Slot, type Value } from '../values/value.ts'

const known = new WeakMap<EvaluationRequest, ReadonlyMap<string, Slot>>()

/** Values of `--arg` and `--argstr`; expressions are evaluated when they are used. */
export function requestArguments(evaluator: Evaluator, request: EvaluationRequest): ReadonlyMap<string, Slot> {
  let args = known.get(request)
  if (args === undefined) {
    const base = request.source.kind === 'expression' ? byteStringOfText(request.source.basePath) : '/'
    args = new Map(Object.entries(request.arguments).map(([name, { kind, value }]): [string, Slot] => {
      const text = byteStringOfText(value)
      return [byteStringOfText(name), kind === 'string' ? text : new Thunk({ location: undefined, run: () => evaluator.evaluateText(text, base) }, undefined)]
    }))
    known.set(request, args)
  }
  return args
}

/** The value of the request's source, called with the arguments if it is a function; then given to `select`, a function's text. */
export function rootOf(evaluator: Evaluator, request: EvaluationRequest, select?: string): Value {
  const root = sourceOf(evaluator, request)
  return select === undefined ? root : call1(evaluator.evaluateText(select, '/'), root, NO_SITE)
}

/** An attribute of the value, called if it is a function; of a flake below the first prefix that has it. */
export function selectAttribute(evaluator: Evaluator, request: EvaluationRequest, root: Slot, attribute: string): Value {
  const args = requestArguments(evaluator, request)
  if (request.source.kind !== 'flake') return autoCall(args, selectPath(args, root, attribute))
  const candidates = [...request.source.prefixes.map((prefix) => byteStringOfText(prefix) + attribute), attribute]
  for (const candidate of candidates) {
    const found = follow(root, parseAttributePath(candidate))
    if (found !== undefined) return force(found)
  }
  const shown = candidates.map((candidate) => `'${candidate}'`)
  throw new EvaluationError('missing-attribute', `flake '${byteStringOfText(request.source.reference)}' does not provide attribute ${shown.length === 1 ? shown[0]! : `${shown.slice(0, -1).join(', ')} or ${shown.at(-1)!}`}`)
}

function follow(root: Slot, path: readonly string[]): Slot | undefined {
  let at: Slot | undefined = root
  for (const name of path) {
    const value: Value = force(at)
    at = value instanceof Attributes ? value.get(name) : undefined
    if (at === undefined) return undefined
  }
  return at
}

/** Whoever names a flake may have its inputs looked up and fetched, though its evaluation is pure. */
export function flakeOutputs(evaluator: Evaluator, reference: string): Value {
  const locked = lockFlake(evaluator, parseFlakeReference(byteStringOfText(reference)), { registries: true, allowUnlocked: true, trusted: true })
  const flake = expectAttributes(callFlake(evaluator, locked), '', NO_SITE)
  return force(flake.get('outputs')!)
}

function sourceOf(evaluator: Evaluator, request: EvaluationRequest): Value {
  const args = requestArguments(evaluator, request)
  const { source } = request
  switch (source.kind) {
    case 'file': return autoCall(args, evaluator.evaluateFile(canonicalPath(byteStringOfText(source.path))))
    case 'store': return autoCall(args, evaluator.evaluateFile(canonicalPath(byteStringOfText(source.file === '' ? source.storePath : `${source.storePath}/${source.file}`))))
    case 'expression': return autoCall(args, evaluator.evaluateText(byteStringOfText(source.text), canonicalPath(byteStringOfText(source.basePath))))
    case 'flake': return flakeOutputs(evaluator, source.reference)
    case 'derivations': return [...source.drvPaths]
  }
}
