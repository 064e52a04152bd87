/**
 * Ring: fetchers. The tree of a commit as entries, read by `git ls-tree` and one `git cat-file --batch`.
 * Upstream: GitSourceAccessor and GitExportIgnoreSourceAccessor (libfetchers/git-utils.cc).
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { extract } from 'tar-stream'
import { FirnError } from '../contract/errors.ts'
import { ByteSource } from '../nix/byte-source.ts'
import type { Entry } from '../store/ingest/interface.ts'
import { run, runText, stream, type CommandOptions } from './command.ts'
import { DownloadError } from './errors.ts'

export interface TreeSource {
  readonly repository: string
  readonly revision: string
  /** Leave out what `.gitattributes` marks with `export-ignore`. */
  readonly exportIgnore: boolean
  /** Arguments and options of a git command in a folder. */
  readonly git: (args: readonly string[], folder: string) => { readonly args: string[]; readonly options: CommandOptions }
  /** Entries of a submodule's tree; without it submodules are empty folders. */
  readonly submodule?: (url: string, revision: string) => Promise<AsyncIterable<Entry>>
}

interface TreeItem {
  readonly mode: string
  readonly object: string
  /** Byte string. */
  readonly path: string
}

const TREE = '040000'
const SYMLINK = '120000'
const SUBMODULE = '160000'
const EXECUTABLE = '100755'
const SMALL_FILE = 256 * 1024
const TARGET_LIMIT = 4096
/** An option that the types of tar-stream don't know. */
const NAMES_AS_BYTES: object = { filenameEncoding: 'latin1' }

/** Entries in the order of a NAR, so that one pass takes its hash. */
export async function* treeEntries(source: TreeSource): AsyncGenerator<Entry, void, undefined> {
  const items = inNarOrder(await withoutIgnored(source, await listTree(source)))
  const submodules = source.submodule && items.some(({ mode }) => mode === SUBMODULE) ? await submoduleUrls(source) : new Map<string, string>()
  const objects = new ObjectReader(source, items.filter(({ mode }) => mode !== TREE && mode !== SUBMODULE).map(({ object }) => object))
  try {
    yield { kind: 'directory', path: '' }
    for (const item of items) {
      if (item.mode === TREE) yield { kind: 'directory', path: item.path }
      else if (item.mode === SUBMODULE) yield* submoduleEntries(source, item, submodules)
      else yield await fileEntry(item, objects)
    }
  } finally {
    await objects.close()
  }
}

async function fileEntry({ mode, path }: TreeItem, objects: ObjectReader): Promise<Entry> {
  const { size, content } = await objects.next()
  if (mode === SYMLINK) {
    if (size > TARGET_LIMIT) throw new FirnError('invalid-input', `the target of the link '${path}' is too long`)
    return { kind: 'symlink', path, target: Buffer.from(await content.whole()).toString('latin1') }
  }
  return { kind: 'file', path, executable: mode === EXECUTABLE, size, content: size <= SMALL_FILE ? await content.whole() : content.parts() }
}

async function* submoduleEntries(source: TreeSource, item: TreeItem, urls: ReadonlyMap<string, string>): AsyncGenerator<Entry, void, undefined> {
  const url = urls.get(item.path)
  if (source.submodule === undefined) return yield { kind: 'directory', path: item.path }
  if (url === undefined) throw new DownloadError(source.repository, `the repository has a submodule at '${item.path}' that .gitmodules does not mention`, { permanent: true })
  for await (const entry of await source.submodule(url, item.object)) {
    const path = entry.path === '' ? item.path : `${item.path}/${entry.path}`
    yield entry.kind === 'link' ? { ...entry, path, target: `${item.path}/${entry.target}` } : { ...entry, path }
  }
}

async function listTree({ repository, revision, git }: TreeSource): Promise<TreeItem[]> {
  const { args, options } = git(['ls-tree', '-r', '-t', '-z', '--full-tree', revision], repository)
  const lines = (await run('git', args, options)).toString('latin1').split('\0').filter((line) => line !== '')
  return lines.map((line) => {
    const tab = line.indexOf('\t')
    const [mode, , object] = line.slice(0, tab).split(' ') as [string, string, string]
    return { mode, object, path: line.slice(tab + 1) }
  })
}

/** Depth first, names of a folder in the order of their bytes; git sorts folders as if their names ended in a slash. */
function inNarOrder(items: readonly TreeItem[]): TreeItem[] {
  const keyOf = (path: string): string => path.replaceAll('/', '\0')
  return items.map((item) => ({ item, key: keyOf(item.path) })).sort((left, right) => (left.key < right.key ? -1 : 1)).map(({ item }) => item)
}

/** Path → address, from .gitmodules. */
async function submoduleUrls({ repository, revision, git }: TreeSource): Promise<Map<string, string>> {
  const { args, options } = git(['config', '--blob', `${revision}:.gitmodules`, '--list', '-z'], repository)
  const fields = new Map<string, { path?: string; url?: string }>()
  for (const setting of (await run('git', args, options)).toString('latin1').split('\0')) {
    const match = /^submodule\.(.*)\.(path|url)\n(.*)$/s.exec(setting)
    if (match) fields.set(match[1]!, { ...fields.get(match[1]!), [match[2]!]: match[3]! })
  }
  return new Map([...fields.values()].filter((field) => field.path !== undefined && field.url !== undefined).map(({ path, url }) => [path!.replace(/\/+$/, ''), url!]))
}

/**
 * Without what `git archive` leaves out. The attributes' own rules are git's business, so it is asked; but only where
 * some `.gitattributes` mentions the attribute at all, since that reads the whole tree once more.
 */
async function withoutIgnored(source: TreeSource, items: readonly TreeItem[]): Promise<readonly TreeItem[]> {
  if (!source.exportIgnore) return items
  const attributes = items.filter(({ mode, path }) => mode !== TREE && (path === '.gitattributes' || path.endsWith('/.gitattributes')))
  let mentioned = false
  for (const { object } of attributes) {
    const { args, options } = source.git(['cat-file', 'blob', object], source.repository)
    mentioned ||= (await runText('git', args, options)).includes('export-ignore')
  }
  if (!mentioned) return items
  const kept = new Set<string>()
  const { args, options } = source.git(['archive', '--format=tar', source.revision], source.repository)
  const unpacker = extract(NAMES_AS_BYTES)
  const archive = Readable.from(stream('git', args, options), { objectMode: false })
  archive.on('error', (error) => unpacker.destroy(error))
  archive.pipe(unpacker)
  for await (const entry of unpacker) {
    const { name } = entry.header
    const { pax } = entry.header as { pax?: Readonly<Record<string, string>> | null }
    kept.add((pax?.['path'] === undefined ? name : Buffer.from(name, 'utf8').toString('latin1')).replace(/\/+$/, ''))
    entry.resume()
  }
  return items.filter(({ path }) => kept.has(path))
}

/** Contents of objects one after the other, asked for ahead. */
class ObjectReader {
  readonly #output: ByteSource
  #rest = 0

  constructor({ repository, git }: TreeSource, objects: readonly string[]) {
    const { args, options } = git(['cat-file', '--batch', '--buffer'], repository)
    this.#output = new ByteSource(stream('git', args, options, (child) => void ask(child, objects)))
  }

  /** The next object. Its content has to be read before the one after it is asked for. */
  async next(): Promise<{ readonly size: number; readonly content: { whole(): Promise<Uint8Array>; parts(): AsyncIterable<Uint8Array> } }> {
    await this.#skip()
    let line = ''
    for (let byte = await this.#output.exactly(1); byte[0] !== 0x0a; byte = await this.#output.exactly(1)) line += String.fromCharCode(byte[0]!)
    const size = Number(/^[0-9a-f]+ blob (\d+)$/.exec(line)?.[1] ?? Number.NaN)
    if (Number.isNaN(size)) throw new FirnError('corrupt', `git's cache is damaged: ${line}`)
    this.#rest = size + 1
    const take = async (): Promise<Uint8Array> => {
      const chunk = await this.#output.chunk(this.#rest - 1)
      this.#rest -= chunk.length
      return chunk
    }
    const more = (): boolean => this.#rest > 1
    return {
      size,
      content: {
        async whole() {
          const bytes = new Uint8Array(size)
          for (let offset = 0; more();) {
            const chunk = await take()
            bytes.set(chunk, offset)
            offset += chunk.length
          }
          return bytes
        },
        async *parts() {
          while (more()) yield await take()
        },
      },
    }
  }

  /** Over what was not read, and the line's end behind it. */
  async #skip(): Promise<void> {
    while (this.#rest > 0) this.#rest -= (await this.#output.chunk(this.#rest)).length
  }

  async close(): Promise<void> {
    await this.#output.close()
  }
}

/** Writes the objects' names as the program takes them. */
async function ask(child: ChildProcess, objects: readonly string[]): Promise<void> {
  const input = child.stdin!
  for (let start = 0; start < objects.length && !input.destroyed; start += 1000) {
    const lines = `${objects.slice(start, start + 1000).join('\n')}\n`
    if (!input.write(lines)) await Promise.race([once(input, 'drain'), once(child, 'close')]).catch(() => {})
  }
  input.end()
}
