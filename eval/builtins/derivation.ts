/**
 * Ring: eval. `derivationStrict` and `placeholder`. Upstream counterpart: derivationStrictInternal in src/libexpr/primops.cc.
 */
import { completeDerivation, type CompletedDerivation } from '../../nix/derivation-completion.ts'
import { fixedOutput, type DerivationOutput } from '../../nix/derivation.ts'
import type { PrintableDerivation } from '../../nix/derivation-printer.ts'
import { FormatError } from '../../nix/errors.ts'
import type { ContentAddressMethod } from '../../nix/content-address.ts'
import { isHashAlgorithm, type HashAlgorithm } from '../../nix/hash.ts'
import { hashPlaceholder, upstreamPlaceholder } from '../../nix/placeholder.ts'
import { storePathNameProblem } from '../../nix/store-path.ts'
import type { Evaluator } from '../evaluator.ts'
import { showLocation } from '../printing/locations.ts'
import { jsonString, valueToJson } from '../printing/to-json.ts'
import { callSite } from '../runtime/call.ts'
import { coerceToString, type Coercion } from '../runtime/coerce.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forceBoolean, forceList, forcePlainString, forceString, requireAttribute } from '../runtime/expect.ts'
import { machine } from '../runtime/machine.ts'
import { NO_SITE } from '../runtime/site.ts'
import { speculate } from '../runtime/speculate.ts'
import { force } from '../runtime/thunk.ts'
import { ContextBuilder, contextsOf } from '../values/context.ts'
import { layoutOf } from '../values/layout.ts'
import { placeAt } from '../values/places.ts'
import { Attributes, ContextString, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'
import { inputsOf } from './derivation-inputs.ts'
import { hashOfSetting } from './hashes.ts'

/** What the attributes said, before it becomes a derivation. */
interface Draft {
  readonly name: string
  readonly context: ContextBuilder
  /** Names of variables, sorted, and their values. */
  readonly names: string[]
  readonly values: string[]
  readonly args: string[]
  readonly json: string[] | undefined
  builder: string
  system: string
  outputs: string[]
  contentAddressed: boolean
  impure: boolean
  outputHash: string | undefined
  outputHashAlgorithm: HashAlgorithm | undefined
  method: ContentAddressMethod | undefined
}

function derivationStrict(evaluator: Evaluator, slot: Slot): Value {
  const site = callSite()
  const attributes = forceAttributes(slot, 'while evaluating the argument passed to builtins.derivationStrict', site)
  const nameSlot = requireAttribute(attributes, 'name', 'in the attrset passed as argument to builtins.derivationStrict')
  const { depth } = machine
  const nameLocation = attributes.locationOf('name')
  const name = traced(() => forcePlainString(nameSlot, 'while evaluating the `name` attribute passed to builtins.derivationStrict', site), () => 'while evaluating the derivation attribute \'name\'', nameLocation, depth)
  return traced(() => instantiate(evaluator, name, attributes), () => `while evaluating derivation '${name}'\n  whose name attribute is located at ${showLocation(nameLocation)}`, undefined, depth)
}

function traced<T>(work: () => T, text: () => string, location: Parameters<EvaluationError['addTrace']>[1], depth: number): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof EvaluationError) error.addTrace(text(), location, depth)
    throw error
  }
}

function instantiate(evaluator: Evaluator, name: string, attributes: Attributes): Value {
  const problem = storePathNameProblem(name)
  if (problem !== undefined) throw new EvaluationError('eval', `invalid derivation name: ${problem}. Please pass a different 'name'.`)
  const structured = attributes.get('__structuredAttrs')
  const ignoreNullsSlot = attributes.get('__ignoreNulls')
  const isStructured = structured !== undefined && forceBoolean(structured, 'while evaluating the `__structuredAttrs` attribute passed to builtins.derivationStrict', NO_SITE)
  const ignoreNulls = ignoreNullsSlot !== undefined && forceBoolean(ignoreNullsSlot, 'while evaluating the `__ignoreNulls` attribute passed to builtins.derivationStrict', NO_SITE)
  const draft: Draft = {
    name, context: new ContextBuilder(), names: [], values: [], args: [], json: isStructured ? [] : undefined, builder: '', system: '', outputs: ['out'],
    contentAddressed: false, impure: false, outputHash: undefined, outputHashAlgorithm: undefined, method: undefined,
  }
  const { names } = attributes.layout
  const { depth } = machine
  speculate(names.length, (i) => {
    const key = names[i]!
    if (key === '__ignoreNulls') return
    // not by `traced`: half a million attributes would make two functions each
    try {
      processAttribute(evaluator, draft, key, attributes.values[i]!, ignoreNulls)
    } catch (error) {
      if (error instanceof EvaluationError) error.addTrace(`while evaluating attribute '${key}' of derivation '${name}'`, placeAt(attributes.places, i), depth)
      throw error
    }
  })
  if (draft.json !== undefined) setVariable(draft, '__json', `{${draft.json.join(',')}}`)
  return finish(evaluator, draft)
}

const VARIABLE: Coercion = { more: true, copy: true, doing: '' }
const ARGUMENT: Coercion = { more: true, copy: true, doing: 'while evaluating an element of the argument list' }
const SETTINGS: ReadonlySet<string> = new Set(['builder', 'system', 'outputHash', 'outputHashAlgo', 'outputHashMode', 'outputs'])

function processAttribute(evaluator: Evaluator, draft: Draft, key: string, slot: Slot, ignoreNulls: boolean): void {
  if (ignoreNulls && force(slot) === null) return
  if (key === '__contentAddressed' && forceBoolean(slot, '', NO_SITE)) {
    draft.contentAddressed = true
  } else if (key === '__impure' && forceBoolean(slot, '', NO_SITE)) {
    draft.impure = true
  } else if (key === 'args') {
    const list = forceList(slot, '', NO_SITE)
    speculate(list.length, (i) => {
      draft.args.push(coerceToString(evaluator, list[i]!, draft.context, ARGUMENT, NO_SITE))
    })
  } else if (draft.json !== undefined) {
    if (key !== '__structuredAttrs') processStructured(evaluator, draft, key, slot)
  } else {
    const text = coerceToString(evaluator, slot, draft.context, VARIABLE, NO_SITE)
    // attributes come sorted
    draft.names.push(key)
    draft.values.push(text)
    if (SETTINGS.has(key)) applySetting(draft, key, text, () => text.split(/[ \t\n\r]+/).filter((part) => part !== ''))
  }
}

function processStructured(evaluator: Evaluator, draft: Draft, key: string, slot: Slot): void {
  draft.json!.push(`${jsonString(key)}:${valueToJson(evaluator, slot, draft.context, true, NO_SITE)}`)
  switch (key) {
    case 'builder':
      draft.builder = forceString(slot, '', NO_SITE, draft.context)
      break
    case 'system':
    case 'outputHash':
    case 'outputHashAlgo':
    case 'outputHashMode':
      applySetting(draft, key, forcePlainString(slot, '', NO_SITE), () => [])
      break
    case 'outputs':
      applySetting(draft, key, '', () => forceList(slot, '', NO_SITE).map((element) => forcePlainString(element, '', NO_SITE)))
      break
    default:
      if (WITHOUT_EFFECT.has(key)) {
        evaluator.trace('warn', `In a derivation named '${draft.name}', 'structuredAttrs' disables the effect of the derivation attribute '${key}'; use 'outputChecks.<output>.${key}' instead`)
      }
  }
}

const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['allowedReferences', 'allowedRequisites', 'disallowedReferences', 'disallowedRequisites', 'maxSize', 'maxClosureSize'])

function applySetting(draft: Draft, key: string, text: string, names: () => readonly string[]): void {
  switch (key) {
    case 'builder': draft.builder = text
      break
    case 'system': draft.system = text
      break
    case 'outputHash': draft.outputHash = text
      break
    case 'outputHashAlgo': draft.outputHashAlgorithm = isHashAlgorithm(text) ? text : undefined
      break
    case 'outputHashMode': draft.method = hashMode(text)
      break
    case 'outputs': draft.outputs = checkOutputs(names())
      break
    default: break
  }
}

function hashMode(text: string): ContentAddressMethod {
  if (text === 'recursive' || text === 'nar') return 'nar'
  if (text === 'flat' || text === 'text' || text === 'git') return text
  throw new EvaluationError('eval', `invalid value '${text}' for 'outputHashMode' attribute`)
}

function checkOutputs(names: readonly string[]): string[] {
  const outputs = new Set<string>()
  for (const name of names) {
    if (outputs.has(name)) throw new EvaluationError('eval', `duplicate derivation output '${name}'`)
    if (name === 'drvPath') throw new EvaluationError('eval', 'invalid derivation output name \'drvPath\'')
    outputs.add(name)
  }
  if (outputs.size === 0) throw new EvaluationError('eval', 'derivation cannot have an empty set of outputs')
  return [...outputs].sort()
}

/** Adds a variable that is no attribute, or takes an attribute's place. */
function setVariable({ names, values }: Draft, name: string, value: string): void {
  let at = names.length
  while (at > 0 && names[at - 1]! >= name) at--
  const replaced = names[at] === name ? 1 : 0
  names.splice(at, replaced, name)
  values.splice(at, replaced, value)
}

function finish(evaluator: Evaluator, draft: Draft): Value {
  const { name, outputs } = draft
  const { inputDerivations, dynamicInputs, inputSources } = inputsOf(evaluator, draft.context.build())
  if (draft.builder === '') throw new EvaluationError('eval', 'required attribute \'builder\' missing')
  if (draft.system === '') throw new EvaluationError('eval', 'required attribute \'system\' missing')
  const onlyOut = outputs.length === 1 && outputs[0] === 'out'
  if (name.endsWith('.drv') && !(draft.method === 'text' && onlyOut)) {
    throw new EvaluationError('eval', 'derivation names are allowed to end in \'.drv\' only if they produce a single derivation file')
  }
  const made = new Map<string, DerivationOutput>()
  if (draft.outputHash !== undefined) {
    if (!onlyOut) throw new EvaluationError('eval', 'multiple outputs are not supported in fixed-output derivations')
    const hash = hashOfSetting(evaluator, draft.outputHash, draft.outputHashAlgorithm)
    const output = fixedOutput(name, 'out', draft.method ?? 'flat', hash)
    setVariable(draft, 'out', output.path)
    made.set('out', output)
  } else if (draft.contentAddressed || draft.impure) {
    if (draft.contentAddressed && draft.impure) throw new EvaluationError('eval', 'derivation cannot be both content-addressed and impure')
    const kind = draft.impure ? 'impure' : 'floating'
    for (const output of outputs) {
      setVariable(draft, output, hashPlaceholder(output))
      made.set(output, { kind, method: draft.method ?? 'nar', algorithm: draft.outputHashAlgorithm ?? 'sha256' })
    }
  } else {
    for (const output of outputs) {
      setVariable(draft, output, '')
      made.set(output, { kind: 'deferred' })
    }
  }
  const derivation: PrintableDerivation = { name, outputs: made, inputDerivations, ...(dynamicInputs !== undefined && { dynamicInputs }), inputSources, system: draft.system, builder: draft.builder, args: draft.args, variables: { names: draft.names, values: draft.values } }
  return write(evaluator, inNixTerms(() => completeDerivation(derivation, evaluator.derivationHashOf)))
}

function write(evaluator: Evaluator, derivation: CompletedDerivation): Value {
  evaluator.addDerivation(derivation)
  const { drvPath, outputs } = derivation
  const contexts = contextsOf(drvPath)
  const values: Slot[] = [new ContextString(drvPath, contexts.deep)]
  for (const [output, kind] of outputs) values.push(new ContextString('path' in kind ? kind.path : upstreamPlaceholder(drvPath, output), contexts.built(output)))
  const { layout, order } = layoutOfResult(outputs)
  return new Attributes(layout, order.map((i) => values[i]!))
}

/** Derivations have few different lists of outputs: with one layout for each, selections from them are quick. */
const resultLayouts = new Map<string, ReturnType<typeof layoutOf>>()
const RESULT_LAYOUTS_LIMIT = 1000

function layoutOfResult(outputs: ReadonlyMap<string, unknown>): ReturnType<typeof layoutOf> {
  const names = [...outputs.keys()]
  const key = names.join('\0')
  let known = resultLayouts.get(key)
  if (known === undefined) {
    if (resultLayouts.size >= RESULT_LAYOUTS_LIMIT) resultLayouts.clear()
    resultLayouts.set(key, (known = layoutOf(['drvPath', ...names])))
  }
  return known
}

function inNixTerms<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof FormatError) throw new EvaluationError('eval', error.message, { cause: error })
    throw error
  }
}

export const derivations: BuiltinFamily = (evaluator) => [
  builtin('derivationStrict', 1, (a) => derivationStrict(evaluator, a)),
  builtin('placeholder', 1, (a) => hashPlaceholder(forcePlainString(a, 'while evaluating the first argument passed to builtins.placeholder', callSite()))),
]
