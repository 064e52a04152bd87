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
import type { SortedMap } from '../../nix/sorting.ts'
import { storePathNameProblem } from '../../nix/store-path.ts'
import type { Evaluator } from '../evaluator.ts'
import { showLocation } from '../printing/locations.ts'
import { jsonString, valueToJson } from '../printing/to-json.ts'
import { callSite } from '../runtime/call.ts'
import { coerceToString, type Coercion } from '../runtime/coerce.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forceBoolean, forceList, forcePlainString, forceString, requireAttribute } from '../runtime/expect.ts'
import { tellProgress, type Callee, type CalleeLine } from '../runtime/machine.ts'
import { NO_SITE } from '../runtime/site.ts'
import { speculate } from '../runtime/speculate.ts'
import { force } from '../runtime/thunk.ts'
import { ContextBuilder, contextsOf } from '../values/context.ts'
import { placeAt } from '../values/places.ts'
import { Attributes, ContextString, type List, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'
import { inputsOf } from './derivation-inputs.ts'
import { ONLY_OUT, outputsOfNames, outputsOfText, type OutputList } from './derivation-outputs.ts'
import { hashOfSetting } from './hashes.ts'

/** What the attributes said, before it becomes a derivation. On the call stack it stands for the call of `derivationStrict`. */
class Draft implements Callee {
  readonly kind = 'builtin'
  readonly attributes: Attributes
  readonly context = new ContextBuilder()
  /** Parallel to the attributes: values of those that are variables. */
  readonly variables: (string | undefined)[]
  readonly args: string[] = []
  /** Of the derivation; undefined while it is computed. */
  derivationName: string | undefined = undefined
  /** Index of the attribute that is looked at, -1 before and after. */
  at = -1
  json: string[] | undefined = undefined
  builder = ''
  system = ''
  outputs: OutputList = ONLY_OUT
  contentAddressed = false
  impure = false
  outputHash: string | undefined = undefined
  outputHashAlgorithm: HashAlgorithm | undefined = undefined
  method: ContentAddressMethod | undefined = undefined

  constructor(attributes: Attributes) {
    this.attributes = attributes
    this.variables = new Array<string | undefined>(attributes.size)
  }

  get name(): string {
    return 'derivationStrict'
  }

  progress(): () => readonly CalleeLine[] {
    const { attributes, derivationName, at } = this
    return () => {
      const location = attributes.locationOf('name')
      if (derivationName === undefined) return [{ text: 'while evaluating the derivation attribute \'name\'', location }]
      const whole = { text: `while evaluating derivation '${derivationName}'\n  whose name attribute is located at ${showLocation(location)}`, location: undefined }
      return at < 0 ? [whole] : [whole, { text: `while evaluating attribute '${attributes.layout.names[at]!}' of derivation '${derivationName}'`, location: placeAt(attributes.places, at) }]
    }
  }
}

function derivationStrict(evaluator: Evaluator, slot: Slot): Value {
  const site = callSite()
  const attributes = forceAttributes(slot, 'while evaluating the argument passed to builtins.derivationStrict', site)
  const nameSlot = requireAttribute(attributes, 'name', 'in the attrset passed as argument to builtins.derivationStrict')
  const draft = new Draft(attributes)
  tellProgress(draft)
  const name = forcePlainString(nameSlot, 'while evaluating the `name` attribute passed to builtins.derivationStrict', site)
  draft.derivationName = name
  const problem = storePathNameProblem(name)
  if (problem !== undefined) throw new EvaluationError('eval', `invalid derivation name: ${problem}. Please pass a different 'name'.`)
  const structured = attributes.get('__structuredAttrs')
  const ignoreNullsSlot = attributes.get('__ignoreNulls')
  const isStructured = structured !== undefined && forceBoolean(structured, 'while evaluating the `__structuredAttrs` attribute passed to builtins.derivationStrict', NO_SITE)
  const ignoreNulls = ignoreNullsSlot !== undefined && forceBoolean(ignoreNullsSlot, 'while evaluating the `__ignoreNulls` attribute passed to builtins.derivationStrict', NO_SITE)
  if (isStructured) draft.json = []
  const { names } = attributes.layout
  speculate(names.length, (i) => {
    draft.at = i
    if (names[i] !== '__ignoreNulls') processAttribute(evaluator, draft, i, names[i]!, attributes.values[i]!, ignoreNulls)
  })
  draft.at = -1
  return finish(evaluator, draft, name)
}

const VARIABLE: Coercion = { more: true, copy: true, doing: '' }
const ARGUMENT: Coercion = { more: true, copy: true, doing: 'while evaluating an element of the argument list' }

function processAttribute(evaluator: Evaluator, draft: Draft, index: number, key: string, slot: Slot, ignoreNulls: boolean): void {
  if (ignoreNulls && force(slot) === null) return
  if (key === '__contentAddressed' && forceBoolean(slot, '', NO_SITE)) {
    draft.contentAddressed = true
  } else if (key === '__impure' && forceBoolean(slot, '', NO_SITE)) {
    draft.impure = true
  } else if (key === 'args') {
    processArguments(evaluator, draft, forceList(slot, '', NO_SITE))
  } else if (draft.json !== undefined) {
    if (key !== '__structuredAttrs') processStructured(evaluator, draft, key, slot)
  } else {
    const text = coerceToString(evaluator, slot, draft.context, VARIABLE, NO_SITE)
    draft.variables[index] = text
    if (key === 'outputs') draft.outputs = outputsOfText(text)
    else applySetting(draft, key, text)
  }
}

/** Apart from the others: a function in there would make each of half a million attributes keep what it refers to. */
function processArguments(evaluator: Evaluator, draft: Draft, list: List): void {
  speculate(list.length, (i) => {
    draft.args.push(coerceToString(evaluator, list[i]!, draft.context, ARGUMENT, NO_SITE))
  })
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
      applySetting(draft, key, forcePlainString(slot, '', NO_SITE))
      break
    case 'outputs':
      draft.outputs = outputsOfNames(forceList(slot, '', NO_SITE).map((element) => forcePlainString(element, '', NO_SITE)))
      break
    default:
      if (WITHOUT_EFFECT.has(key)) {
        evaluator.trace('warn', `In a derivation named '${draft.derivationName!}', 'structuredAttrs' disables the effect of the derivation attribute '${key}'; use 'outputChecks.<output>.${key}' instead`)
      }
  }
}

const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['allowedReferences', 'allowedRequisites', 'disallowedReferences', 'disallowedRequisites', 'maxSize', 'maxClosureSize'])

function applySetting(draft: Draft, key: string, text: string): void {
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
    default: break
  }
}

function hashMode(text: string): ContentAddressMethod {
  if (text === 'recursive' || text === 'nar') return 'nar'
  if (text === 'flat' || text === 'text' || text === 'git') return text
  throw new EvaluationError('eval', `invalid value '${text}' for 'outputHashMode' attribute`)
}

function finish(evaluator: Evaluator, draft: Draft, name: string): Value {
  const { onlyOut } = draft.outputs
  const inputs = inputsOf(evaluator, draft.context.gathered())
  if (draft.builder === '') throw new EvaluationError('eval', 'required attribute \'builder\' missing')
  if (draft.system === '') throw new EvaluationError('eval', 'required attribute \'system\' missing')
  if (name.endsWith('.drv') && !(draft.method === 'text' && onlyOut)) {
    throw new EvaluationError('eval', 'derivation names are allowed to end in \'.drv\' only if they produce a single derivation file')
  }
  const { outputs, paths } = outputsOf(evaluator, draft, name)
  const env = draft.json === undefined ? environment(draft.attributes.layout.names, draft.variables, paths) : environment(['__json'], [`{${draft.json.join(',')}}`], paths)
  const derivation: PrintableDerivation = { name, outputs, ...inputs, system: draft.system, builder: draft.builder, args: draft.args, env }
  return write(evaluator, inNixTerms(() => completeDerivation(derivation, evaluator.derivationHashOf)), draft.outputs)
}

/** The outputs as far as the attributes tell, and the variables named after them. */
function outputsOf(evaluator: Evaluator, draft: Draft, name: string): { readonly outputs: SortedMap<DerivationOutput>; readonly paths: SortedMap<string> } {
  const { names, onlyOut, deferred, empty } = draft.outputs
  if (draft.outputHash !== undefined) {
    if (!onlyOut) throw new EvaluationError('eval', 'multiple outputs are not supported in fixed-output derivations')
    const output = fixedOutput(name, 'out', draft.method ?? 'flat', hashOfSetting(evaluator, draft.outputHash, draft.outputHashAlgorithm))
    return { outputs: { keys: names, values: [output] }, paths: { keys: names, values: [output.path] } }
  }
  if (!draft.contentAddressed && !draft.impure) return { outputs: deferred, paths: empty }
  if (draft.contentAddressed && draft.impure) throw new EvaluationError('eval', 'derivation cannot be both content-addressed and impure')
  const output: DerivationOutput = { kind: draft.impure ? 'impure' : 'floating', method: draft.method ?? 'nar', algorithm: draft.outputHashAlgorithm ?? 'sha256' }
  return { outputs: { keys: names, values: names.map(() => output) }, paths: { keys: names, values: names.map(hashPlaceholder) } }
}

/** Variables by name (those that are undefined are none), and what was added, some of it in place of others. */
function environment(names: readonly string[], variables: readonly (string | undefined)[], added: SortedMap<string>): SortedMap<string> {
  const size = names.length + added.keys.length
  const keys = new Array<string>(size)
  const values = new Array<string>(size)
  let at = 0
  let next = 0
  const addUpTo = (name: string | undefined): void => {
    for (; next < added.keys.length && (name === undefined || added.keys[next]! < name); next++, at++) {
      keys[at] = added.keys[next]!
      values[at] = added.values[next]!
    }
  }
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!
    const value = variables[i]
    if (value === undefined) continue
    addUpTo(name)
    if (added.keys[next] === name) continue
    keys[at] = name
    values[at++] = value
  }
  addUpTo(undefined)
  keys.length = values.length = at
  return { keys, values }
}

function write(evaluator: Evaluator, derivation: CompletedDerivation, { result }: OutputList): Value {
  evaluator.addDerivation(derivation)
  const { drvPath, outputs: { keys, values } } = derivation
  const contexts = contextsOf(drvPath)
  const valueOf = (output: DerivationOutput, name: string): Value => new ContextString('path' in output ? output.path : upstreamPlaceholder(drvPath, name), contexts.built(name))
  return new Attributes(result.layout, result.order.map((from) => from === 0 ? new ContextString(drvPath, contexts.deep) : valueOf(values[from - 1]!, keys[from - 1]!)))
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
