/**
 * Ring: eval. Finds out what the inputs of a flake are: what its flake.lock says as far as that still fits its flake.nix, anything else is
 * looked up and fetched. The result is kept in memory. Upstream counterpart: lockFlake in src/libflake/flake.cc.
 */
import { byteStringOfBytes, textOfByteString } from '../../nix/bytes.ts'
import type { Evaluator } from '../evaluator.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { machine } from '../runtime/machine.ts'
import { canonicalPath } from '../syntax/paths.ts'
import { withAttributes, without, type InputAttribute } from './attributes.ts'
import { checkInput, fetchInput, type FetchedInput } from './fetch-input.ts'
import { evaluating, inputFromAttributes, isDirect, isLocked, relativePathOf } from './input.ts'
import { checkFollows, isFollows, newNode, parseLockFile, showInputPath, showLockChanges, type InputPath, type LockNode } from './lock-file.ts'
import { readFlakeFile, type FlakeInput } from './read-flake.ts'
import { equalReferences, flakeReferenceOf, showFlakeReference, type FlakeReference } from './reference.ts'
import { lookUpInRegistries, type Registries } from './registry.ts'

export interface LockOptions {
  /** Whether names are looked up in registries. */
  readonly registries: boolean
  /** Whether inputs that no lock pins may be fetched. */
  readonly allowUnlocked: boolean
  /** Whether the flake itself may be anywhere, as one that a user names. */
  readonly trusted?: boolean
}

/** What was fetched for a node while locking, and the folder of its flake in it. */
export interface NodeSource {
  readonly fetched: FetchedInput
  readonly folder: string
}

export interface LockedFlake {
  readonly root: LockNode
  readonly sources: ReadonlyMap<LockNode, NodeSource>
  /** Its locks differ from its flake.lock, so it isn't what its revision says. */
  readonly isDirty: boolean
}

interface Flake extends NodeSource {
  readonly locked: FlakeReference
  readonly inputs: ReadonlyMap<string, FlakeInput>
}

interface Override {
  readonly input: FlakeInput
  /** The flake that says so: its relative paths start there. */
  readonly source: NodeSource
  readonly parent: InputPath
}

/** May suspend; then what was fetched is fetched no more. */
export function lockFlake(evaluator: Evaluator, reference: FlakeReference, options: LockOptions): LockedFlake {
  const locker = new Locker(evaluator, options)
  const flake = locker.flake(reference, options.registries ? 'all' : 'none', [])
  return traced(() => locker.lock(reference, flake), () => `while updating the lock file of flake '${showFlakeReference(flake.locked)}'`)
}

function traced<T>(work: () => T, text: () => string): T {
  const { depth } = machine
  try {
    return work()
  } catch (error) {
    if (error instanceof EvaluationError) error.addTrace(text(), undefined, depth)
    throw error
  }
}

class Locker {
  private readonly evaluator: Evaluator
  private readonly options: LockOptions
  private readonly overrides = new Map<string, Override>()
  private readonly sources = new Map<LockNode, NodeSource>()
  private readonly parents: FlakeReference[] = []

  constructor(evaluator: Evaluator, options: LockOptions) {
    this.evaluator = evaluator
    this.options = options
  }

  /** Fetches a flake and reads its flake.nix. */
  flake(reference: FlakeReference, registries: Registries, lockPath: InputPath): Flake {
    const { input, folder = reference.folder } = isDirect(reference.input) && registries !== 'all' ? { input: reference.input } : lookUpInRegistries(this.evaluator, reference.input, registries)
    if (lockPath.length > 0 || this.options.trusted !== true) checkInput(this.evaluator, input)
    let fetched = fetchInput(this.evaluator, input)
    const resolved = { input, folder }
    const read = () => readFlakeFile(this.evaluator, folderIn(fetched, folder), resolved, lockPath)
    const first = read()
    if (first.selfAttributes.size === 0) return { fetched, folder, locked: { input: fetched.input, folder }, inputs: first.inputs }
    for (const name of first.selfAttributes.keys()) if (name !== 'submodules' && name !== 'lfs') throw new EvaluationError('eval', `flake 'self' attribute '${name}' is not supported`)
    fetched = fetchInput(this.evaluator, evaluating(() => inputFromAttributes(withAttributes(without(fetched.input, 'narHash'), Object.fromEntries(first.selfAttributes)))))
    return { fetched, folder, locked: { input: fetched.input, folder }, inputs: read().inputs }
  }

  lock(reference: FlakeReference, flake: Flake): LockedFlake {
    const old = this.lockFileOf(flake)
    const root = newNode()
    this.sources.set(root, flake)
    this.compute(flake.inputs, root, [], old, [], flake, false)
    checkFollows(root)
    const changes = showLockChanges(old, root)
    if (changes !== '') this.evaluator.trace('warn', `not writing modified lock file of flake '${textOfByteString(showFlakeReference(reference))}':\n${changes.trimEnd()}`)
    return { root, sources: this.sources, isDirty: changes !== '' }
  }

  private lockFileOf({ fetched, folder }: NodeSource): LockNode {
    const file = `${folderIn(fetched, folder)}/flake.lock`
    const { files } = this.evaluator
    const real = files.resolve(file)
    return files.status(real) === undefined ? newNode() : parseLockFile(byteStringOfBytes(files.readFile(real)), file)
  }

  /**
   * Fills a node. `old` is where locks can be taken from; `followsPrefix` is what its `follows` start from; `source` is the flake that
   * names the inputs; `trusted`: they come from a lock that fits.
   */
  private compute(inputs: ReadonlyMap<string, FlakeInput>, node: LockNode, prefix: InputPath, old: LockNode | undefined, followsPrefix: InputPath, source: NodeSource, trusted: boolean): void {
    for (const [name, input] of inputs) this.addOverrides(input, [...prefix, name], source, prefix)
    for (const path of this.overrides.keys()) {
      const parts = JSON.parse(path) as string[]
      const name = parts.pop()!
      if (JSON.stringify(parts) === JSON.stringify(prefix) && !inputs.has(name)) this.evaluator.trace('warn', `input '${showInputPath(prefix)}' has an override for a non-existent input '${name}'`)
    }
    for (const [name, input] of inputs) traced(() => this.computeInput(name, input, node, prefix, old, followsPrefix, source, trusted), () => `while updating the flake input '${showInputPath([...prefix, name])}'`)
  }

  private addOverrides(input: FlakeInput, path: InputPath, source: NodeSource, parent: InputPath): void {
    for (const [name, override] of input.overrides) {
      const at = [...path, name]
      const key = JSON.stringify(at)
      if ((override.reference !== undefined || override.follows !== undefined) && !this.overrides.has(key)) this.overrides.set(key, { input: override, source, parent })
      this.addOverrides(override, at, source, parent)
    }
  }

  private computeInput(name: string, named: FlakeInput, node: LockNode, prefix: InputPath, old: LockNode | undefined, followsPrefix: InputPath, source: NodeSource, trusted: boolean): void {
    const path = [...prefix, name]
    const override = this.overrides.get(JSON.stringify(path))
    const input = override === undefined ? named : { ...override.input, isFlake: named.isFlake }
    if (input.follows !== undefined) {
      node.inputs.set(name, input.follows)
      return
    }
    const reference = input.reference ?? flakeReferenceOf(new Map<string, InputAttribute>([['type', 'indirect'], ['id', name]]))
    const relative = relativePathOf(reference.input)
    const parent = relative === undefined ? undefined : (override?.parent ?? prefix)
    const from = override?.source ?? source
    const before = old?.inputs.get(name)
    const lock = before === undefined || isFollows(before) ? undefined : before.lock
    if (before !== undefined && !isFollows(before) && lock !== undefined && equalReferences(lock.original, reference) && JSON.stringify(lock.parent) === JSON.stringify(parent)) {
      const child = newNode(lock)
      node.inputs.set(name, child)
      const known = this.knownInputs(before, path, followsPrefix, trusted)
      if (known !== undefined) {
        this.compute(known, child, path, before, followsPrefix, source, true)
        return
      }
      const flake = this.inputFlake(lock.locked, relative, from, path, true)
      this.sources.set(child, flake)
      this.compute(flake.inputs, child, path, before, followsPrefix, flake, false)
      return
    }
    if (!this.options.allowUnlocked && !isLocked(reference.input) && relative === undefined) throw new EvaluationError('eval', `cannot update unlocked flake input '${showInputPath(path)}' in pure mode`)
    if (!input.isFlake) {
      const fetched = relative === undefined ? this.fetched(reference) : undefined
      const child = newNode({ locked: fetched === undefined ? reference : { input: fetched.input, folder: reference.folder }, original: reference, isFlake: false, parent })
      this.sources.set(child, fetched === undefined ? { fetched: from.fetched, folder: folderBelow(from, relative!) } : { fetched, folder: '' })
      node.inputs.set(name, child)
      return
    }
    const flake = this.inputFlake(reference, relative, from, path, false)
    const child = newNode({ locked: flake.locked, original: reference, isFlake: true, parent })
    node.inputs.set(name, child)
    if (this.parents.some((one) => equalReferences(one, reference))) throw new EvaluationError('eval', `found circular import of flake '${showFlakeReference(reference)}'`)
    this.parents.push(reference)
    this.sources.set(child, flake)
    this.compute(flake.inputs, child, path, this.lockFileOf(flake), path, flake, false)
    this.parents.pop()
  }

  /** Inputs of a locked node, as its lock has them; undefined where only its flake.nix can tell. */
  private knownInputs(old: LockNode, path: InputPath, followsPrefix: InputPath, trusted: boolean): Map<string, FlakeInput> | undefined {
    const known = new Map<string, FlakeInput>()
    for (const [name, input] of old.inputs) {
      if (!isFollows(input)) known.set(name, { reference: input.lock!.original, isFlake: input.lock!.isFlake, follows: undefined, overrides: new Map() })
      // the override that made it follow may be gone
      else if (!trusted && !this.overrides.has(JSON.stringify([...path, name]))) return undefined
      else known.set(name, { reference: undefined, isFlake: true, follows: [...followsPrefix, ...input], overrides: new Map() })
    }
    return known
  }

  private inputFlake(reference: FlakeReference, relative: string | undefined, from: NodeSource, path: InputPath, final: boolean): Flake {
    if (relative === undefined) {
      if (!final) return this.flake(reference, this.options.registries ? 'limited' : 'none', path)
      const fetched = fetchInput(this.evaluator, reference.input, true)
      return { fetched, folder: reference.folder, locked: reference, inputs: readFlakeFile(this.evaluator, folderIn(fetched, reference.folder), reference, path).inputs }
    }
    const folder = folderBelow(from, relative)
    return { fetched: from.fetched, folder, locked: reference, inputs: readFlakeFile(this.evaluator, folderIn(from.fetched, folder), reference, path).inputs }
  }

  private fetched(reference: FlakeReference): FetchedInput {
    const { input } = isDirect(reference.input) ? reference : lookUpInRegistries(this.evaluator, reference.input, this.options.registries ? 'limited' : 'none')
    checkInput(this.evaluator, input)
    return fetchInput(this.evaluator, input)
  }
}

/** A relative path, as a folder in the same source. */
function folderBelow({ folder }: NodeSource, relative: string): string {
  return canonicalPath(`/${folder}/${relative}`).slice(1)
}

export function folderIn({ storePath }: FetchedInput, folder: string): string {
  return folder === '' ? storePath : canonicalPath(`${storePath}/${folder}`)
}
