/** Ring: eval. Evaluation itself: `seq deepSeq tryEval throw abort trace addErrorContext break warn` and the environment. */
import { textOfByteString } from '../../nix/bytes.ts'
import { Suspended } from '../io.ts'
import { printValue } from '../printing/print.ts'
import { callSite } from '../runtime/call.ts'
import { coerceToString } from '../runtime/coerce.ts'
import { forceDeep } from '../runtime/deep.ts'
import { asEvaluationError, EvaluationError } from '../runtime/errors.ts'
import { forcePlainString, forceString } from '../runtime/expect.ts'
import { machine, markMachine, restoreMachine } from '../runtime/machine.ts'
import { noteAborted } from '../runtime/needs.ts'
import { force } from '../runtime/thunk.ts'
import { isString, textOf } from '../runtime/types.ts'
import { ContextBuilder } from '../values/context.ts'
import { layoutOfSorted } from '../values/layout.ts'
import { Attributes, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

const TRIED = layoutOfSorted(['success', 'value'])

function tryEval(slot: Slot): Value {
  const mark = markMachine()
  try {
    return new Attributes(TRIED, [true, force(slot)])
  } catch (error) {
    if (error instanceof EvaluationError && (error.kind === 'throw' || error.kind === 'assertion')) {
      noteAborted(mark.forcing)
      restoreMachine(mark)
      return new Attributes(TRIED, [false, false])
    }
    throw error
  }
}

export const control: BuiltinFamily = (evaluator) => {
  const message = (slot: Slot, doing: string, copy: boolean) => coerceToString(evaluator, slot, new ContextBuilder(), { more: false, copy, doing }, callSite())
  const trace = (slot: Slot, rest: Slot): Value => {
    const value = force(slot)
    evaluator.trace('trace', textOfByteString(isString(value) ? textOf(value) : printValue(value)))
    return force(rest)
  }
  return [
    builtin('__seq', 2, (a, b) => {
      force(a)
      return force(b)
    }),
    builtin('__deepSeq', 2, (a, b) => {
      forceDeep(a)
      return force(b)
    }),
    builtin('__tryEval', 1, tryEval),
    builtin('throw', 1, (a) => {
      throw new EvaluationError('throw', message(a, 'while evaluating the error message passed to builtin.throw', true))
    }),
    builtin('abort', 1, (a) => {
      throw new EvaluationError('abort', `evaluation aborted with the following error message: '${message(a, 'while evaluating the error message passed to builtins.abort', true)}'`)
    }),
    builtin('__addErrorContext', 2, (context, rest) => {
      const mark = markMachine()
      try {
        return force(rest)
      } catch (thrown) {
        const error = thrown instanceof Suspended ? undefined : asEvaluationError(thrown)
        if (error === undefined) throw thrown
        restoreMachine(mark)
        error.addTrace(message(context, 'while evaluating the error message passed to builtins.addErrorContext', false), undefined, machine.depth)
        throw error
      }
    }),
    builtin('__trace', 2, trace),
    builtin('__traceVerbose', 2, (a, b) => (evaluator.traceVerbose ? trace(a, b) : force(b))),
    builtin('__warn', 2, (a, b) => {
      const text = forceString(a, 'while evaluating the first argument; the message passed to builtins.warn', callSite())
      evaluator.trace('warn', `evaluation warning: ${textOfByteString(text)}`)
      if (evaluator.language.abortOnWarn === true) throw new EvaluationError('abort', 'aborting to reveal stack trace of warning, as abort-on-warn is set')
      return force(b)
    }),
    builtin('break', 1, (a) => force(a)),
    builtin('__getEnv', 1, (a) => {
      const name = forcePlainString(a, 'while evaluating the first argument passed to builtins.getEnv', callSite())
      return evaluator.settings.mode === 'impure' ? (evaluator.io.environment(name) ?? '') : ''
    }),
  ]
}
