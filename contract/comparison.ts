/**
 * Ring: contract. What two evaluations differ in, what became of a job over time, and what its builds say about themselves. Upstream
 * counterpart: Hydra's BuildDiff and the tabs of its evaluation page.
 */
import { z } from 'zod'

const count = z.number().int().nonnegative()
const id = z.number().int().positive().max(2_147_483_647)
const timestamp = z.iso.datetime()
const jobState = z.enum(['error', 'found', 'waiting', 'queued', 'running', 'succeeded', 'failed'])

/** Each job is in one of these, as on Hydra's page. */
export const CHANGES = ['newly-failing', 'fixed', 'still-failing', 'still-succeeding', 'added', 'removed', 'unfinished', 'aborted'] as const
export const change = z.enum(CHANGES).meta({ id: 'Change', description: '`aborted`: cancelled, or ended by a fault of the farm. `added` and `removed` whatever their state.' })
export type Change = z.infer<typeof change>

const side = z.object({
  state: jobState,
  buildId: id.nullable(),
  drvPath: z.string().nullable(),
  outputBytes: count.nullable(),
  closureBytes: count.nullable(),
})
export const jobChange = z.object({
  attr: z.string(),
  name: z.string().nullable(),
  system: z.string().nullable(),
  change,
  derivationChanged: z.boolean(),
  before: side.nullable(),
  now: side.nullable(),
  reason: z.string().nullable().describe('Why it fails, in one line: its own failure, or the dependency\'s at fault.'),
  faultBuildId: id.nullable().describe('The build at fault.'),
}).meta({ id: 'JobChange' })
export type JobChange = z.infer<typeof jobChange>
export const jobChangePage = z.object({ items: z.array(jobChange), next: z.string().nullable() }).meta({ id: 'JobChangePage' })

export const comparison = z.object({
  evaluation: id,
  against: id.nullable().describe('Null where there is nothing to compare with: everything counts as added.'),
  sameJobs: z.boolean().describe('Both have the same jobs with the same derivations.'),
  counts: z.record(change, count),
  derivationsChanged: count,
  outputBytes: z.object({ before: count, now: count }).describe('Of the jobs that both have and whose size is known.'),
  closureBytes: z.object({ before: count, now: count }),
  inputs: z.array(z.object({ name: z.string(), before: z.string().nullable(), now: z.string().nullable() })).describe('Inputs that differ, by revision or value.'),
  faults: z.array(z.object({ buildId: id, name: z.string(), description: z.string(), jobs: count })).describe('Builds at fault of what newly fails, with how many jobs fail through each; at most 50.'),
}).meta({ id: 'Comparison' })
export type Comparison = z.infer<typeof comparison>

export const jobRun = z.object({
  evaluationId: id,
  evaluatedAt: timestamp.nullable(),
  state: jobState,
  buildId: id.nullable(),
  name: z.string().nullable(),
  system: z.string().nullable(),
  drvPath: z.string().nullable(),
  changed: z.boolean().describe('Its derivation is another than the evaluation\'s before.'),
  startedAt: timestamp.nullable(),
  endedAt: timestamp.nullable(),
  outputBytes: count.nullable(),
  closureBytes: count.nullable(),
  releaseName: z.string().nullable(),
}).meta({ id: 'JobRun', description: 'A job in one evaluation.' })
export type JobRun = z.infer<typeof jobRun>
export const jobRunPage = z.object({ items: z.array(jobRun), next: z.string().nullable() }).meta({ id: 'JobRunPage' })

export const jobsetJob = z.object({ attr: z.string(), name: z.string().nullable(), system: z.string().nullable(), state: jobState, buildId: id.nullable(), evaluationId: id })
  .meta({ id: 'JobsetJob', description: 'A job of a jobset, as its newest evaluation has it.' })
export type JobsetJob = z.infer<typeof jobsetJob>
export const jobsetJobPage = z.object({ items: z.array(jobsetJob), next: z.string().nullable() }).meta({ id: 'JobsetJobPage' })

export const product = z.object({
  number: z.number().int().positive(),
  type: z.string(),
  subtype: z.string(),
  name: z.string(),
  path: z.string(),
  defaultPath: z.string(),
  fileSize: count.nullable(),
  sha256: z.string().nullable(),
}).meta({ id: 'BuildProduct' })
export type BuildProduct = z.infer<typeof product>
export const metric = z.object({ name: z.string(), value: z.number(), unit: z.string() }).meta({ id: 'BuildMetric' })
export type BuildMetric = z.infer<typeof metric>
export const buildResult = z.object({
  buildId: id,
  releaseName: z.string().nullable(),
  outputBytes: count.nullable(),
  closureBytes: count.nullable(),
  failedWithOutput: z.boolean().describe('`nix-support/failed` is there: it made its output, and says that it failed.'),
  keep: z.boolean(),
  products: z.array(product),
  metrics: z.array(metric),
}).meta({ id: 'BuildResult', description: 'What the build of a job says about itself in nix-support/.' })
export type BuildResult = z.infer<typeof buildResult>
export const metricSeries = z.object({ items: z.array(z.object({ evaluationId: id, buildId: id, at: timestamp, value: z.number(), unit: z.string() })) }).meta({ id: 'MetricSeries', description: 'Oldest first, one point a build.' })
export type MetricSeries = z.infer<typeof metricSeries>

/** What of a derivation differs; inputs by name, since their paths always do. */
export const derivationDifference = z.object({
  buildId: id,
  before: id.nullable().describe('The build before of the same job; null where there is none.'),
  drvPath: z.string().nullable(),
  drvPathBefore: z.string().nullable(),
  differences: z.array(z.object({
    kind: z.enum(['builder', 'arguments', 'system', 'environment', 'outputs', 'source', 'input']),
    name: z.string(),
    before: z.string().nullable(),
    now: z.string().nullable(),
    through: z.array(z.string()).optional().describe('For an input that is the same recipe: the inputs in which the difference begins.'),
  })),
}).meta({ id: 'DerivationDifference', description: 'Why it was built: what changed in its derivation.' })
export type DerivationDifference = z.infer<typeof derivationDifference>
