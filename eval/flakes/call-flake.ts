/**
 * Ring: eval. The value of a locked flake: what its `outputs` gives, with where it comes from. Inputs are fetched when something of them is
 * wanted. Upstream counterpart: callFlake and call-flake.nix in src/libflake.
 */
import type { Evaluator } from '../evaluator.ts'
import { treeValue } from '../builtins/fetch-tree.ts'
import { call1 } from '../runtime/call.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { expectAttributes } from '../runtime/expect.ts'
import { canonicalPath } from '../syntax/paths.ts'
import { NO_SITE } from '../runtime/site.ts'
import { force, Thunk } from '../runtime/thunk.ts'
import { isFunction, isString, textOf } from '../runtime/types.ts'
import { attributesOf, mergeAttributes } from '../values/make.ts'
import type { Attributes} from '../values/value.ts';
import { ContextString, stringValue, type Slot, type Value } from '../values/value.ts'
import { fetchInput } from './fetch-input.ts'
import { relativePathOf } from './input.ts'
import { findNode, isFollows, type LockNode } from './lock-file.ts'
import type { LockedFlake } from './lock-flake.ts'

interface NodeValue {
  readonly sourceInfo: Slot
  readonly outPath: Slot
  readonly result: Slot
}

function later(run: () => Value): Thunk {
  return new Thunk({ location: undefined, run }, undefined)
}

export function callFlake(evaluator: Evaluator, flake: LockedFlake): Value {
  return force(new Caller(evaluator, flake).node(flake.root).result)
}

class Caller {
  private readonly evaluator: Evaluator
  private readonly flake: LockedFlake
  private readonly nodes = new Map<LockNode, NodeValue>()

  constructor(evaluator: Evaluator, flake: LockedFlake) {
    this.evaluator = evaluator
    this.flake = flake
  }

  node(node: LockNode): NodeValue {
    let value = this.nodes.get(node)
    if (value === undefined) this.nodes.set(node, (value = this.make(node)))
    return value
  }

  private make(node: LockNode): NodeValue {
    const source = this.flake.sources.get(node)
    const relative = node.lock === undefined || source !== undefined ? undefined : relativePathOf(node.lock.locked.input)
    const parent = relative === undefined ? undefined : () => this.node(this.parentOf(node))
    const sourceInfo: Slot = later(() => {
      if (source !== undefined) return treeValue(this.evaluator, source.fetched, { dirty: node.lock === undefined && this.flake.isDirty })
      return parent === undefined ? treeValue(this.evaluator, fetchInput(this.evaluator, node.lock!.locked.input, true)) : force(parent().sourceInfo)
    })
    const folder = source?.folder ?? node.lock!.locked.folder
    const outPath: Slot = later(() => {
      const base = parent === undefined ? force(expectAttributes(force(sourceInfo), '', NO_SITE).get('outPath')!) : below(force(parent().outPath), relative!)
      return below(base, folder)
    })
    const result: Slot = later(() => (node.lock?.isFlake === false ? this.plainSource(sourceInfo, outPath) : this.outputs(node, sourceInfo, outPath, result)))
    return { sourceInfo, outPath, result }
  }

  private parentOf(node: LockNode): LockNode {
    const parent = findNode(this.flake.root, node.lock!.parent ?? [])
    if (parent === undefined) throw new EvaluationError('eval', `lock file has no node for the parent '${(node.lock!.parent ?? []).join('/')}' of a relative input`)
    return parent
  }

  private plainSource(sourceInfo: Slot, outPath: Slot): Value {
    return mergeAttributes(expectAttributes(force(sourceInfo), '', NO_SITE), attributesOf([['outPath', outPath], ['sourceInfo', sourceInfo]]))
  }

  private outputs(node: LockNode, sourceInfo: Slot, outPath: Slot, self: Slot): Value {
    const file = expectAttributes(this.evaluator.evaluateFile(canonicalPath(`${textOf(force(outPath) as string)}/flake.nix`)), '', NO_SITE)
    const outputsSlot = file.get('outputs')
    const callee = outputsSlot === undefined ? null : force(outputsSlot)
    if (!isFunction(callee)) throw new EvaluationError('assertion', `the flake in '${textOf(force(outPath) as string)}' has no function 'outputs'`)
    const inputs = attributesOf([...node.inputs].map(([name, input]): [string, Slot] => [name, later(() => force(this.node(this.resolve(input)).result))]))
    const outputs: Slot = later(() => call1(callee, mergeAttributes(inputs, attributesOf([['self', self]])), NO_SITE))
    const own = attributesOf([['outPath', outPath], ['inputs', inputs], ['outputs', outputs], ['sourceInfo', sourceInfo], ['_type', 'flake']])
    return mergeAttributes(mergeAttributes(expectAttributes(force(outputs), 'in the left operand of the update (//) operator', NO_SITE), force(sourceInfo) as Attributes), own)
  }

  private resolve(input: LockNode | readonly string[]): LockNode {
    if (!isFollows(input)) return input
    const found = findNode(this.flake.root, input)
    if (found === undefined) throw new EvaluationError('eval', `an input follows '${input.join('/')}', which does not exist`)
    return found
  }
}

/** A folder below a path, which keeps what the path refers to. As in Nix, `./` and `../` of a lock stay in it. */
function below(base: Value, folder: string): Value {
  if (folder === '' || !isString(base)) return base
  return stringValue(`${textOf(base)}/${folder}`, base instanceof ContextString ? base.context : undefined)
}
