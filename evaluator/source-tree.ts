/**
 * Ring: evaluator. Finds what belongs to a source that is added to the store, and its NAR hash. The tree is looked at first (names,
 * kinds, time stamps, the filter asked once for each), then hashed, unless this process has hashed the very same tree before: the
 * second evaluation in a resident process reads no contents.
 */
import { createHash } from 'node:crypto'
import { EvalIOError, type FileKind } from '../eval/io.ts'
import { writeNarSync, type NarSourceSync } from '../nix/nar-writer.ts'
import type { Hash } from '../nix/hash.ts'
import type { LocalFiles} from './local-files.ts';
import { type LocalStatus } from './local-files.ts'
import { textOfBytes } from './paths.ts'

export interface SourceTree {
  readonly narHash: Hash
  /** When the newest file in it was modified, in seconds since 1970. */
  readonly lastModified: number
  /** Paths below the root that a filter left in, as `a/b`; undefined without a filter. */
  readonly entries: readonly string[] | undefined
}

interface Found {
  readonly status: LocalStatus
  /** In the order of bytes; of directories only. */
  readonly names: readonly string[]
}

/** NAR hashes by what was seen of the tree. Bounded, since a resident process sees many. */
const known = new Map<string, Hash>()
const KNOWN_LIMIT = 20_000

/** `path` is where the tree lies on this machine, `shown` how the filter and messages call it. */
export function readSourceTree(files: LocalFiles, path: string, shown: string, filter: ((path: string, kind: FileKind) => boolean) | undefined): SourceTree {
  const tree = new Map<string, Found>()
  const fingerprint = createHash('sha256')
  let lastModified = 0
  const visit = (relative: string): void => {
    const at = relative === '' ? path : `${path}/${relative}`
    const status = files.status(at)
    if (status === undefined) throw new EvalIOError('missing', shown, `path '${textOfBytes(shown)}' does not exist`)
    if (status.kind === 'unknown') throw new EvalIOError('unsupported', at, `file '${textOfBytes(at)}' has an unsupported type`)
    fingerprint.update(`${relative}\0${status.stamp}\0`, 'latin1')
    lastModified = Math.max(lastModified, status.modified)
    const names: string[] = []
    tree.set(relative, { status, names })
    if (status.kind !== 'directory') return
    const children = [...files.readDirectory(at)].sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
    for (const [name, kind] of children) {
      if (filter !== undefined && !filter(`${shown}/${relative === '' ? '' : `${relative}/`}${name}`, kind)) continue
      names.push(name)
      visit(relative === '' ? name : `${relative}/${name}`)
    }
  }
  visit('')
  const key = `${path}\0${fingerprint.digest('hex')}`
  let narHash = known.get(key)
  if (narHash === undefined) {
    narHash = hashTree(files, path, tree)
    if (known.size >= KNOWN_LIMIT) known.clear()
    known.set(key, narHash)
  }
  return { narHash, lastModified, entries: filter === undefined ? undefined : [...tree.keys()].filter((relative) => relative !== '') }
}

function hashTree(files: LocalFiles, path: string, tree: ReadonlyMap<string, Found>): Hash {
  const hash = createHash('sha256')
  const at = (relative: string): string => relative === '' ? path : `${path}/${relative}`
  const source: NarSourceSync = {
    status: (relative) => tree.get(relative)!.status as ReturnType<NarSourceSync['status']>,
    readFile: (relative) => files.readFile(at(relative)),
    readDirectory: (relative) => tree.get(relative)!.names,
    readLink: (relative) => files.readLink(at(relative)),
  }
  writeNarSync(source, (chunk) => void hash.update(chunk))
  return { algorithm: 'sha256', bytes: hash.digest() }
}
