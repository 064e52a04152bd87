/** Ring: eval. The value of a request, kept from one evaluation to the next. */
import type { EvaluationRequest } from '../../contract/evaluations.ts'
import type { Evaluator } from '../evaluator.ts'
import { autoCall } from '../runtime/auto-call.ts'
import { Thunk } from '../runtime/thunk.ts'
import type { Slot } from '../values/value.ts'
import { requestArguments, rootOf } from './request.ts'

/** What is kept of requests that differ in nothing that matters to values. */
export class Root {
  readonly value: Thunk
  readonly arguments: ReadonlyMap<string, Slot>
  private readonly called = new WeakMap<Thunk, Thunk>()

  constructor(evaluator: Evaluator, request: EvaluationRequest, select: string | undefined) {
    this.arguments = requestArguments(evaluator, request)
    this.value = new Thunk({ location: undefined, run: () => rootOf(evaluator, request, select) }, undefined)
  }

  /** The slot's value, called if it is a function: one thunk for each slot, so that the call is remembered too. */
  call(slot: Slot): Slot {
    if (!(slot instanceof Thunk)) return new Thunk({ location: undefined, run: () => autoCall(this.arguments, slot) }, undefined)
    let thunk = this.called.get(slot)
    if (thunk === undefined) this.called.set(slot, (thunk = new Thunk({ location: undefined, run: () => autoCall(this.arguments, slot) }, undefined)))
    return thunk
  }
}
