/**
 * Ring: activities. Inputs of a jobset as they are now: revisions looked up, and content fetched where it isn't in the store. Upstream
 * counterpart: Hydra's input plugins (GitInput, PathInput, …).
 */
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { asFirnError, FirnError } from '../contract/errors.ts'
import type { UnlockedFetch } from '../contract/fetch.ts'
import type { JobsetInput, Overrides, ResolvedInput } from '../contract/jobsets.ts'
import { formatHash } from '../nix/hash.ts'
import { makeFixedOutputPath, parseStorePath } from '../nix/store-path.ts'
import { builtJob, builtJobs } from '../state/jobset-results.ts'
import { readCredential } from '../state/credentials.ts'
import { ingest } from '../store/ingest/ingest.ts'
import { entriesOfLocalTree } from '../store/ingest/local-tree.ts'
import type { Dependencies } from './dependencies.ts'

type Parts = Pick<Dependencies, 'database' | 'fetchers' | 'store' | 'settings'>

/** Name of fetched trees: the store path follows from the content alone. */
const NAME = 'source'

export interface InputContext {
  readonly projectId: number
  readonly signal: AbortSignal
  /** What the last evaluation had: what hasn't changed isn't fetched again. */
  readonly last: Readonly<Record<string, ResolvedInput>>
}

/** All inputs at once. Throws a FirnError that names the input: 'unavailable' for what may work later. */
export async function resolveInputs(parts: Parts, inputs: Readonly<Record<string, JobsetInput>>, overrides: Overrides, context: InputContext): Promise<Record<string, ResolvedInput>> {
  const resolved = await Promise.all(Object.entries(inputs).map(async ([name, input]) => {
    try {
      return [name, await resolveInput(parts, overridden(input, overrides[name]), context.last[name], context)] as const
    } catch (error) {
      context.signal.throwIfAborted()
      const { kind, message } = asFirnError(error)
      throw new FirnError(kind, `input '${name}': ${message}`, { cause: error })
    }
  }))
  return Object.fromEntries(resolved)
}

function overridden(input: JobsetInput, override: Overrides[string] | undefined): JobsetInput {
  if (override === undefined) return input
  const { url, ref, revision, value } = override
  switch (input.kind) {
    // a revision that was fixed is not meant where another reference is
    case 'git': return { ...input, ...(url === undefined ? {} : { url }), ...(ref === undefined ? {} : { ref, revision: undefined }), ...(revision === undefined ? {} : { revision }) }
    case 'tarball': case 'file': return { ...input, ...(url === undefined ? {} : { url }) }
    case 'string': case 'expression': return { ...input, ...(value === undefined ? {} : { value: String(value) }) }
    case 'boolean': return { ...input, ...(typeof value === 'boolean' ? { value } : {}) }
    case 'number': return { ...input, ...(typeof value === 'number' ? { value } : {}) }
    case 'path': case 'jobset': return input
  }
}

async function resolveInput(parts: Parts, input: JobsetInput, last: ResolvedInput | undefined, context: InputContext): Promise<ResolvedInput> {
  switch (input.kind) {
    case 'git': return await resolveGit(parts, input, last, context)
    case 'path': return await resolvePath(parts, input.path, context)
    case 'tarball': case 'file': return await resolveDownload(parts, input, context)
    case 'string': case 'boolean': case 'number': case 'expression': return { kind: input.kind, value: input.value }
    case 'jobset': return await resolveJobset(parts, input)
  }
}

export type GitInput = JobsetInput & { readonly kind: 'git' }

export async function resolveGit(parts: Parts, { url, ref, revision: wanted, submodules, credential }: GitInput, last: ResolvedInput | undefined, { projectId, signal }: InputContext): Promise<ResolvedInput> {
  const { fetchers } = parts
  const known = credential === undefined ? undefined : await readCredential(parts, projectId, credential)
  const options = { signal, ...(known ? { credentials: { username: known.username === '' ? 'git' : known.username, password: known.secret } } : {}) }
  const revision = wanted ?? await fetchers.gitRevision({ url, ...(ref === undefined ? {} : { ref }) }, options)
  if (last?.kind === 'git' && last.revision === revision && last.url === url && last.storePath !== undefined && await isValid(parts, last.storePath)) return { ...last, ...(ref === undefined ? {} : { ref }) }
  const request: UnlockedFetch = { kind: 'git', name: NAME, url, revision, ...(ref === undefined ? {} : { ref }), submodules }
  const fetched = await fetchers.fetchUnlocked(request, options)
  return {
    kind: 'git', url, ...(ref === undefined ? {} : { ref }), revision, storePath: fetched.storePath, narHash: fetched.narHash,
    ...(fetched.revisionCount === undefined ? {} : { revisionCount: fetched.revisionCount }), ...(fetched.lastModified === undefined ? {} : { lastModified: fetched.lastModified }),
  }
}

async function isValid({ store }: Parts, storePath: string): Promise<boolean> {
  const { hash } = parseStorePath(storePath)
  return (await store.pathInfos.has([hash])).has(hash)
}

/** A folder of this machine; only below those that the settings allow, since a jobset is no user of the machine. */
async function resolvePath({ store, settings }: Parts, path: string, { signal }: InputContext): Promise<ResolvedInput> {
  const allowed = settings.evaluator.allowedPaths.some((folder) => path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`))
  if (!allowed || path.split('/').includes('..')) throw new FirnError('forbidden', `this farm does not evaluate files of its machine below ${path} (evaluator.allowedPaths)`)
  await stat(path).catch((error: unknown) => {
    throw new FirnError('not-found', `there is no '${path}' on the worker's machine`, { cause: error })
  })
  const ingested = await ingest(entriesOfLocalTree(path), store.blobs, { signal })
  const storePath = makeFixedOutputPath(NAME, { method: 'nar', hash: ingested.narHash })
  await store.pathInfos.put([{ storePath, root: ingested.root, narHash: ingested.narHash, narSize: ingested.narSize, references: [], contentAddress: { method: 'nar', hash: ingested.narHash }, signatures: [], registeredAt: new Date(), ultimate: true }])
  return { kind: 'path', url: path, storePath: storePath.toString(), narHash: formatHash(ingested.narHash, 'sri') }
}

async function resolveDownload(parts: Parts, input: JobsetInput & { readonly kind: 'tarball' | 'file' }, { projectId, signal }: InputContext): Promise<ResolvedInput> {
  const known = input.credential === undefined ? undefined : await readCredential(parts, projectId, input.credential)
  const url = new URL(input.url)
  if (known) {
    url.username = encodeURIComponent(known.username)
    url.password = encodeURIComponent(known.secret)
  }
  const fetched = await parts.fetchers.fetchUnlocked({ kind: input.kind === 'file' ? 'url' : 'tarball', name: NAME, url: known ? url.href : input.url }, { signal })
  return { kind: input.kind, url: input.url, storePath: fetched.storePath, narHash: fetched.narHash, ...(fetched.lastModified === undefined ? {} : { lastModified: fetched.lastModified }) }
}

async function resolveJobset({ database: { db } }: Parts, input: JobsetInput & { readonly kind: 'jobset' }): Promise<ResolvedInput> {
  const what = `${input.project}/${input.jobset}${input.job === undefined ? '' : `:${input.job}`}`
  if (input.job === undefined) {
    const built = await builtJobs(db, input.project, input.jobset)
    if (!built) throw new FirnError('not-found', `jobset ${what} has no finished evaluation`)
    return { kind: 'jobset', url: what, evaluationId: built.evaluationId, value: expressionOfJobs(built.jobs) }
  }
  const built = await builtJob(db, input.project, input.jobset, input.job)
  if (!built) throw new FirnError('not-found', `no build of ${what} has succeeded`)
  return { kind: 'jobset', url: what, evaluationId: built.evaluationId, buildId: built.buildId, ...(built.outputs['out'] ? { storePath: `/nix/store/${built.outputs['out']}` } : {}), value: expressionOfJobs([built], true) }
}

interface BuiltOutputs { readonly attr: string; readonly buildId: number; readonly name: string | null; readonly outputs: Readonly<Record<string, string | null>> }

/** Jobs as values of Nix: their outputs as store paths, which carry their context. */
function expressionOfJobs(jobs: readonly BuiltOutputs[], single = false): string {
  const one = ({ buildId, name, outputs }: BuiltOutputs): string => {
    const paths = Object.entries(outputs).flatMap(([output, base]) => (base === null ? [] : [`${nixString(output)} = builtins.storePath ${nixString(`/nix/store/${base}`)};`]))
    const first = outputs['out'] ?? Object.values(outputs).find((base) => base !== null)
    return `{ ${first ? `outPath = builtins.storePath ${nixString(`/nix/store/${first}`)};` : ''} name = ${nixString(name ?? '')}; buildId = ${buildId}; outputs = { ${paths.join(' ')} }; }`
  }
  return single ? one(jobs[0]!) : `{ ${jobs.map((job) => `${nixString(job.attr)} = ${one(job)};`).join(' ')} }`
}

/** The value that an expression sees for an input. */
export function argumentOf(input: ResolvedInput): { readonly kind: 'expression' | 'string'; readonly value: string } {
  switch (input.kind) {
    case 'string': return { kind: 'string', value: String(input.value) }
    case 'boolean': case 'number': return { kind: 'expression', value: typeof input.value === 'number' && input.value < 0 ? `(${input.value})` : String(input.value) }
    case 'expression': case 'jobset': return { kind: 'expression', value: String(input.value) }
    case 'git': case 'path': case 'tarball': case 'file': case 'flake': {
      const { storePath, url, revision, revisionCount, lastModified, narHash } = input
      const fields: Record<string, string> = {
        outPath: `builtins.storePath ${nixString(storePath!)}`,
        inputType: nixString(input.kind),
        ...(url === undefined ? {} : { uri: nixString(url) }),
        ...(revision === undefined ? {} : { rev: nixString(revision), shortRev: nixString(revision.slice(0, 7)) }),
        ...(revisionCount === undefined ? {} : { revCount: String(revisionCount) }),
        ...(lastModified === undefined ? {} : { lastModified: String(lastModified), lastModifiedDate: nixString(new Date(lastModified * 1000).toISOString().replace(/\..*|[-:T]/g, '')) }),
        ...(narHash === undefined ? {} : { narHash: nixString(narHash) }),
      }
      return { kind: 'expression', value: `{ ${Object.entries(fields).map(([name, value]) => `${name} = ${value};`).join(' ')} }` }
    }
  }
}

export function nixString(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\$\{/g, '\\${').replace(/\n/g, '\\n')}"`
}

/** Equal for equal things, however their keys are ordered. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'object' && inner !== null && !Array.isArray(inner)
    ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner))).digest('hex')
}
