/** Ring: eval. What a request's source and arguments stand for. */
import type { EvaluationRequest } from '../../contract/evaluations.ts'
import { byteStringOfText } from '../../nix/bytes.ts'
import type { Evaluator } from '../evaluator.ts'
import { autoCall } from '../runtime/auto-call.ts'
import { call1 } from '../runtime/call.ts'
import { NO_SITE } from '../runtime/site.ts'
import { Thunk } from '../runtime/thunk.ts'
import { canonicalPath } from '../syntax/paths.ts'
import type { Slot, Value } from '../values/value.ts'

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

function sourceOf(evaluator: Evaluator, request: EvaluationRequest): Value {
  const args = requestArguments(evaluator, request)
  const { source } = request
  switch (source.kind) {
    case 'file': return autoCall(args, evaluator.evaluateFile(canonicalPath(byteStringOfText(source.path))))
    case 'store': return autoCall(args, evaluator.evaluateFile(canonicalPath(byteStringOfText(source.file === '' ? source.storePath : `${source.storePath}/${source.file}`))))
    case 'expression': return autoCall(args, evaluator.evaluateText(byteStringOfText(source.text), canonicalPath(byteStringOfText(source.basePath))))
    case 'derivations': return [...source.drvPaths]
  }
}
