/** Ring: contract. What pages for people need beyond single things: graphs, search, the lines of a log. */
import { z } from 'zod'

const count = z.number().int().nonnegative()
const id = z.number().int().positive().max(2_147_483_647)
const timestamp = z.iso.datetime()
const buildState = z.enum(['waiting', 'queued', 'running', 'succeeded', 'failed'])

export const graphNode = z.object({
  id,
  name: z.string(),
  kind: z.enum(['derivation', 'fetch']),
  state: buildState,
  how: z.enum(['valid', 'built', 'fetched', 'substituted']).nullable(),
  worker: z.string().nullable(),
  queuedAt: timestamp.nullable(),
  startedAt: timestamp.nullable(),
  endedAt: timestamp.nullable(),
  wanted: z.array(z.enum(['job', 'import'])).describe('Whether the evaluation wants it itself: to build, or to go on evaluating.'),
  inputs: z.array(id).describe('Inputs that are in this graph as well.'),
}).meta({ id: 'GraphNode' })
export type GraphNode = z.infer<typeof graphNode>

export const graph = z.object({
  total: count.describe('Nodes there are; those given may be fewer.'),
  nodes: z.array(graphNode),
}).meta({ id: 'Graph', description: 'Builds and what they need of each other. What failed, runs or waits comes before what succeeded, and then what took longest.' })
export type Graph = z.infer<typeof graph>

export const searchResult = z.object({
  evaluations: z.array(z.object({ id, title: z.string(), state: z.string(), createdAt: timestamp, revision: z.string().nullable().describe('The commit that was searched for.') })),
  projects: z.array(z.object({ project: z.string(), jobset: z.string().nullable() })),
  jobs: z.array(z.object({ evaluationId: id, attr: z.string(), name: z.string().nullable(), system: z.string().nullable(), state: z.string(), buildId: id.nullable() })),
  builds: z.array(z.object({ id, name: z.string(), system: z.string(), state: buildState, drvPath: z.string().nullable() })),
  paths: z.array(z.string()).describe('Valid store paths.'),
}).meta({ id: 'SearchResult' })
export type SearchResult = z.infer<typeof searchResult>

export const logIndex = z.object({
  attempt: z.number().int().positive(),
  ended: z.boolean(),
  bytes: count,
  lines: count.describe('An unfinished last line counts.'),
  every: z.number().int().positive().describe('Lines between two offsets.'),
  offsets: z.array(count).describe('Where line 0, `every`, 2·`every` … begin, in bytes.'),
}).meta({ id: 'LogIndex', description: 'Where lines of a log are, so that a part of it can be read by range.' })
export type LogIndex = z.infer<typeof logIndex>

export const logMatches = z.object({
  attempt: z.number().int().positive(),
  matches: z.array(z.object({ line: count.describe('Counts from 0.'), text: z.string().describe('The line, at most 500 characters of it.') })),
  next: count.nullable().describe('The line to go on from (`from`); null where the log was searched to its end.'),
}).meta({ id: 'LogMatches' })
export type LogMatches = z.infer<typeof logMatches>

export const referrers = z.object({ total: count, paths: z.array(z.string()).describe('Sorted by name; at most 1000.') }).meta({ id: 'Referrers' })
export type Referrers = z.infer<typeof referrers>
