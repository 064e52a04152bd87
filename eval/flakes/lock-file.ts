/**
 * Ring: eval. flake.lock: which input of which flake is what, once and for all. Upstream counterpart: src/libflake/lockfile.cc. Texts are byte
 * strings.
 */
import { textOfByteString } from '../../nix/bytes.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { isLocked, relativePathOf } from './input.ts'
import { showAttributes } from './attributes.ts'
import { attributesOfReference, flakeReferenceOf, showFlakeReference, type FlakeReference } from './reference.ts'
import { jsonAttributes } from './registry.ts'

export type InputPath = readonly string[]

/** A node of the graph of inputs. */
export interface LockNode {
  /** Another node, or the path (from the root) of an input that is the same. */
  readonly inputs: Map<string, LockNode | InputPath>
  /** Undefined for the root. */
  readonly lock: Lock | undefined
}

export interface Lock {
  readonly locked: FlakeReference
  readonly original: FlakeReference
  readonly isFlake: boolean
  /** Whose source a relative path is in. */
  readonly parent: InputPath | undefined
}

interface JsonNode {
  readonly inputs?: Readonly<Record<string, string | string[]>>
  readonly locked?: object
  readonly original?: object
  readonly info?: object
  readonly flake?: boolean
  readonly parent?: string[]
}

export function newNode(lock?: Lock): LockNode {
  return { inputs: new Map(), lock }
}

/** Follows are arrays, nodes aren't. */
export function isFollows(input: LockNode | InputPath): input is InputPath {
  return Array.isArray(input)
}

/** Reads a lock file. `file` is for messages. */
export function parseLockFile(text: string, file: string): LockNode {
  let json: { readonly version?: number; readonly root?: string; readonly nodes?: Readonly<Record<string, JsonNode>> }
  try {
    json = JSON.parse(textOfByteString(text)) as typeof json
  } catch (error) {
    throw new EvaluationError('eval', `Could not parse '${file}': ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  const { version = 0, root = 'root', nodes = {} } = json
  if (version < 5 || version > 7) throw new EvaluationError('eval', `lock file '${file}' has unsupported version ${version}`)
  const known = new Map<string, LockNode>()
  const nodeOf = (key: string, isRoot: boolean): LockNode => {
    const before = known.get(key)
    if (before !== undefined) {
      if (before.lock === undefined) throw new EvaluationError('eval', 'lock file contains cycle to root node')
      return before
    }
    const from = nodes[key]
    if (from === undefined) throw new EvaluationError('eval', `lock file references missing node '${key}'`)
    const node = newNode(isRoot ? undefined : lockOf(from))
    known.set(key, node)
    for (const [name, input] of Object.entries(from.inputs ?? {})) node.inputs.set(name, typeof input === 'string' ? nodeOf(input, false) : input)
    return node
  }
  return nodeOf(root, true)
}

function lockOf({ locked, original, info, flake, parent }: JsonNode): Lock {
  if (locked === undefined || original === undefined) throw new EvaluationError('eval', `attribute '${locked === undefined ? 'locked' : 'original'}' missing in lock file`)
  const reference = flakeReferenceOf(jsonAttributes({ ...locked, ...info }))
  if (!isLocked(reference.input) && relativePathOf(reference.input) === undefined && !reference.input.has('narHash')) {
    throw new EvaluationError('eval', `Lock file contains unlocked input '${showAttributes(reference.input)}'. Use '--allow-dirty-locks' to accept this lock file.`)
  }
  return { locked: reference, original: flakeReferenceOf(jsonAttributes(original)), isFlake: flake ?? true, parent }
}

/** The node at a path from the root; undefined where there is none. */
export function findNode(root: LockNode, path: InputPath, visited: readonly string[] = []): LockNode | undefined {
  const shown = showInputPath(path)
  if (visited.includes(shown)) throw new EvaluationError('eval', `follow cycle detected: [${[...visited.slice(visited.indexOf(shown)), shown].join(' -> ')}]`)
  let node: LockNode | undefined = root
  for (const name of path) {
    const input: LockNode | InputPath | undefined = node.inputs.get(name)
    if (input === undefined) return undefined
    node = isFollows(input) ? findNode(root, input, [...visited, shown]) : input
    if (node === undefined) return undefined
  }
  return node
}

export function showInputPath(path: InputPath): string {
  return path.join('/')
}

/** Throws where a `follows` leads nowhere. */
export function checkFollows(root: LockNode): void {
  for (const [path, input] of walk(root)) {
    if (isFollows(input) && input.length > 0 && findNode(root, input) === undefined) throw new EvaluationError('eval', `input '${showInputPath(path)}' follows a non-existent input '${showInputPath(input)}'`)
  }
}

function* walk(node: LockNode, prefix: InputPath = []): Generator<[InputPath, LockNode | InputPath]> {
  for (const [name, input] of node.inputs) {
    yield [[...prefix, name], input]
    if (!isFollows(input)) yield* walk(input, [...prefix, name])
  }
}

/** The changes from one lock file to another, as Nix shows them, as ordinary text; empty if there are none. */
export function showLockChanges(from: LockNode, to: LockNode): string {
  const [before, after] = [from, to].map((root) => new Map([...walk(root)].map(([path, input]) => [showInputPath(path), input] as const))) as [Map<string, LockNode | InputPath>, Map<string, LockNode | InputPath>]
  let text = ''
  for (const key of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const name = textOfByteString(key)
    const [old, now] = [before.get(key), after.get(key)]
    if (old === undefined) text += `• Added input '${name}':\n    ${describe(now!)}\n`
    else if (now === undefined) text += `• Removed input '${name}'\n`
    else if (identityOf(old) !== identityOf(now)) text += `• Updated input '${name}':\n    ${describe(old)}\n  → ${describe(now)}\n`
  }
  return text
}

function identityOf(input: LockNode | InputPath): string {
  if (isFollows(input)) return JSON.stringify(input)
  const { locked, original, isFlake, parent } = input.lock!
  return JSON.stringify([[...attributesOfReference(locked)].sort(), [...attributesOfReference(original)].sort(), isFlake, parent ?? null])
}

function describe(input: LockNode | InputPath): string {
  if (isFollows(input)) return `follows '${textOfByteString(showInputPath(input))}'`
  const { locked } = input.lock!
  const modified = locked.input.get('lastModified')
  return `'${textOfByteString(showFlakeReference(locked))}'${typeof modified === 'number' ? ` (${new Date(modified * 1000).toISOString().slice(0, 10)})` : ''}`
}
