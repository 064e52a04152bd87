/**
 * Ring: activities. A node from inputs to PathInfo, in one activity on one machine: claimed, substituted, downloaded or built, and
 * committed. PathInfos, the outcome and the attempt's end become visible in one transaction; of two attempts the first to
 * commit wins. Upstream counterpart: DerivationGoal; Hydra's State::doBuildStep.
 *
 * What ends with a cause is a result and is returned. What is thrown is a fault of this machine or of the way to another, and
 * Temporal tries it again, here or elsewhere.
 */
import { SpanStatusCode } from '@opentelemetry/api'
import { Context } from '@temporalio/activity'
import { asFirnError, FirnError } from '../contract/errors.ts'
import { describeCause, type FailureCause, isCached, type NodeOutcome } from '../contract/nodes.ts'
import { FETCH_QUEUE } from '../contract/queues.ts'
import type { NodeActivities, NodeInput, RealiseResult } from '../contract/workflows.ts'
import { parseBaseName, parseStorePath } from '../nix/store-path.ts'
import { announce } from '../state/motion.ts'
import { forgetPlan, readNodes } from '../state/nodes.ts'
import { claimNode, type Claim, endAttempt, nextAddress, recordOutcome } from '../state/outcomes.ts'
import type { PathInfo } from '../store/path-info/interface.ts'
import type { Dependencies } from './dependencies.ts'
import { whileBeating } from './heartbeats.ts'
import { LogWriter } from './log-writer.ts'
import { realiseBuild } from './realise-build.ts'
import { withSpan } from './spans.ts'
import { StepReporter } from './step-reporter.ts'

const NONE: ReadonlySet<string> = new Set()

/** How a try ended, before it is recorded. */
type Ended =
  | { readonly kind: 'succeeded'; readonly how: 'valid' | 'built' | 'fetched' | 'substituted'; readonly infos: readonly PathInfo[]; readonly outputs?: ReadonlyMap<string, string> }
  | { readonly kind: 'failed'; readonly cause: FailureCause }
  | { readonly kind: 'again'; readonly reason: string; readonly substitutionFailed?: boolean }

interface Attempt {
  readonly input: NodeInput
  readonly claim: Claim
  readonly signal: AbortSignal
  readonly log: LogWriter
  readonly steps: StepReporter
}

export function realiseActivities(dependencies: Dependencies): Pick<NodeActivities, 'realiseNode'> {
  return {
    realiseNode: (input) => whileBeating(dependencies.running, input.nodeKey, (signal) => realiseNode(dependencies, input, signal)),
  }
}

async function realiseNode(dependencies: Dependencies, input: NodeInput, signal: AbortSignal): Promise<RealiseResult> {
  const { database: { db }, driver, buildSlots, workerId, figures, logger } = dependencies
  const builds = Context.current().info.taskQueue !== FETCH_QUEUE
  const giveBack = builds ? await buildSlots.acquire(signal) : () => undefined
  let recorded: Recorded
  try {
    if (builds) driver.prepare?.()
    const claim = await claimNode(db, input, workerId)
    if (!claim) return await endedOutcome(dependencies, input)
    const attempt: Attempt = {
      input, claim, signal, log: new LogWriter(db, claim.attemptId),
      steps: new StepReporter(db, claim.attemptId, claim.step, (error) => logger.warn({ error }, 'could not record a step')),
    }
    try {
      recorded = await tryNode(dependencies, attempt)
    } catch (error) {
      // stopped because nobody wants it: that is recorded already, by who decided it
      if (signal.reason instanceof FirnError && signal.reason.kind === 'cancelled') return await endedOutcome(dependencies, input)
      await recordFault(dependencies, attempt, error)
      throw error
    } finally {
      attempt.steps.end()
      await attempt.log.settle().catch((error: unknown) => logger.warn({ error }, 'could not remove the chunks of a log'))
    }
  } finally {
    giveBack()
  }
  const { result, announcing } = recorded
  if (result.status !== 'again') figures.builds.ended.inc({ result: result.status === 'succeeded' ? result.how : result.cause.kind })
  const problem = await announcing
  if (problem !== undefined) throw problem
  return result
}

/** Tries, and records how it ended. */
async function tryNode(dependencies: Dependencies, attempt: Attempt): Promise<Recorded> {
  const { input, claim } = attempt
  return await withSpan(`node ${input.nodeKey.slice(33)}`, { 'firn.node': input.nodeKey, 'firn.build_id': input.buildId, 'firn.attempt': claim.number }, async (span) => {
    const recorded = await realise(dependencies, attempt, async (ended, adopt) => {
      const { result, recorded, registered } = await recordEnd(dependencies, attempt, ended)
      if (recorded && result.status === 'succeeded') await adopt?.(registered)
      return { result, announcing: recorded && result.status !== 'again' ? announceNow(dependencies, input, result) : Promise.resolve(undefined) }
    })
    if (recorded.result.status === 'failed') span.setStatus({ code: SpanStatusCode.ERROR, message: recorded.result.cause.kind })
    span.setAttribute('firn.result', recorded.result.status)
    return recorded
  })
}

interface Recorded {
  readonly result: RealiseResult
  /** Who waits hears of it while the build's folders are still being removed. Gives what went wrong with that. */
  readonly announcing: Promise<unknown>
}

/** Records an end, and has it announced once `adopt` has given the local store what was built: of that, the paths (base names) that were registered by it. */
type End = (ended: Ended, adopt?: (registered: ReadonlySet<string>) => Promise<void>) => Promise<Recorded>

/** Never rejects: a node that ended has ended, and a signal that got lost is sent by the sweep. */
async function announceNow({ database: { db }, motion, hub }: Dependencies, { nodeKey }: NodeInput, outcome: NodeOutcome): Promise<unknown> {
  // an evaluator of this process goes on while the rest of the farm is told
  hub.tell(nodeKey, outcome)
  try {
    await announce(db, motion, [nodeKey])
    return undefined
  } catch (error) {
    return error
  }
}

async function realise(dependencies: Dependencies, attempt: Attempt, end: End): Promise<Recorded> {
  const { claim, input, signal, steps } = attempt
  const { planner, store } = dependencies
  const floating = Object.values(claim.outputs).includes(null)
  if (claim.valid || (floating && (await planner.validOutputs([{ key: input.nodeKey, outputs: claim.outputs, drvPath: claim.drvPath }])).size > 0)) return await end({ kind: 'succeeded', how: 'valid', infos: [] })
  if (claim.substitutable) return await end(await withSpan('substitute', {}, () => substitute(dependencies, attempt)))
  if (claim.kind === 'fetch') return await end(await withSpan('download', {}, () => download(dependencies, attempt)))
  if (claim.drvPath === null) return await end({ kind: 'failed', cause: { kind: 'invalid-derivation', reason: 'nothing says how to make it' } })
  // its plan has changed since: builds go to workers of their system
  if (Context.current().info.taskQueue === FETCH_QUEUE) return await end({ kind: 'again', reason: 'it has to be built' })
  const known = await dependencies.derivations.readOne(claim.drvPath)
  return await withSpan('build', {}, () => realiseBuild(dependencies, known, { signal, log: attempt.log, steps }, async (outcome) => {
    if (outcome.kind === 'inputs-missing') return await end({ kind: 'again', reason: `inputs are not valid: ${outcome.paths.join(', ')}` })
    if (outcome.kind === 'failed') return await end(outcome)
    return await end({ kind: 'succeeded', how: 'built', infos: outcome.infos, ...(known.floating ? { outputs: outcome.outputs } : {}) }, async (registered) => {
      // what somebody else has registered before may have another content
      for (const { info, localPath } of outcome.trees) if (registered.has(info.storePath.baseName)) await store.local.adopt(info, localPath)
    })
  }))
}

async function substitute({ store, logger }: Dependencies, { claim, signal, steps }: Attempt): Promise<Ended> {
  const paths = Object.values(claim.outputs).flatMap((base) => (base === null ? [] : [parseBaseName(base)]))
  try {
    // registers what it takes by itself, references first
    await store.substituters.substitute(paths, { signal, onProgress: (progress) => steps.progress({ fetchedBytes: progress.bytes, ...(progress.total === undefined ? {} : { totalBytes: progress.total }) }) })
    return { kind: 'succeeded', how: 'substituted', infos: [] }
  } catch (error) {
    signal.throwIfAborted()
    const { kind, message } = asFirnError(error)
    if (!['not-found', 'unavailable', 'hash-mismatch', 'corrupt', 'invalid-input'].includes(kind)) throw error
    logger.warn({ error, paths: paths.map(String) }, 'a cache could not give what it said it had')
    if (claim.drvPath === null && claim.fetch === null) return { kind: 'failed', cause: { kind: 'unreachable', urls: [], reason: message } }
    return { kind: 'again', reason: message, substitutionFailed: true }
  }
}

async function download({ fetchers }: Dependencies, { claim, input, signal, steps, log }: Attempt): Promise<Ended> {
  if (!claim.fetch) return { kind: 'failed', cause: { kind: 'invalid-derivation', reason: `the source '/nix/store/${input.nodeKey}' is not in the store, and no cache has it` } }
  const fetched = await fetchers.fetch(claim.fetch, { signal, onProgress: (progress) => steps.progress({ fetchedBytes: progress.bytes, ...(progress.total === undefined ? {} : { totalBytes: progress.total }) }) })
  if (!fetched.ok) {
    await log.line(describeCause(fetched.cause))
    return { kind: 'failed', cause: fetched.cause }
  }
  const { pathInfo } = fetched
  if (pathInfo.storePath.baseName !== input.nodeKey) throw new FirnError('internal', `a download gave ${pathInfo.storePath.baseName} in place of ${input.nodeKey}`)
  return { kind: 'succeeded', how: 'fetched', infos: [claim.drvPath === null ? pathInfo : { ...pathInfo, deriver: parseStorePath(claim.drvPath) }] }
}

/** Makes an end visible: PathInfos, outcome and attempt at once. `recorded`: it was this attempt that ended the run. */
async function recordEnd(dependencies: Dependencies, attempt: Attempt, ended: Ended): Promise<{ readonly result: RealiseResult; readonly recorded: boolean; readonly registered: ReadonlySet<string> }> {
  const { database: { db }, store, logger } = dependencies
  const { input, claim, steps, log } = attempt
  const logged = await log.finish(store.blobs)
  steps.end()
  for (const [step, seconds] of Object.entries(steps.figures['seconds'] as Record<string, number>)) dependencies.figures.builds.step.observe({ step }, seconds)
  const figures = steps.figures

  if (ended.kind === 'failed' && claim.fixed && claim.drvPath !== null) {
    // another address may work: the run goes on with another .drv of the same output, if there is one
    const next = await nextAddress(db, input, claim.drvPath, ended.cause, isCached(ended.cause))
    if (next !== undefined) {
      logger.info({ node: input.nodeKey, failed: claim.drvPath, next, cause: ended.cause }, 'a fixed output is tried by another derivation')
      await endAttempt(db, claim.attemptId, { kind: ended.cause.kind, message: 'another derivation of the same output is tried', ...logged, figures })
      await forgetPlan(db, input)
      return { result: { status: 'again' }, recorded: false, registered: NONE }
    }
  }
  if (ended.kind === 'again') {
    await forgetPlan(db, input, ended)
    await endAttempt(db, claim.attemptId, { kind: 'again', message: ended.reason, ...logged, figures })
    return { result: { status: 'again' }, recorded: false, registered: NONE }
  }
  const outcome: NodeOutcome = ended.kind === 'succeeded'
    ? { status: 'succeeded', how: ended.how }
    : { status: 'failed', cause: ended.cause, cached: isCached(ended.cause), logTail: log.tail() }
  const { recorded, registered } = await db.transaction().execute(async (trx) => {
    const registered = new Set(ended.kind === 'succeeded' ? await store.pathInfos.putWithin(trx, ended.infos) : [])
    const recorded = await recordOutcome(trx, input, {
      outcome, attempt: { id: claim.attemptId, figures, ...logged },
      ...(ended.kind === 'succeeded' && ended.outputs && claim.drvPath !== null ? { realised: { drvPath: claim.drvPath, outputs: ended.outputs } } : {}),
    })
    return { recorded, registered }
  })
  return { result: recorded ? outcome : await endedOutcome(dependencies, input), recorded, registered }
}

async function recordFault({ database: { db }, store, logger }: Dependencies, attempt: Attempt, error: unknown): Promise<void> {
  const { kind, message } = asFirnError(error)
  logger.warn({ error, node: attempt.input.nodeKey, attempt: attempt.claim.number }, 'an attempt ended by a fault')
  try {
    const logged = await attempt.log.finish(store.blobs).catch(() => ({ logBytes: attempt.log.bytes }))
    await endAttempt(db, attempt.claim.attemptId, { kind, message, ...logged, figures: attempt.steps.figures })
  } catch (second) {
    logger.warn({ error: second }, 'could not record the fault')
  }
}

/** The outcome of a run that somebody else has ended. */
async function endedOutcome({ database: { db } }: Pick<Dependencies, 'database'>, input: NodeInput): Promise<NodeOutcome> {
  const node = (await readNodes(db, [input.nodeKey])).get(input.nodeKey)
  if (node?.run === input.run && node.outcome) return node.outcome
  return { status: 'failed', cause: { kind: 'cancelled', reason: 'another run has taken its place' }, cached: false }
}
