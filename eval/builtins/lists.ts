/** Ring: eval. Lists. Functions that call back for each element look at later elements when one suspends. */
import { call1, call2, callSite, DelayedCalls } from '../runtime/call.ts'
import { equal, lessThan } from '../runtime/equality.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forceBoolean, forceFunction, forceInt, forceList, forcePlainString, requireAttribute } from '../runtime/expect.ts'
import { NO_SITE } from '../runtime/site.ts'
import { concatLists } from '../runtime/operations.ts'
import { speculate } from '../runtime/speculate.ts'
import { force, Thunk } from '../runtime/thunk.ts'
import { attributesOf } from '../values/make.ts'
import { layoutOfSorted } from '../values/layout.ts'
import { Attributes, PrimOp, type List, type Slot, type Value } from '../values/value.ts'
import { KeySet } from '../runtime/key-set.ts'
import { mergeSort } from '../runtime/sort.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

function elemAt(list: Slot, index: Slot): Value {
  const site = callSite()
  const n = forceInt(index, 'while evaluating the second argument passed to \'builtins.elemAt\'', site)
  const elements = forceList(list, 'while evaluating the first argument passed to \'builtins.elemAt\'', site)
  if (n < 0 || n >= elements.length) throw new EvaluationError('eval', `'builtins.elemAt' called with index ${n} on a list of size ${elements.length}`, { location: site })
  return force(elements[Number(n)]!)
}

function head(list: Slot): Value {
  const site = callSite()
  const elements = forceList(list, 'while evaluating the first argument passed to \'builtins.head\'', site)
  if (elements.length === 0) throw new EvaluationError('eval', '\'builtins.head\' called on an empty list', { location: site })
  return force(elements[0]!)
}

function tail(list: Slot): Value {
  const site = callSite()
  const elements = forceList(list, 'while evaluating the first argument passed to \'builtins.tail\'', site)
  if (elements.length === 0) throw new EvaluationError('eval', '\'builtins.tail\' called on an empty list', { location: site })
  return elements.slice(1)
}

function map(fn: Slot, list: Slot): Value {
  const site = callSite()
  const elements = forceList(list, 'while evaluating the second argument passed to builtins.map', site)
  if (elements.length === 0) return elements
  const callee = forceFunction(fn, 'while evaluating the first argument passed to builtins.map', site)
  const calls = new DelayedCalls(callee)
  const result = new Array<Slot>(elements.length)
  for (let i = 0; i < elements.length; i++) result[i] = new Thunk(calls, elements[i]!)
  return result
}

function filter(fn: Slot, list: Slot): Value {
  const site = callSite()
  const elements = forceList(list, 'while evaluating the second argument passed to builtins.filter', site)
  if (elements.length === 0) return elements
  const callee = forceFunction(fn, 'while evaluating the first argument passed to builtins.filter', site)
  const result: Slot[] = []
  speculate(elements.length, (i) => {
    if (forceBoolean(call1(callee, elements[i]!, NO_SITE), 'while evaluating the return value of the filtering function passed to builtins.filter', site)) result.push(elements[i]!)
  })
  return result.length === elements.length ? elements : result
}

function elem(wanted: Slot, list: Slot): Value {
  const elements = forceList(list, 'while evaluating the second argument passed to builtins.elem', callSite())
  for (let i = 0; i < elements.length; i++) if (equal(force(wanted), force(elements[i]!))) return true
  return false
}

function foldlStrict(op: Slot, initial: Slot, list: Slot): Value {
  const site = callSite()
  const callee = forceFunction(op, 'while evaluating the first argument passed to builtins.foldlStrict', site)
  const elements = forceList(list, 'while evaluating the third argument passed to builtins.foldlStrict', site)
  let current: Slot = initial
  // Beside a step that suspends, only elements are looked at: a later step without the result of this one would ask for what nobody wants.
  let at = 0
  speculate(elements.length, (i) => {
    if (i > at) force(elements[i]!)
    else {
      current = call2(callee, current, elements[i]!, site)
      at++
    }
  })
  return force(current)
}

function anyOrAll(any: boolean) {
  const name = any ? 'any' : 'all'
  const ofFunction = `while evaluating the first argument passed to builtins.${name}`
  const ofList = `while evaluating the second argument passed to builtins.${name}`
  const ofResult = `while evaluating the return value of the function passed to builtins.${name}`
  return (fn: Slot, list: Slot): Value => {
    const site = callSite()
    const callee = forceFunction(fn, ofFunction, site)
    const elements = forceList(list, ofList, site)
    for (let i = 0; i < elements.length; i++) {
      if (forceBoolean(call1(callee, elements[i]!, site), ofResult, site) === any) return any
    }
    return !any
  }
}

function genList(generator: Slot, length: Slot): Value {
  const site = callSite()
  const count = forceInt(length, 'while evaluating the second argument passed to builtins.genList', site)
  if (count < 0 || count >= 2 ** 32 - 1) throw new EvaluationError('eval', `cannot create list of size ${count}`, { location: site })
  const callee = forceFunction(generator, 'while evaluating the first argument passed to builtins.genList', NO_SITE)
  const calls = new DelayedCalls(callee)
  const result = new Array<Slot>(Number(count))
  for (let i = 0; i < result.length; i++) result[i] = new Thunk(calls, i)
  return result
}

function sort(comparator: Slot, list: Slot): Value {
  const site = callSite()
  const elements = forceList(list, 'while evaluating the second argument passed to builtins.sort', site)
  if (elements.length === 0) return elements
  const callee = forceFunction(comparator, 'while evaluating the first argument passed to builtins.sort', site)
  speculate(elements.length, (i) => force(elements[i]!))
  const less = callee instanceof PrimOp && callee.name === 'lessThan'
    ? (a: Slot, b: Slot) => lessThan(force(a), force(b), 'while evaluating the ordering function passed to builtins.sort', NO_SITE)
    : (a: Slot, b: Slot) => forceBoolean(call2(callee, a, b, NO_SITE), 'while evaluating the return value of the sorting function passed to builtins.sort', site)
  return mergeSort(elements, less)
}

const PARTITION = layoutOfSorted(['right', 'wrong'])

function partition(fn: Slot, list: Slot): Value {
  const site = callSite()
  const callee = forceFunction(fn, 'while evaluating the first argument passed to builtins.partition', site)
  const elements = forceList(list, 'while evaluating the second argument passed to builtins.partition', site)
  const right: Slot[] = []
  const wrong: Slot[] = []
  speculate(elements.length, (i) => {
    const element = elements[i]!
    force(element)
    const yes = forceBoolean(call1(callee, element, site), 'while evaluating the return value of the partition function passed to builtins.partition', site)
    ;(yes ? right : wrong).push(element)
  })
  return new Attributes(PARTITION, [right, wrong])
}

function groupBy(fn: Slot, list: Slot): Value {
  const site = callSite()
  const callee = forceFunction(fn, 'while evaluating the first argument passed to builtins.groupBy', site)
  const elements = forceList(list, 'while evaluating the second argument passed to builtins.groupBy', site)
  const groups = new Map<string, Slot[]>()
  speculate(elements.length, (i) => {
    const name = forcePlainString(call1(callee, elements[i]!, site), 'while evaluating the return value of the grouping function passed to builtins.groupBy', site)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [elements[i]!])
    else group.push(elements[i]!)
  })
  return attributesOf(groups)
}

function concatMap(fn: Slot, list: Slot): Value {
  const site = callSite()
  const callee = forceFunction(fn, 'while evaluating the first argument passed to builtins.concatMap', site)
  const elements = forceList(list, 'while evaluating the second argument passed to builtins.concatMap', site)
  const result: Slot[] = []
  speculate(elements.length, (i) => {
    const part = forceList(call1(callee, elements[i]!, site), 'while evaluating the return value of the function passed to builtins.concatMap', site)
    for (let j = 0; j < part.length; j++) result.push(part[j]!)
  })
  return result
}

function concatListsBuiltin(lists: Slot): Value {
  const site = callSite()
  const values = forceList(lists, 'while evaluating the first argument passed to builtins.concatLists', site)
  speculate(values.length, (i) => force(values[i]!))
  return concatLists(values, 'while evaluating a value of the list passed to builtins.concatLists', site)
}

function genericClosure(argument: Slot): Value {
  const options = forceAttributes(argument, 'while evaluating the first argument passed to builtins.genericClosure', NO_SITE)
  const start = forceList(requireAttribute(options, 'startSet', 'in the attrset passed as argument to builtins.genericClosure'), 'while evaluating the \'startSet\' attribute passed as argument to builtins.genericClosure', NO_SITE)
  if (start.length === 0) return start
  const operator = forceFunction(requireAttribute(options, 'operator', 'in the attrset passed as argument to builtins.genericClosure'), 'while evaluating the \'operator\' attribute passed as argument to builtins.genericClosure', NO_SITE)
  const work: Slot[] = [...start]
  const result: Slot[] = []
  const done = new KeySet('while comparing the `key` attributes of two genericClosure elements')
  for (let at = 0; at < work.length; at++) {
    const element = work[at]!
    const attributes = forceAttributes(element, 'while evaluating one of the elements generated by (or initially passed to) builtins.genericClosure', NO_SITE)
    const key = force(requireAttribute(attributes, 'key', 'in one of the attrsets generated by (or initially passed to) builtins.genericClosure'))
    if (!done.add(key)) continue
    result.push(element)
    const more: List = forceList(call1(operator, element, NO_SITE), 'while evaluating the return value of the `operator` passed to builtins.genericClosure', NO_SITE)
    speculate(more.length, (i) => {
      force(more[i]!)
      work.push(more[i]!)
    })
  }
  return result
}

export const lists: BuiltinFamily = () => [
  builtin('__elemAt', 2, elemAt),
  builtin('__head', 1, head),
  builtin('__tail', 1, tail),
  builtin('map', 2, map),
  builtin('__filter', 2, filter),
  builtin('__elem', 2, elem),
  builtin('__concatLists', 1, concatListsBuiltin),
  builtin('__length', 1, (list) => forceList(list, 'while evaluating the first argument passed to builtins.length', callSite()).length),
  builtin('__foldl\'', 3, foldlStrict),
  builtin('__any', 2, anyOrAll(true)),
  builtin('__all', 2, anyOrAll(false)),
  builtin('__genList', 2, genList),
  builtin('__sort', 2, sort),
  builtin('__partition', 2, partition),
  builtin('__groupBy', 2, groupBy),
  builtin('__concatMap', 2, concatMap),
  builtin('__genericClosure', 1, genericClosure),
]

