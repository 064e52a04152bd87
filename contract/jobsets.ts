/**
 * Ring: contract. Projects, jobsets, their inputs and triggers, as the API takes and shows them and as the database keeps them.
 * Upstream counterpart: Hydra's Projects, Jobsets, JobsetInputs; docs/design/jobsets.md says what differs.
 */
import { z } from 'zod'

const text = (maximum: number) => z.string().max(maximum).regex(/^[^\u0000]*$/)
const line = (maximum: number) => z.string().max(maximum).regex(/^[^\u0000\r\n]*$/)
const timestamp = z.iso.datetime()
const count = z.number().int().nonnegative()
const id = z.number().int().positive().max(2_147_483_647)

/** Names of projects, jobsets and inputs: Hydra's rule, and dots, which its own jobsets have. */
export const name = z.string().max(100).regex(/^[A-Za-z_][A-Za-z0-9_.-]*$/).meta({ id: 'Name', description: 'A name of a project, jobset or input.' })
const inputName = z.string().max(100).regex(/^[A-Za-z_][A-Za-z0-9_'-]*$/)
/** Parts of git references that git itself takes; none may be read as an option. */
const reference = z.string().min(1).max(500).regex(/^(?!-)[^\u0000-\u0020~^:?*[\\]+$/)
const address = z.string().min(1).max(2000).regex(/^(?!-)[^\u0000-\u0020]+$/)

export const jobsetInput = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('git'), url: address,
    ref: reference.optional().describe('A branch, or a full reference (`refs/tags/v1`); the default branch without it.'),
    revision: z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/).optional().describe('This commit, for ever.'),
    submodules: z.boolean().default(false),
    credential: name.optional().describe('A credential of the project, for the server.'),
  }).describe('A git repository: its revision is looked up at each check.'),
  z.object({ kind: z.literal('path'), path: text(4096).startsWith('/') }).describe('A folder of the farm\'s machine; where the farm\'s settings allow it.'),
  z.object({ kind: z.literal('tarball'), url: address, credential: name.optional() }).describe('An archive, unpacked.'),
  z.object({ kind: z.literal('file'), url: address, credential: name.optional() }).describe('One file.'),
  z.object({ kind: z.literal('string'), value: text(100_000) }),
  z.object({ kind: z.literal('boolean'), value: z.boolean() }),
  z.object({ kind: z.literal('number'), value: z.number().int().min(-9_007_199_254_740_991).max(9_007_199_254_740_991) }),
  z.object({ kind: z.literal('expression'), value: text(100_000) }).describe('Text of a Nix expression.'),
  z.object({
    kind: z.literal('jobset'), project: name, jobset: name,
    job: text(1000).optional().describe('One job: its newest build that succeeded. Without it, all that succeeded of the newest finished evaluation, as a set.'),
  }).describe('What another jobset has built.'),
]).meta({ id: 'JobsetInput' })
export type JobsetInput = z.infer<typeof jobsetInput>

export const jobsetSource = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('expression'), input: inputName, file: text(4096).regex(/^(?!\/)/).describe('Below the input; empty for its default.nix.'),
    attributes: z.array(text(1000)).max(1000).default([]).describe('Only these attribute paths; empty for the whole value.'),
    walk: z.enum(['all', 'marked']).default('all').describe('Into which sets to look for jobs: all, or those with `recurseForDerivations`.'),
  }).describe('A file that gives a set of jobs, or a function to one, called with the inputs it names.'),
  z.object({
    kind: z.literal('flake'), url: address, attribute: text(1000).default('hydraJobs'),
    credential: name.optional(),
  }).describe('A flake; `checks` where it has no `hydraJobs`.'),
]).meta({ id: 'JobsetSource' })
export type JobsetSource = z.infer<typeof jobsetSource>

export const jobsetSettings = z.object({
  currentSystem: line(100).min(1),
  mode: z.enum(['impure', 'restricted', 'pure']),
  allowedUris: z.array(line(2000)).max(1000),
  allowImportFromDerivation: z.boolean(),
  dryRun: z.boolean().describe('Find derivations, but build none.'),
}).partial().meta({ id: 'JobsetSettings', description: 'How it is evaluated; never more freely than the farm allows.' })
export type JobsetSettings = z.infer<typeof jobsetSettings>

/** Where news of a jobset go. */
export const notification = z.discriminatedUnion('kind', [
  z.object({
    kind: z.enum(['github', 'gitea', 'gitlab']), input: inputName.describe('The input whose commit gets the status.'),
    credential: name.describe('A credential with the forge\'s token.'),
    api: address.optional().describe('The API\'s address, where it can\'t be told from the input\'s.'),
    repository: z.string().max(300).regex(/^[\w.-]+(\/[\w.-]+)+$/).optional().describe('`owner/name`, where it can\'t be told from the input\'s address.'),
    context: line(100).optional(),
    failures: z.number().int().min(0).max(50).default(10).describe('At most so many failed jobs get a status of their own.'),
  }).describe('Commit statuses.'),
  z.object({ kind: z.literal('webhook'), url: address, secret: name.optional().describe('A credential whose secret signs the body (HMAC-SHA-256, `X-Firn-Signature-256`).'), events: z.array(z.enum(['evaluation.started', 'evaluation.ended', 'build.ended'])).min(1).default(['evaluation.ended']) }).describe('JSON by POST.'),
  z.object({ kind: z.literal('email'), to: z.array(z.email().max(300)).min(1).max(50), when: z.enum(['changed', 'failed', 'always']).default('changed') }).describe('Mail when an evaluation has ended; `changed`: when something newly fails or is fixed.'),
]).meta({ id: 'Notification' })
export type Notification = z.infer<typeof notification>

export const pullRequests = z.object({
  input: inputName.describe('The input that is taken from the pull request.'),
  authors: z.enum(['collaborators', 'anyone']).default('collaborators').describe('Whose pull requests are evaluated: of members of the repository, or anybody\'s.'),
}).meta({ id: 'PullRequests' })
export type PullRequests = z.infer<typeof pullRequests>

const jobsetFields = {
  description: text(10_000).default(''),
  source: jobsetSource,
  inputs: z.record(inputName, jobsetInput).default({}),
  settings: jobsetSettings.default({}),
  state: z.enum(['enabled', 'disabled', 'one-shot']).default('enabled').describe('`one-shot`: disabled after its next evaluation.'),
  hidden: z.boolean().default(false),
  pollSeconds: z.number().int().min(0).max(31_536_000).default(0).describe('Look for changes this often; 0: never by itself.'),
  schedule: z.array(line(200).min(9)).max(20).default([]).describe('Cron expressions (UTC) at which to look for changes.'),
  whenRunning: z.enum(['overlap', 'wait', 'supersede']).default('overlap').describe('What becomes of an evaluation that still runs when the next is due.'),
  shares: z.number().int().min(1).max(100_000).default(100).describe('Its part of the farm, beside other jobsets\'.'),
  priority: z.number().int().min(1).max(5).default(3).describe('1 goes first, whatever the shares.'),
  keep: z.number().int().min(0).max(100_000).default(0).describe('Keep the last so many evaluations; 0 keeps all.'),
  pullRequests: pullRequests.nullable().default(null),
  notifications: z.array(notification).max(50).default([]),
}
/** A jobset as it is made or replaced. */
export const jobsetDefinition = z.object(jobsetFields).meta({ id: 'JobsetDefinition' })
export type JobsetDefinition = z.output<typeof jobsetDefinition>

/** What a trigger says of where it came from. */
export const triggerCause = z.object({
  kind: z.enum(['hand', 'poll', 'schedule', 'webhook', 'push', 'declarative', 'created']),
  by: z.string().optional().describe('User, token or forge.'),
  delivery: z.string().optional().describe('The forge\'s id of its message.'),
  pullRequest: z.object({ number: z.number().int(), title: z.string(), url: z.string(), author: z.string() }).optional(),
}).meta({ id: 'TriggerCause' })
export type TriggerCause = z.infer<typeof triggerCause>

/** An input as an evaluation saw it. */
export const resolvedInput = z.object({
  kind: z.enum(['git', 'path', 'tarball', 'file', 'string', 'boolean', 'number', 'expression', 'jobset', 'flake']),
  url: z.string().optional(),
  ref: z.string().optional(),
  revision: z.string().optional(),
  revisionCount: z.number().int().optional(),
  lastModified: z.number().int().optional(),
  storePath: z.string().optional(),
  narHash: z.string().optional(),
  value: z.union([z.string(), z.boolean(), z.number()]).optional(),
  buildId: z.number().int().optional(),
  evaluationId: z.number().int().optional(),
}).meta({ id: 'ResolvedInput' })
export type ResolvedInput = z.infer<typeof resolvedInput>

const checkCounts = z.object({ total: count, errors: count, found: count, waiting: count, queued: count, running: count, succeeded: count, failed: count })
/** The newest evaluation, as lists of jobsets show it. */
const newest = z.object({ id, state: z.string(), createdAt: timestamp, endedAt: timestamp.nullable(), jobs: checkCounts }).nullable()

export const jobset = z.object({
  id,
  project: name,
  name,
  ...jobsetFields,
  generated: z.boolean().describe('Made from the project\'s declarative file.'),
  checkedAt: timestamp.nullable().describe('When its inputs were last looked at.'),
  error: z.string().nullable().describe('Why the last check failed.'),
  errorAt: timestamp.nullable(),
  pending: count.describe('Triggers that wait to be taken.'),
  latest: newest.describe('Its newest evaluation.'),
  createdAt: timestamp,
  version: z.number().int().describe('Counts changes; also the ETag.'),
}).meta({ id: 'Jobset' })
export type Jobset = z.infer<typeof jobset>

const projectFields = {
  displayName: line(200).default(''),
  description: text(10_000).default(''),
  homepage: address.nullable().default(null),
  enabled: z.boolean().default(true).describe('None of its jobsets is evaluated by itself otherwise.'),
  hidden: z.boolean().default(false),
  declarative: z.object({ input: jobsetInput, file: text(4096).min(1).regex(/^(?!\/)/) }).nullable().default(null)
    .describe('A file in an input that lists the jobsets, as JSON or a Nix expression that gives a set of them.'),
}
export const projectDefinition = z.object(projectFields).meta({ id: 'ProjectDefinition' })
export type ProjectDefinition = z.output<typeof projectDefinition>

export const project = z.object({
  id,
  name,
  ...projectFields,
  jobsets: count,
  error: z.string().nullable().describe('Why the declarative file could not be taken.'),
  createdAt: timestamp,
  version: z.number().int(),
}).meta({ id: 'Project' })
export type Project = z.infer<typeof project>

/** What evaluates a jobset now. */
export const triggerRequest = z.object({
  force: z.boolean().default(false).describe('Also where nothing changed.'),
  variant: line(100).regex(/^[A-Za-z0-9_./-]*$/).default('').describe('A line of evaluations of its own, beside the main one.'),
  overrides: z.record(inputName, z.object({ url: address, ref: reference, revision: z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/), value: z.union([text(100_000), z.boolean(), z.number()]) }).partial()).default({})
    .describe('What replaces parts of inputs, for this evaluation.'),
}).meta({ id: 'TriggerRequest' })
export type TriggerRequest = z.output<typeof triggerRequest>
export type Overrides = TriggerRequest['overrides']

export const triggered = z.object({ jobset: z.string().describe('`project/jobset`.'), trigger: id }).meta({ id: 'Triggered' })

/** What of an evaluation belongs to its jobset. */
export const evaluationOfJobset = z.object({
  project: name,
  jobset: name,
  variant: z.string(),
  inputs: z.record(z.string(), resolvedInput),
  cause: triggerCause.nullable(),
  previous: id.nullable().describe('What it is compared with unless another is named.'),
  sameAs: id.nullable().describe('An earlier evaluation with the same jobs and derivations.'),
  keep: z.boolean(),
}).meta({ id: 'EvaluationOfJobset' })
export type EvaluationOfJobset = z.infer<typeof evaluationOfJobset>
