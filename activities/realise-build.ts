/**
 * Ring: activities. A derivation's build, from valid inputs to PathInfos that only have to be committed. Upstream counterpart:
 * DerivationBuildingGoal and registerOutputs (libstore/build/derivation-building-goal.cc, unix/build/derivation-builder.cc).
 *
 * Its steps share one machine's disk: inputs are laid out there, the container writes there, and what it wrote is scanned, hashed and
 * stored from there, once.
 */
import { canonicaliseOutputs } from '../builder/canonicalise.ts'
import { type BuiltOutput, causeOfEnd, causeOfMissing, checkOutputs } from '../builder/check-outputs.ts'
import { addressOutputs } from '../builder/content-address.ts'
import type { BuildResult } from '../builder/interface.ts'
import { bytesToHash, hashOfOutput, methodProblem } from '../builder/local-nar.ts'
import { buildRequestOf, outputsOf } from '../builder/request.ts'
import { ReferenceScanner } from '../castore/reference-scan.ts'
import { FirnError } from '../contract/errors.ts'
import type { FailureCause } from '../contract/nodes.ts'
import type { ContentAddress } from '../nix/content-address.ts'
import type { Derivation } from '../nix/derivation.ts'
import { derivationOptions } from '../nix/derivation-options.ts'
import { needsResolution, resolveDerivation } from '../nix/resolve.ts'
import { parseBaseName, parseStorePath, type StorePath } from '../nix/store-path.ts'
import type { ExportedPath } from '../nix/structured-attributes.ts'
import { readRealisations } from '../state/nodes.ts'
import { ingest, type Ingested } from '../store/ingest/ingest.ts'
import { entriesOfLocalTree } from '../store/ingest/local-tree.ts'
import type { PathInfo } from '../store/path-info/interface.ts'
import type { Dependencies } from './dependencies.ts'
import type { KnownDerivation } from './derivations.ts'
import type { LogWriter } from './log-writer.ts'
import { withSpan } from './spans.ts'
import type { StepReporter } from './step-reporter.ts'

export type BuildOutcome =
  | {
    readonly kind: 'built'
    readonly infos: readonly PathInfo[]
    /** Output name → base name. */
    readonly outputs: ReadonlyMap<string, string>
    /** What was built, for the local store. */
    readonly trees: readonly { readonly info: PathInfo; readonly localPath: string }[]
  }
  | { readonly kind: 'failed'; readonly cause: FailureCause }
  /** Direct inputs that aren't valid after all. */
  | { readonly kind: 'inputs-missing'; readonly paths: readonly string[] }

export interface BuildContext {
  readonly signal: AbortSignal
  readonly log: LogWriter
  readonly steps: StepReporter
}

type Parts = Pick<Dependencies, 'database' | 'store' | 'driver' | 'derivations' | 'settings' | 'logger'>

/** Builds, and calls `commit` with what came of it while the built trees still exist; their folders go afterwards. */
export async function realiseBuild<T>(parts: Parts, known: KnownDerivation, context: BuildContext, commit: (outcome: BuildOutcome) => Promise<T>): Promise<T> {
  const { store, driver, settings } = parts
  const resolved = await resolveInputs(parts, known)
  if ('missing' in resolved) return await commit({ kind: 'inputs-missing', paths: resolved.missing })
  const { derivation, inputs } = resolved
  const closure = await store.pathInfos.closure(inputs)
  if (closure.missing.length > 0) {
    const direct = closure.missing.filter((base) => inputs.includes(base))
    if (direct.length > 0) return await commit({ kind: 'inputs-missing', paths: direct })
    throw new FirnError('corrupt', `a valid path refers to one that isn't: ${closure.missing.join(', ')}`, { data: { paths: closure.missing } })
  }
  const paths = closure.paths.map((base) => parseBaseName(base))
  const options = derivationOptions(derivation)
  const graphs = await exportedGraphs(parts, options.exportReferencesGraph, new Set(closure.paths))
  if ('cause' in graphs) return await commit({ kind: 'failed', cause: graphs.cause })
  const lease = await withSpan('lay out inputs', { 'firn.paths': paths.length }, () => store.local.layOut(paths, { signal: context.signal }))
  let result: BuildResult | undefined
  let keep = false
  try {
    const { limits, builder } = settings
    const request = buildRequestOf(derivation, options, {
      drvPath: parseStorePath(known.drvPath),
      closure: paths.map((storePath) => ({ storePath, localPath: lease.localPaths.get(storePath.baseName) ?? store.local.localPath(storePath) })),
      graphs: graphs.graphs,
    }, {
      cores: builder.cores,
      limits: { timeoutSeconds: limits.timeoutSeconds, silentSeconds: limits.silentSeconds, logBytes: limits.logBytes, ...(limits.memoryBytes > 0 ? { memoryBytes: limits.memoryBytes } : {}) },
      kvm: options.requiredSystemFeatures.includes('kvm'),
      impureEnvironment: process.env,
    })
    context.steps.begin('building')
    result = await withSpan('container', { 'firn.driver': driver.name, 'firn.drv_path': known.drvPath }, async (span) => {
      const ran = await driver.run(request, { signal: context.signal, onLog: (chunk) => context.log.write(chunk) })
      span.setAttributes({ 'firn.end': ran.end.kind, ...(ran.end.kind === 'exited' ? { 'firn.exit_code': ran.end.exitCode } : {}) })
      return ran
    })
    if (result.peakMemoryBytes !== undefined) context.steps.figures['peakMemoryBytes'] = result.peakMemoryBytes
    if (result.end.kind === 'cancelled') {
      context.signal.throwIfAborted()
      throw new FirnError('killed', 'the build was stopped')
    }
    context.steps.begin('uploading')
    const made = result
    const outcome = await withSpan('store outputs', {}, () => takeOutputs(parts, known, derivation, made, [...closure.paths.map((base) => parseBaseName(base).hash)], context))
    keep = outcome.kind === 'failed' && builder.keepFailed
    return await commit(outcome)
  } finally {
    lease.release()
    const folder = await result?.release({ keep })
    if (folder !== undefined) parts.logger.info({ drvPath: known.drvPath, folder }, 'kept the folder of a failed build')
  }
}

/** Direct inputs as base names, and the derivation with the paths of inputs that weren't known before. */
async function resolveInputs(parts: Parts, known: KnownDerivation): Promise<{ readonly derivation: Derivation; readonly inputs: readonly string[] } | { readonly missing: readonly string[] }> {
  const { derivation } = known
  const drvPaths = [...derivation.inputDerivations.keys()]
  const inputs = await parts.derivations.read(drvPaths)
  const realisations = await readRealisations(parts.database.db, drvPaths.filter((drvPath) => inputs.get(drvPath)!.floating))
  const pathOf = (drvPath: string, output: string): string | undefined => inputs.get(drvPath)?.outputs[output] ?? realisations.get(drvPath)?.get(output)
  const missing: string[] = []
  const found = derivation.inputSources.map((source) => parseStorePath(source).baseName)
  for (const [drvPath, outputs] of derivation.inputDerivations) {
    for (const output of outputs) {
      const base = pathOf(drvPath, output)
      if (base === undefined) missing.push(`${drvPath}!${output}`)
      else found.push(base)
    }
  }
  if (missing.length > 0) return { missing }
  if (!needsResolution(derivation)) return { derivation, inputs: found }
  const resolved = resolveDerivation(derivation, (drvPath, [output, ...more]) => {
    const base = more.length === 0 ? pathOf(drvPath, output) : undefined
    return base === undefined ? undefined : `/nix/store/${base}`
  })
  return resolved ? { derivation: resolved, inputs: resolved.inputSources.map((source) => parseStorePath(source).baseName) } : { missing: drvPaths }
}

/** From what the container wrote to PathInfos: canonical, checked, scanned over all outputs, and stored. */
async function takeOutputs(parts: Parts, known: KnownDerivation, derivation: Derivation, result: BuildResult, inputHashes: readonly string[], context: BuildContext): Promise<BuildOutcome> {
  const failed = causeOfEnd(result.end) ?? causeOfMissing(derivation, result)
  if (failed) return { kind: 'failed', cause: failed }
  const canonical = await canonicaliseOutputs(result.outputs, result.owner === undefined ? {} : { owner: result.owner })
  if (!canonical.ok) return { kind: 'failed', cause: canonical.cause }
  const options = derivationOptions(derivation)
  const places = outputsOf(derivation, parseStorePath(known.drvPath)).map(({ name, storePath }) => ({ name, storePath, localPath: result.outputs.get(name)! }))
  const candidates = [...inputHashes, ...places.map((place) => place.storePath.hash)]
  const nameOf = new Map([...await closurePaths(parts, inputHashes), ...places.map((place) => [place.storePath.hash, place.storePath] as const)])
  const referencesOf = (name: string, hashes: Iterable<string>): StorePath[] => (options.unsafeDiscardReferences.has(name) ? [] : [...hashes].map((hash) => nameOf.get(hash)!).sort((a, b) => (a.baseName < b.baseName ? -1 : 1)))

  let outputs: readonly Place[] = places
  if (known.floating && [...derivation.outputs.values()].some((output) => output.kind === 'floating' || output.kind === 'impure')) {
    const scratch = new Map<string, Place & { references: StorePath[] }>()
    for (const place of places) scratch.set(place.name, { ...place, references: referencesOf(place.name, await scan(place.localPath, candidates)) })
    const addressed = await addressOutputs(derivation, scratch)
    if (!addressed.ok) return { kind: 'failed', cause: addressed.cause }
    outputs = [...addressed.outputs].map(([name, output]) => ({ name, ...output }))
  }

  const built: (BuiltOutput & { readonly ingested: Ingested; readonly place: Place })[] = []
  for (const place of outputs) {
    const ingested = await ingest(entriesOfLocalTree(place.localPath), parts.store.blobs, { ...(place.references ? {} : { candidates }), signal: context.signal })
    const references = place.references ?? referencesOf(place.name, ingested.references)
    const fixed = await fixedHash(derivation, place, ingested)
    if ('kind' in fixed) return { kind: 'failed', cause: fixed }
    built.push({ name: place.name, storePath: place.storePath, narSize: ingested.narSize, references, ingested, place: { ...place, ...fixed }, ...(fixed.hash ? { hash: fixed.hash } : {}) })
  }
  const { outputBytes } = parts.settings.limits
  const size = built.reduce((sum, output) => sum + output.narSize, 0)
  if (outputBytes > 0 && size > outputBytes) return { kind: 'failed', cause: { kind: 'output-rejected', output: built[0]!.name, reason: `all outputs together have ${size} bytes; limit is ${outputBytes} bytes` } }
  // what is stored of a rejected output is garbage for a later collection: nothing refers to it
  const cause = await checkOutputs(derivation, options.outputChecks, built, (wanted) => closureOf(parts, wanted))
  if (cause) return { kind: 'failed', cause }
  Object.assign(context.steps.figures, { narBytes: size, storedBytes: built.reduce((sum, { ingested }) => sum + ingested.figures.storedBytes, 0) })
  const deriver = parseStorePath(known.drvPath)
  const trees = built.map(({ storePath, references, ingested, place }): { readonly info: PathInfo; readonly localPath: string } => ({
    info: {
      storePath, references, deriver, root: ingested.root, narHash: ingested.narHash, narSize: ingested.narSize,
      ...(place.contentAddress ? { contentAddress: place.contentAddress } : {}), signatures: [], registeredAt: new Date(), ultimate: true,
    },
    localPath: place.localPath,
  }))
  return { kind: 'built', infos: trees.map(({ info }) => info), outputs: new Map(built.map((output) => [output.name, output.storePath.baseName])), trees }
}

interface Place {
  readonly name: string
  readonly storePath: StorePath
  readonly localPath: string
  readonly references?: readonly StorePath[]
  readonly contentAddress?: ContentAddress
}

/** The hash of a fixed output by its own method; most often that is the NAR's, which is known. */
async function fixedHash(derivation: Derivation, place: Place, ingested: Ingested): Promise<FailureCause | { readonly hash?: BuiltOutput['hash']; readonly contentAddress?: ContentAddress }> {
  const output = derivation.outputs.get(place.name)
  if (output?.kind !== 'fixed') return {}
  const problem = await methodProblem(place.localPath, output.method)
  if (problem !== undefined) return { kind: 'output-rejected', output: place.name, reason: problem }
  const { algorithm } = output.hash
  const hash = output.method === 'nar' && algorithm === 'sha256' ? ingested.narHash : await hashOfOutput(place.localPath, output.method, algorithm)
  return { hash, contentAddress: { method: output.method, hash: output.hash } }
}

async function scan(localPath: string, candidates: readonly string[]): Promise<Set<string>> {
  const scanner = new ReferenceScanner(candidates)
  for await (const chunk of bytesToHash(localPath, 'nar')) scanner.update(chunk)
  return new Set(scanner.found())
}

async function closurePaths(parts: Parts, hashes: readonly string[]): Promise<(readonly [string, StorePath])[]> {
  return [...await parts.store.pathInfos.get(hashes)].map(([hash, info]) => [hash, info.storePath] as const)
}

async function closureOf(parts: Parts, wanted: readonly StorePath[]): Promise<PathInfo[]> {
  const closure = await parts.store.pathInfos.closure(wanted.map((path) => path.baseName))
  return [...(await parts.store.pathInfos.get(closure.paths.map((base) => parseBaseName(base).hash))).values()]
}

/** What `exportReferencesGraph` tells the build of closures; these must be among its inputs. */
async function exportedGraphs(parts: Parts, wanted: ReadonlyMap<string, readonly string[]>, closure: ReadonlySet<string>): Promise<{ readonly graphs: ReadonlyMap<string, readonly ExportedPath[]> } | { readonly cause: FailureCause }> {
  const graphs = new Map<string, readonly ExportedPath[]>()
  for (const [key, tops] of wanted) {
    const outside = tops.find((top) => !closure.has(parseStorePath(top).baseName))
    if (outside !== undefined) return { cause: { kind: 'invalid-derivation', reason: `exportReferencesGraph: '${outside}' is not among the inputs` } }
    const infos = await closureOf(parts, tops.map((top) => parseStorePath(top)))
    const sizes = new Map(infos.map((info) => [info.storePath.baseName, info]))
    graphs.set(key, infos.map((info) => ({
      path: info.storePath.toString(), narHash: info.narHash, narSize: info.narSize, references: info.references.map(String),
      ...(info.contentAddress ? { contentAddress: info.contentAddress } : {}), closureSize: closureSize(info, sizes),
    })))
  }
  return { graphs }
}

function closureSize(top: PathInfo, infos: ReadonlyMap<string, PathInfo>): number {
  const seen = new Set([top.storePath.baseName])
  let size = 0
  for (const base of seen) {
    const info = infos.get(base)
    size += info?.narSize ?? 0
    for (const reference of info?.references ?? []) seen.add(reference.baseName)
  }
  return size
}
