/**
 * Ring: contract. What the farm's HTTP API says and is told, as zod schemas: the server validates requests with them and
 * describes itself with them (OpenAPI 3.1), the client and the dashboard take their types from them. The table of routes
 * is beside this file, in api-routes.ts. Times are ISO 8601 in UTC, sizes are bytes, ids are integers, store paths absolute.
 */
import { z } from 'zod'
import { type ErrorKind, RETRIED } from './errors.ts'
import type { EvaluationRequest } from './evaluations.ts'
import { evaluationOfJobset } from './jobsets.ts'
import type { FailureCause } from './nodes.ts'

export const id = z.number().int().positive().max(2_147_483_647)
const count = z.number().int().nonnegative()
const timestamp = z.iso.datetime()
const HASH_PART = '[0-9abcdfghijklmnpqrsvwxyz]{32}'
const NAME = '[0-9a-zA-Z+\\-._?=]{1,211}'
/** An absolute store path. */
export const storePath = z.string().regex(new RegExp(`^/nix/store/${HASH_PART}-${NAME}$`)).meta({ id: 'StorePath', description: 'An absolute store path.' })
/** A store path's base name, as it stands in the API's own paths (`/api/v1/store/{path}`). */
export const storeBaseName = z.string().regex(new RegExp(`^${HASH_PART}-${NAME}$`)).meta({ id: 'StoreBaseName', description: 'The last component of a store path.' })
const drvPath = z.string().regex(new RegExp(`^/nix/store/${HASH_PART}-[0-9a-zA-Z+\\-._?=]{1,207}\\.drv$`)).meta({ id: 'DrvPath', description: 'The store path of a derivation.' })
/** Text without NUL, which Postgres can't hold. */
const text = (maximum: number) => z.string().max(maximum).regex(/^[^\u0000]*$/)

// Problems

export const problem = z.object({
  type: z.string().describe('A URI that names the kind of problem.'),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  kind: z.enum(Object.keys(RETRIED) as [ErrorKind, ...ErrorKind[]]).describe('Stable name of the kind of error; programs decide by it.'),
  requestId: z.string(),
  data: z.record(z.string(), z.unknown()).optional(),
  issues: z.array(z.object({ path: z.string(), message: z.string() })).optional().describe('What of the request does not fit.'),
}).meta({ id: 'Problem', description: 'An error, after RFC 9457 (application/problem+json).' })
export type Problem = z.infer<typeof problem>

// Outcomes of nodes

const plainCauses = [
  z.object({ kind: z.literal('builder-failed'), exitCode: z.number().int().optional(), signal: z.string().optional() }),
  z.object({ kind: z.literal('output-missing'), outputs: z.array(z.string()).readonly() }),
  z.object({ kind: z.literal('output-rejected'), output: z.string(), reason: z.string() }),
  z.object({ kind: z.literal('hash-mismatch'), path: z.string(), expected: z.string(), got: z.string() }),
  z.object({ kind: z.literal('unreachable'), urls: z.array(z.string()).readonly(), reason: z.string() }),
  z.object({ kind: z.literal('timed-out'), seconds: z.number(), silent: z.boolean() }),
  z.object({ kind: z.literal('log-limit'), bytes: z.number() }),
  z.object({ kind: z.literal('no-worker'), system: z.string(), features: z.array(z.string()).readonly(), seconds: z.number() }),
  z.object({ kind: z.literal('invalid-derivation'), reason: z.string() }),
  z.object({ kind: z.literal('fault'), error: z.enum(Object.keys(RETRIED) as [ErrorKind, ...ErrorKind[]]), message: z.string() }),
  z.object({ kind: z.literal('cancelled'), reason: z.string() }),
] as const
/** Why a node's outputs are not there (contract/nodes.ts); a dependency's failure is shown as `fault`, not here. */
export const failureCause: z.ZodType<FailureCause> = z.discriminatedUnion('kind', [
  ...plainCauses,
  z.object({
    kind: z.literal('dependency-failed'), node: z.string(), buildId: z.number().int(), name: z.string(),
    get cause(): z.ZodType<FailureCause> { return failureCause },
  }),
]).meta({ id: 'FailureCause' })

// Evaluations

export const evaluationState = z.enum(['queued', 'evaluating', 'waiting', 'building', 'succeeded', 'failed', 'cancelled']).meta({ id: 'EvaluationState' })
export type EvaluationState = z.infer<typeof evaluationState>
/** States from which nothing changes any more, unless somebody retries. */
export const FINAL_EVALUATION_STATES: readonly EvaluationState[] = ['succeeded', 'failed', 'cancelled']

const evaluationSource = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('file'), path: text(4096).startsWith('/') }).describe('A file or folder on the farm\'s machine; allowed on an embedded farm only.'),
  z.object({ kind: z.literal('store'), storePath, file: text(4096) }).describe('A file below an uploaded store path; empty for the path itself.'),
  z.object({ kind: z.literal('expression'), text: text(1_000_000), basePath: text(4096).startsWith('/') }).describe('An expression, whose relative paths start at `basePath`.'),
  z.object({ kind: z.literal('flake'), reference: text(4096), prefixes: z.array(text(1000)).max(20).readonly() }).describe('A flake by its address, evaluated in pure mode; attributes are looked for below each prefix in turn, then as they are.'),
  z.object({ kind: z.literal('derivations'), drvPaths: z.array(drvPath).min(1).max(10_000).readonly() }).describe('Derivations, uploaded or known before.'),
])

const evaluationSettings = z.object({
  currentSystem: text(100).min(1),
  nixVersion: text(40).min(1),
  mode: z.enum(['impure', 'restricted', 'pure']),
  allowedUris: z.array(text(2000)).max(1000).readonly(),
  restrictUris: z.boolean().describe('Hold fetches to `allowedUris` in every mode.'),
  allowedPaths: z.array(text(4096)).max(1000).readonly(),
  searchPath: z.array(z.object({ prefix: text(1000), path: text(4096) })).max(1000).readonly(),
  allowImportFromDerivation: z.boolean(),
  showTrace: z.boolean(),
}).partial().meta({ id: 'EvaluationSettings' })

/** What is to be evaluated, as kept and shown. */
export const evaluationRequest: z.ZodType<EvaluationRequest> = z.object({
  source: evaluationSource,
  attributes: z.array(text(1000)).max(10_000).readonly(),
  arguments: z.record(text(200), z.object({ kind: z.enum(['expression', 'string']), value: text(100_000) })).readonly(),
  recurse: z.boolean(),
  settings: evaluationSettings,
  dryRun: z.boolean(),
  priority: z.number().int().min(1).max(5),
  jobs: z.object({ meta: z.boolean(), walk: z.enum(['all', 'marked']) }).optional().describe('How a jobset\'s jobs are looked for.'),
}).meta({ id: 'EvaluationRequest' })

/** A submission: as above, with what may be left out. */
export const evaluationSubmission = z.object({
  source: evaluationSource,
  attributes: z.array(text(1000)).max(10_000).default([]).describe('Attribute paths to build, as users write them; empty means the whole value.'),
  arguments: z.record(text(200), z.object({ kind: z.enum(['expression', 'string']), value: text(100_000) })).default({}),
  recurse: z.boolean().default(false).describe('Walk into attribute sets, as jobsets do.'),
  settings: evaluationSettings.default({}),
  dryRun: z.boolean().default(false).describe('Find derivations, but build none (imports are still built).'),
  priority: z.number().int().min(1).max(5).default(3).describe('1 goes first.'),
}).meta({ id: 'EvaluationSubmission' })
export type EvaluationSubmission = z.input<typeof evaluationSubmission>

const jobCounts = z.object({ total: count, errors: count, found: count, waiting: count, queued: count, running: count, succeeded: count, failed: count })
  .describe('Jobs by state; `errors` are attributes that could not be evaluated, `found` those that nothing was asked of (dry runs).')

export const evaluation = z.object({
  id,
  state: evaluationState,
  request: evaluationRequest,
  error: z.string().nullable().describe('Why the evaluation as a whole failed.'),
  progress: z.record(z.string(), z.unknown()).describe('Figures of the evaluator, shown while it runs.'),
  jobs: jobCounts,
  jobset: evaluationOfJobset.nullable().describe('What it has of its jobset; null for a submission.'),
  submittedBy: z.string().nullable().describe('The user or token that submitted it, where the farm asked who they are.'),
  nodes: z.object({ waiting: count, queued: count, running: count, succeeded: count, failed: count }).optional()
    .describe('Everything that was realised or waits for that because of this evaluation, inputs and imports included, by state. Only where one evaluation is asked for.'),
  createdAt: timestamp,
  startedAt: timestamp.nullable(),
  evaluatedAt: timestamp.nullable(),
  endedAt: timestamp.nullable(),
}).meta({ id: 'Evaluation' })
export type Evaluation = z.infer<typeof evaluation>

// Builds (nodes)

export const buildState = z.enum(['waiting', 'queued', 'running', 'succeeded', 'failed']).meta({ id: 'BuildState' })
export type BuildState = z.infer<typeof buildState>
export const attemptStep = z.enum(['preparing', 'substituting', 'fetching', 'building', 'uploading', 'ended']).meta({ id: 'AttemptStep' })

export const fault = z.object({
  buildId: id,
  name: z.string(),
  drvPath: z.string().nullable(),
  cause: failureCause,
  description: z.string().describe('The cause in one line.'),
  logTail: z.array(z.string()).describe('The last lines of its log.'),
}).meta({ id: 'Fault', description: 'The build at fault: itself, or the input that failed and so failed everything above it.' })
export type Fault = z.infer<typeof fault>

const buildFields = {
  id,
  kind: z.enum(['derivation', 'fetch']),
  name: z.string(),
  system: z.string(),
  features: z.array(z.string()),
  drvPath: z.string().nullable(),
  outputs: z.record(z.string(), z.string().nullable()).describe('Output name → store path; null where it isn\'t known before the inputs are.'),
  state: buildState,
  how: z.enum(['valid', 'built', 'fetched', 'substituted']).nullable().describe('How it succeeded.'),
  cause: failureCause.nullable(),
  cachedFailure: z.boolean().describe('The failure is remembered and answered at once until somebody retries.'),
  step: attemptStep.nullable().describe('What the worker is doing, while it runs.'),
  worker: z.string().nullable(),
  attempts: count,
  createdAt: timestamp,
  queuedAt: timestamp.nullable(),
  startedAt: timestamp.nullable(),
  endedAt: timestamp.nullable(),
}
export const build = z.object(buildFields).meta({ id: 'Build' })
export type Build = z.infer<typeof build>

export const attempt = z.object({
  id,
  number: z.number().int().positive(),
  worker: z.string(),
  step: attemptStep,
  startedAt: timestamp,
  endedAt: timestamp.nullable(),
  how: z.enum(['valid', 'built', 'fetched', 'substituted']).nullable(),
  cause: failureCause.nullable(),
  figures: z.record(z.string(), z.unknown()),
  logBytes: count,
}).meta({ id: 'Attempt' })
export type Attempt = z.infer<typeof attempt>

export const buildDetail = z.object({
  ...buildFields,
  attemptList: z.array(attempt).describe('Newest first, at most 100.'),
  inputs: z.object({ total: count, waiting: count, queued: count, running: count, succeeded: count, failed: count }),
  dependents: count.describe('Builds that have this one as a direct input.'),
  evaluations: z.array(id).describe('Evaluations that want it, newest first, at most 100.'),
  fault: fault.nullable(),
}).meta({ id: 'BuildDetail' })
export type BuildDetail = z.infer<typeof buildDetail>

/** `error`: could not be evaluated; `found`: nothing was asked of it; otherwise the state of its build. */
export const jobState = z.enum(['error', 'found', ...buildState.options]).meta({ id: 'JobState' })
export type JobState = z.infer<typeof jobState>
export const job = z.object({
  evaluationId: id,
  attr: z.string(),
  attrPath: z.array(z.string()),
  name: z.string().nullable(),
  system: z.string().nullable(),
  drvPath: z.string().nullable(),
  outputs: z.record(z.string(), z.string().nullable()).nullable(),
  meta: z.unknown(),
  error: z.string().nullable().describe('Why the attribute could not be evaluated.'),
  position: z.object({ file: z.string(), line: z.number().int(), column: z.number().int() }).nullable(),
  constituents: z.array(z.string()).nullable().describe('Of an aggregate: names of jobs and paths of derivations.'),
  state: jobState,
  buildId: id.nullable(),
  fault: fault.nullable(),
}).meta({ id: 'Job' })
export type Job = z.infer<typeof job>

// Lists

const CURSOR = 'Where the next page starts, as the page before said.'
/** Lists by id. */
export const pageQuery = z.object({
  limit: z.number().int().min(1).max(1000).default(100),
  cursor: z.string().regex(/^[1-9][0-9]{0,9}$/).describe(CURSOR).optional(),
})
/** Lists by name. */
export const namedPageQuery = pageQuery.extend({ cursor: z.string().regex(/^[A-Za-z0-9_-]+$/).max(4000).describe(CURSOR).optional() })
const page = <Item extends z.ZodType>(item: Item) => z.object({
  items: z.array(item),
  next: z.string().nullable().describe('Cursor of the next page; null at the end.'),
})
export const evaluationPage = page(evaluation).meta({ id: 'EvaluationPage' })
export const buildPage = page(build).meta({ id: 'BuildPage' })
export const jobPage = page(job).meta({ id: 'JobPage' })

// The farm

export const queueEntry = z.object({
  build,
  reason: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('inputs'), total: count, inputs: z.array(z.object({ buildId: id, name: z.string(), state: buildState })) }).describe('Waits for these inputs (at most 10 are listed).'),
    z.object({ kind: z.literal('busy'), queue: z.string(), slots: count, running: count }).describe('All slots of the workers that serve its queue are taken.'),
    z.object({ kind: z.literal('no-worker'), queue: z.string(), system: z.string(), features: z.array(z.string()) }).describe('No live worker serves its system and features.'),
    z.object({ kind: z.literal('starting'), queue: z.string() }).describe('Has what it needs, is about to start.'),
  ]),
  text: z.string().describe('The reason in one line.'),
}).meta({ id: 'QueueEntry' })
export const queuePage = page(queueEntry).meta({ id: 'QueuePage' })
export type QueueEntry = z.infer<typeof queueEntry>

export const worker = z.object({
  id: z.string(),
  host: z.string(),
  systems: z.array(z.string()),
  features: z.array(z.string()),
  slots: count,
  running: z.array(z.object({ buildId: id, name: z.string(), step: attemptStep, startedAt: timestamp })),
  live: z.boolean(),
  startedAt: timestamp,
  seenAt: timestamp,
}).meta({ id: 'Worker' })
export type Worker = z.infer<typeof worker>

export const farmStatus = z.object({
  version: z.string(),
  storeDir: z.string(),
  publicKey: z.string().describe('For `trusted-public-keys` of Nix clients.'),
  startedAt: timestamp,
  evaluations: z.object({ queued: count, evaluating: count, waiting: count, building: count, succeeded: count, failed: count, cancelled: count }),
  builds: z.object({ waiting: count, queued: count, running: count, succeeded: count, failed: count }),
  store: z.object({ paths: count, narBytes: count }),
  workers: z.object({ live: count, slots: count, systems: z.array(z.string()) }),
}).meta({ id: 'FarmStatus' })
export type FarmStatus = z.infer<typeof farmStatus>

/** The data of a server-sent event; its id stands in the event's `id:` line as well. */
export const farmEvent = z.object({
  id,
  evaluationId: id.nullable(),
  buildId: id.nullable(),
  kind: z.string(),
  data: z.record(z.string(), z.unknown()),
  at: timestamp,
}).meta({ id: 'FarmEvent' })
export type FarmEvent = z.infer<typeof farmEvent>

// The store

const fileNode = z.object({ kind: z.literal('file'), digest: z.string(), size: count, executable: z.boolean() })
const directoryNode = z.object({ kind: z.literal('directory'), digest: z.string(), size: count })
const symlinkNode = z.object({ kind: z.literal('symlink'), target: z.string() })

export const pathInfo = z.object({
  path: storePath,
  narHash: z.string().describe('SRI.'),
  narSize: count,
  references: z.array(storePath),
  deriver: z.string().nullable(),
  contentAddress: z.string().nullable(),
  signatures: z.array(z.string()),
  ultimate: z.boolean().describe('Made by this farm, not taken from elsewhere.'),
  registeredAt: timestamp,
  root: z.discriminatedUnion('kind', [fileNode, directoryNode, symlinkNode]).describe('What castore holds of it; digests are BLAKE3 in hexadecimal.'),
}).meta({ id: 'PathInfo' })
export type ApiPathInfo = z.infer<typeof pathInfo>

export const directoryListing = z.object({
  path: storePath,
  subpath: z.string(),
  entries: z.array(z.object({
    name: z.string().describe('Relative to `subpath`; empty for the thing itself where it is no directory.'),
    type: z.enum(['regular', 'directory', 'symlink']),
    size: count.optional(),
    executable: z.boolean().optional(),
    target: z.string().optional(),
  })),
}).meta({ id: 'DirectoryListing' })
export type DirectoryListing = z.infer<typeof directoryListing>

export const closure = z.object({
  path: storePath,
  narBytes: count,
  paths: z.array(z.object({ path: storePath, narSize: count, references: z.array(storePath) })),
}).meta({ id: 'Closure' })

export const pathList = z.object({ paths: z.array(storePath).max(50_000) }).meta({ id: 'PathList' })

export const uploadedSource = z.object({ storePath, narHash: z.string(), narSize: count }).meta({ id: 'UploadedSource' })
export const uploadedPaths = z.object({
  derivations: z.array(drvPath),
  sources: z.array(storePath),
  alreadyValid: count,
}).meta({ id: 'UploadedPaths' })
export const retried = z.object({ builds: z.array(id), evaluationRestarted: z.boolean() })
  .meta({ id: 'Retried', description: 'Builds that will run again: the failed ones, and what failed because of them.' })
export const bumped = z.object({ builds: z.array(id) }).meta({ id: 'Bumped', description: 'Builds that go first now.' })
export type Retried = z.infer<typeof retried>
export const health = z.object({ status: z.enum(['ok', 'failing']), checks: z.record(z.string(), z.string()) }).meta({ id: 'Health' })
