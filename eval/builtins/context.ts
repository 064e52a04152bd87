/** Ring: eval. String contexts. Upstream counterpart: src/libexpr/primops/context.cc. */
import { parseStorePath } from '../../nix/store-path.ts'
import { callSite } from '../runtime/call.ts'
import { coerceToString } from '../runtime/coerce.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forceBoolean, forceList, forcePlainString, forceString } from '../runtime/expect.ts'
import { NO_SITE } from '../runtime/site.ts'
import { ContextBuilder, singleContext } from '../values/context.ts'
import { attributesOf } from '../values/make.ts'
import { stringValue, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'
import { isDynamic } from './dynamic-derivations.ts'
import type { Evaluator } from '../evaluator.ts'

function isStorePath(text: string): boolean {
  try {
    parseStorePath(text)
    return true
  } catch {
    return false
  }
}

function getContext(slot: Slot): Value {
  const builder = new ContextBuilder()
  forceString(slot, 'while evaluating the argument passed to builtins.getContext', callSite(), builder)
  const infos = new Map<string, { path: boolean; allOutputs: boolean; readonly outputs: string[] }>()
  for (const element of builder.build()?.sorted() ?? []) {
    if (isDynamic(element.path)) throw new EvaluationError('eval', `cannot operate on output '${element.path.split('!')[1]!}' of the unbuilt derivation '${element.path.replace(/^(?:![^!]+!)+/, '')}'`)
    let info = infos.get(element.path)
    if (info === undefined) infos.set(element.path, (info = { path: false, allOutputs: false, outputs: [] }))
    if (element.kind === 'opaque') info.path = true
    else if (element.kind === 'deep') info.allOutputs = true
    else info.outputs.push(element.output)
  }
  return attributesOf([...infos].map(([path, info]) => {
    const entries: [string, Slot][] = []
    if (info.allOutputs) entries.push(['allOutputs', true])
    if (info.outputs.length > 0) entries.push(['outputs', info.outputs])
    if (info.path) entries.push(['path', true])
    return [path, attributesOf(entries)] as const
  }))
}

function appendContext(evaluator: Evaluator, slot: Slot, contexts: Slot): Value {
  const site = callSite()
  const builder = new ContextBuilder()
  const text = forceString(slot, 'while evaluating the first argument passed to builtins.appendContext', site, builder)
  const attributes = forceAttributes(contexts, 'while evaluating the second argument passed to builtins.appendContext', site)
  for (const name of attributes.layout.names) {
    const location = attributes.locationOf(name) ?? NO_SITE
    if (!isStorePath(name)) throw new EvaluationError('eval', `context key '${name}' is not a store path`, { location })
    evaluator.ensurePath(name)
    const info = forceAttributes(attributes.get(name)!, 'while evaluating the value of a string context', location)
    const path = info.get('path')
    if (path !== undefined && forceBoolean(path, 'while evaluating the `path` attribute of a string context', info.locationOf('path') ?? NO_SITE)) builder.add(singleContext('opaque', name))
    const allOutputs = info.get('allOutputs')
    if (allOutputs !== undefined && forceBoolean(allOutputs, 'while evaluating the `allOutputs` attribute of a string context', info.locationOf('allOutputs') ?? NO_SITE)) {
      if (!name.endsWith('.drv')) throw new EvaluationError('eval', `tried to add all-outputs context of ${name}, which is not a derivation, to a string`, { location })
      builder.add(singleContext('deep', name))
    }
    const outputs = info.get('outputs')
    if (outputs !== undefined) {
      const outputsLocation = info.locationOf('outputs') ?? NO_SITE
      const list = forceList(outputs, 'while evaluating the `outputs` attribute of a string context', outputsLocation)
      if (list.length > 0 && !name.endsWith('.drv')) throw new EvaluationError('eval', `tried to add derivation output context of ${name}, which is not a derivation, to a string`, { location })
      for (const output of list) builder.add(singleContext('built', name, forcePlainString(output, 'while evaluating an output name within a string context', outputsLocation)))
    }
  }
  return stringValue(text, builder.build())
}

export const context: BuiltinFamily = (evaluator) => {
  const coerced = (slot: Slot, name: string): { readonly text: string; readonly builder: ContextBuilder } => {
    const builder = new ContextBuilder()
    const text = coerceToString(evaluator, slot, builder, { more: false, copy: true, doing: `while evaluating the argument passed to builtins.${name}` }, callSite())
    return { text, builder }
  }
  return [
    builtin('__unsafeDiscardStringContext', 1, (a) => coerced(a, 'unsafeDiscardStringContext').text),
    builtin('__hasContext', 1, (a) => {
      const builder = new ContextBuilder()
      forceString(a, 'while evaluating the argument passed to builtins.hasContext', callSite(), builder)
      return builder.build() !== undefined
    }),
    builtin('__unsafeDiscardOutputDependency', 1, (a) => {
      const { text, builder } = coerced(a, 'unsafeDiscardOutputDependency')
      const result = new ContextBuilder()
      for (const element of builder.build()?.elements ?? []) result.add(element.kind === 'deep' ? singleContext('opaque', element.path) : singleContext(element.kind, element.path, element.output))
      return stringValue(text, result.build())
    }),
    builtin('__addDrvOutputDependencies', 1, (a) => {
      const site = callSite()
      const { text, builder } = coerced(a, 'addDrvOutputDependencies')
      const elements = builder.build()?.elements ?? []
      if (elements.length !== 1) throw new EvaluationError('eval', `context of string '${text}' must have exactly one element, but has ${elements.length}`, { location: site })
      const [element] = elements as [(typeof elements)[0]]
      if (element.kind === 'built') throw new EvaluationError('eval', `\`addDrvOutputDependencies\` can only act on derivations, not on a derivation output such as '${element.output}'`, { location: site })
      if (element.kind === 'opaque' && !element.path.endsWith('.drv')) throw new EvaluationError('eval', `path '${element.path}' is not a derivation`, { location: site })
      return stringValue(text, singleContext('deep', element.path))
    }),
    builtin('__getContext', 1, getContext),
    builtin('__appendContext', 2, (a, b) => appendContext(evaluator, a, b)),
  ]
}
