/**
 * Ring: activities. Checks of jobsets: triggers taken, inputs looked up, evaluations made where something changed. What can't be had is a
 * result and is shown with the jobset; a server that does not answer is tried a few times first. Upstream counterpart: hydra-eval-jobset.
 */
import { Context } from '@temporalio/activity'
import { asFirnError, FirnError } from '../contract/errors.ts'
import type { EvaluationRequest } from '../contract/evaluations.ts'
import type { Jobset, ResolvedInput } from '../contract/jobsets.ts'
import type { JobsetActivities } from '../contract/workflows.ts'
import { cancelEvaluation } from '../state/cancel.ts'
import { getJobsetById } from '../state/jobsets.ts'
import { getProject } from '../state/projects.ts'
import {
  addTrigger, createJobsetEvaluation, dropTriggers, lastEvaluation, listTriggers, queuedEvaluations, recordCheckError, recordUnchanged, runningEvaluations, type Trigger,
} from '../state/triggers.ts'
import { checkProject } from './declarative.ts'
import type { Dependencies } from './dependencies.ts'
import { withKinds } from './faults.ts'
import { whileBeating } from './heartbeats.ts'
import { argumentOf, digestOf, type GitInput, nixString, resolveGit, resolveInputs } from './jobset-inputs.ts'

/** Tries of a check whose inputs' server does not answer, before that is its result. */
const TRIES = 3
/** The check's own name for a flake among its inputs. */
const FLAKE = 'flake'

export function jobsetActivities(parts: Dependencies): Pick<JobsetActivities, 'checkJobset'> {
  return {
    checkJobset: (target) => target.kind === 'project'
      ? whileBeating(parts.running, `project:${target.projectId}`, (signal) => checkProject(parts, target.projectId, signal))
      : whileBeating(parts.running, `jobset:${target.jobsetId}`, (signal) => check(parts, target.jobsetId, signal)),
  }
}

export function triggerActivities({ database: { db }, motion }: Pick<Dependencies, 'database' | 'motion'>): Pick<JobsetActivities, 'triggerJobset'> {
  return {
    triggerJobset: (jobsetId, kind, at) => withKinds(async () => {
      try {
        await addTrigger(db, { jobsetId, cause: { kind }, idempotencyKey: `${jobsetId} ${kind} ${at}` })
      } catch (error) {
        // a schedule outlives its jobset by moments
        if (asFirnError(error).kind === 'not-found') return
        throw error
      }
      await motion.checkJobset({ kind: 'jobset', jobsetId })
    }),
  }
}

async function check(parts: Dependencies, jobsetId: number, signal: AbortSignal): Promise<void> {
  const { database: { db }, motion } = parts
  const jobset = await getJobsetById(db, jobsetId)
  if (!jobset) return
  for (const id of await queuedEvaluations(db, jobsetId)) await motion.startEvaluation(id)
  const triggers = await listTriggers(db, jobsetId)
  const project = await getProject(db, jobset.project)
  if (jobset.state === 'disabled' || !project.enabled) {
    await dropTriggers(db, triggers.map((trigger) => trigger.id))
    return
  }
  const variants = Map.groupBy(triggers, (trigger) => trigger.variant)
  for (const [variant, ofVariant] of variants) await checkVariant(parts, jobset, project.id, variant, ofVariant, signal)
}

async function checkVariant(parts: Dependencies, jobset: Jobset, projectId: number, variant: string, triggers: readonly Trigger[], signal: AbortSignal): Promise<void> {
  const { database: { db }, motion, logger } = parts
  const running = await runningEvaluations(db, jobset.id, variant)
  // when the running one ends, its end wakes this again
  if (jobset.whenRunning === 'wait' && running.length > 0) return
  const taken = { jobsetId: jobset.id, variant, triggers: triggers.map((trigger) => trigger.id) }
  // the newest says what is meant; what came before it was not taken in time
  const newest = triggers.at(-1)!
  const last = await lastEvaluation(db, jobset.id, variant)
  let inputs: Record<string, ResolvedInput>
  try {
    const context = { projectId, signal, last: last?.inputs ?? {} }
    inputs = await resolveInputs(parts, jobset.inputs, newest.overrides, context)
    if (jobset.source.kind === 'flake') inputs[FLAKE] = { ...await resolveGit(parts, gitOfFlake(jobset.source), undefined, context), kind: FLAKE }
  } catch (error) {
    signal.throwIfAborted()
    const { kind, message } = asFirnError(error)
    if (kind === 'internal' || kind === 'exhausted' || (kind === 'unavailable' && Context.current().info.attempt < TRIES)) throw error
    logger.info({ jobset: jobset.name, project: jobset.project, message }, 'a jobset could not be checked')
    await recordCheckError(db, taken, message)
    return
  }
  const request = requestOf(jobset, inputs)
  const digest = digestOf({ source: jobset.source, settings: jobset.settings, inputs: Object.fromEntries(Object.entries(inputs).map(([name, { lastModified: _modified, ref: _ref, evaluationId: _evaluation, buildId: _build, ...input }]) => [name, input])) })
  if (!triggers.some((trigger) => trigger.force) && last?.inputsDigest === digest) {
    await recordUnchanged(db, taken)
    return
  }
  const id = await createJobsetEvaluation(db, { ...taken, request, inputs, digest, cause: newest.cause })
  if (id === undefined) return
  await motion.startEvaluation(id)
  if (jobset.whenRunning !== 'supersede') return
  for (const old of running) {
    await cancelEvaluation(db, motion, old).catch((error: unknown) => {
      // it ended by itself meanwhile
      if (asFirnError(error).kind !== 'conflict') throw error
    })
  }
}

function requestOf(jobset: Jobset, inputs: Readonly<Record<string, ResolvedInput>>): EvaluationRequest {
  const { source, settings: { dryRun, ...settings }, priority } = jobset
  const common = { recurse: true, dryRun: dryRun ?? false, priority }
  if (source.kind === 'flake') {
    const flake = inputs[FLAKE]!
    const reference = `git+${flake.url!}?${new URLSearchParams({ ...(flake.ref === undefined ? {} : { ref: flake.ref }), rev: flake.revision!, narHash: flake.narHash! }).toString()}`
    const outputs = `let flake = builtins.getFlake ${nixString(reference)}; in flake.${source.attribute}${source.attribute === 'hydraJobs' ? ' or flake.checks or (throw "the flake has neither hydraJobs nor checks")' : ''}`
    return { ...common, source: { kind: 'expression', text: outputs, basePath: '/' }, attributes: [], arguments: {}, settings: { ...settings, mode: settings.mode ?? 'pure' }, jobs: { meta: true, walk: 'all' } }
  }
  const root = inputs[source.input]
  if (root?.storePath === undefined) throw new FirnError('internal', `input '${source.input}' has no files`)
  const trees = Object.entries(inputs).flatMap(([name, { storePath, kind }]) => (storePath === undefined || kind === 'jobset' ? [] : [{ prefix: name, path: storePath }]))
  return {
    ...common,
    source: { kind: 'store', storePath: root.storePath, file: source.file },
    attributes: source.attributes,
    arguments: Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, argumentOf(input)])),
    settings: { ...settings, searchPath: trees },
    jobs: { meta: true, walk: source.walk },
  }
}

/** A flake reference as a git input: what its revision is looked up by. */
export function gitOfFlake({ url, credential }: { readonly url: string; readonly credential?: string | undefined }): GitInput {
  const more = credential === undefined ? {} : { credential }
  const forge = /^(github|gitlab|sourcehut):([^/?#]+)\/([^/?#]+)(?:\/([^?#]+))?(?:\?([^#]*))?$/.exec(url)
  if (forge) {
    const [, kind, owner, repository, at, query] = forge
    const host = new URLSearchParams(query).get('host') ?? { github: 'github.com', gitlab: 'gitlab.com', sourcehut: 'git.sr.ht' }[kind as 'github' | 'gitlab' | 'sourcehut']
    return { kind: 'git', url: `https://${host}/${owner}/${repository}${kind === 'sourcehut' ? '' : '.git'}`, submodules: false, ...(at === undefined ? {} : /^[0-9a-f]{40}$/.test(at) ? { revision: at } : { ref: at }), ...more }
  }
  const git = /^git\+([^?#]+)(?:\?([^#]*))?$/.exec(url)
  if (!git) throw new FirnError('invalid-input', `'${url}' is not a flake reference that a jobset can follow; use github:, gitlab:, sourcehut: or git+…`)
  const query = new URLSearchParams(git[2])
  const [ref, revision] = [query.get('ref'), query.get('rev')]
  return { kind: 'git', url: git[1]!, submodules: query.get('submodules') === '1', ...(ref === null ? {} : { ref }), ...(revision === null ? {} : { revision }), ...more }
}

