/**
 * Ring: contract. Every route of the farm's API, once: method, path, what goes in and out, and the scope a token needs.
 * Express handlers, validation, OpenAPI, authorisation and the client are all made from this table, and the server
 * refuses to start with a route that has no handler. The binary cache's routes, which Nix defined, are in api/binary-cache/.
 */
import { z } from 'zod'
import { ACCESS_ROUTES } from './access-routes.ts'
import * as api from './api.ts'
import { JOBSET_ROUTES } from './jobset-routes.ts'
import { TOKEN_ROUTES } from './token-routes.ts'
import { VIEW_ROUTES } from './view-routes.ts'

/** What a token may be allowed to do; each route needs one of them. `open` needs none. */
export type Scope = 'open' | 'read' | 'submit' | 'restart' | 'upload' | 'configure' | 'administer'

/** What a response holds that isn't JSON. */
export type StreamKind = 'text/plain' | 'application/octet-stream' | 'text/event-stream'

export interface RouteDefinition {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  /** With `{name}` for parameters, as OpenAPI writes them. */
  readonly path: string
  readonly summary: string
  readonly tag: 'evaluations' | 'builds' | 'jobsets' | 'farm' | 'store' | 'access' | 'system'
  readonly scope: Scope
  /**
   * Where the project stands whose roles may allow this too: in the path, behind the id of an evaluation or a build (any project that
   * wants it), or in the query's jobsets (`named`). Without it, only who may do it in the whole farm.
   */
  readonly project?: 'path' | 'evaluation' | 'build' | 'named'
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  /** Lower-case names. */
  readonly headers?: z.ZodObject
  readonly body?: z.ZodType
  /** Content types of a body that is a stream of bytes; it is not read before the handler does. */
  readonly streamBody?: readonly string[]
  /** JSON responses by status. */
  readonly responses?: Readonly<Record<number, z.ZodType>>
  /** The first is what a client gets that doesn't say. */
  readonly stream?: readonly StreamKind[]
  /** Leads elsewhere (302), and has no other answer. */
  readonly redirects?: true
  /** Besides those that any route may give (400, 500, 503; 401 and 403 unless it is open). */
  readonly problems?: readonly (401 | 403 | 404 | 409 | 412 | 413 | 415 | 416 | 422 | 429)[]
}

const byId = z.object({ id: api.id })
const byPath = z.object({ path: api.storeBaseName })
const seconds = z.number().int().min(0).max(600).default(60)
const lastEventId = z.object({ 'last-event-id': z.string().regex(/^[0-9]{1,19}(-[0-9]{1,18})?$/).optional().describe('The id of the last event seen; 0 for all there are.') })

export const ROUTES = {
  ...JOBSET_ROUTES,
  ...VIEW_ROUTES,
  ...TOKEN_ROUTES,
  ...ACCESS_ROUTES,
  submitEvaluation: {
    method: 'post', path: '/api/v1/evaluations', tag: 'evaluations', scope: 'submit',
    summary: 'Submit an evaluation. With an idempotency key, a repeated submission answers with the first one\'s evaluation (200).',
    headers: z.object({ 'idempotency-key': z.string().regex(/^[\x21-\x7e]{1,200}$/).optional() }),
    body: api.evaluationSubmission,
    responses: { 201: api.evaluation, 200: api.evaluation },
    problems: [404, 409, 413, 415, 422],
  },
  listEvaluations: {
    method: 'get', path: '/api/v1/evaluations', tag: 'evaluations', scope: 'read',
    summary: 'Evaluations, newest first.',
    query: api.pageQuery.extend({ state: api.evaluationState.optional() }),
    responses: { 200: api.evaluationPage },
  },
  getEvaluation: {
    method: 'get', path: '/api/v1/evaluations/{id}', tag: 'evaluations', scope: 'read',
    summary: 'One evaluation.',
    params: byId, responses: { 200: api.evaluation }, problems: [404],
  },
  listJobs: {
    method: 'get', path: '/api/v1/evaluations/{id}/jobs', tag: 'evaluations', scope: 'read',
    summary: 'Jobs of an evaluation, by attribute. `prefix` selects attributes that start with it, `contains` those that have a text in them or their name.',
    params: byId,
    query: api.namedPageQuery.extend({ state: api.jobState.optional(), prefix: z.string().max(1000).regex(/^[^\u0000]*$/).optional(), contains: z.string().max(200).regex(/^[^\u0000]*$/).optional(), brief: z.boolean().default(false).describe('Without `meta` and `outputs`, which can be long.') }),
    responses: { 200: api.jobPage }, problems: [404],
  },
  waitForEvaluation: {
    method: 'get', path: '/api/v1/evaluations/{id}/wait', tag: 'evaluations', scope: 'read',
    summary: 'Answers once the evaluation has ended, or after `timeout` seconds with the state it is in.',
    params: byId, query: z.object({ timeout: seconds }), responses: { 200: api.evaluation }, problems: [404],
  },
  cancelEvaluation: {
    method: 'post', path: '/api/v1/evaluations/{id}/cancel', tag: 'evaluations', scope: 'restart', project: 'evaluation',
    summary: 'Cancel an evaluation. Builds that nobody else wants stop.',
    params: byId, responses: { 202: api.evaluation }, problems: [404, 409],
  },
  retryEvaluation: {
    method: 'post', path: '/api/v1/evaluations/{id}/retry', tag: 'evaluations', scope: 'restart', project: 'evaluation',
    summary: 'Run an evaluation\'s failed builds again, what depended on them, and the attributes that failed through them.',
    params: byId, responses: { 202: api.retried }, problems: [404, 409],
  },
  evaluationEvents: {
    method: 'get', path: '/api/v1/evaluations/{id}/events', tag: 'evaluations', scope: 'read',
    summary: 'Events of one evaluation and its builds, as they happen; resumes after Last-Event-ID. Ends after the evaluation\'s end.',
    params: byId, headers: lastEventId, stream: ['text/event-stream'], problems: [404],
  },
  listBuilds: {
    method: 'get', path: '/api/v1/builds', tag: 'builds', scope: 'read',
    summary: 'Builds, newest first. `path` selects by derivation or output path, `evaluation` those an evaluation wants directly.',
    query: api.pageQuery.extend({
      state: api.buildState.optional(),
      system: z.string().max(100).regex(/^[^\u0000]*$/).optional(),
      name: z.string().max(211).regex(/^[^\u0000]*$/).optional(),
      path: api.storePath.optional(),
      evaluation: api.id.optional(),
    }),
    responses: { 200: api.buildPage },
  },
  getBuild: {
    method: 'get', path: '/api/v1/builds/{id}', tag: 'builds', scope: 'read',
    summary: 'One build, with its attempts and, if it failed, the build at fault.',
    params: byId, responses: { 200: api.buildDetail }, problems: [404],
  },
  listBuildInputs: {
    method: 'get', path: '/api/v1/builds/{id}/inputs', tag: 'builds', scope: 'read',
    summary: 'Builds whose outputs this one needs.',
    params: byId, query: api.pageQuery, responses: { 200: api.buildPage }, problems: [404],
  },
  listBuildDependents: {
    method: 'get', path: '/api/v1/builds/{id}/dependents', tag: 'builds', scope: 'read',
    summary: 'Builds that need this one\'s outputs.',
    params: byId, query: api.pageQuery, responses: { 200: api.buildPage }, problems: [404],
  },
  buildLog: {
    method: 'get', path: '/api/v1/builds/{id}/log', tag: 'builds', scope: 'read',
    summary: 'Log of a build: of its newest attempt, or of the one named. `tail` starts that many lines before the end, '
      + '`follow` goes on until the attempt ends. As an event stream, ids are offsets in bytes.',
    params: byId,
    query: z.object({
      attempt: z.number().int().positive().max(1_000_000).optional(),
      follow: z.boolean().default(false),
      tail: z.number().int().min(0).max(1_000_000).optional(),
    }),
    headers: z.object({ 'last-event-id': z.string().regex(/^\d{1,15}$/).optional(), range: z.string().max(100).optional() }),
    stream: ['text/plain', 'text/event-stream'], problems: [404, 416],
  },
  waitForBuild: {
    method: 'get', path: '/api/v1/builds/{id}/wait', tag: 'builds', scope: 'read',
    summary: 'Answers once the build has succeeded or failed, or after `timeout` seconds.',
    params: byId, query: z.object({ timeout: seconds }), responses: { 200: api.buildDetail }, problems: [404],
  },
  retryBuild: {
    method: 'post', path: '/api/v1/builds/{id}/retry', tag: 'builds', scope: 'restart', project: 'build',
    summary: 'Run a failed build again (for a failed dependency: the build at fault), and revive what failed because of it.',
    params: byId, responses: { 202: api.retried }, problems: [404, 409],
  },
  getStatus: {
    method: 'get', path: '/api/v1/status', tag: 'farm', scope: 'read',
    summary: 'The farm at a glance.', responses: { 200: api.farmStatus },
  },
  listQueue: {
    method: 'get', path: '/api/v1/queue', tag: 'farm', scope: 'read',
    summary: 'Builds that are wanted and don\'t run, and why.',
    query: api.pageQuery, responses: { 200: api.queuePage },
  },
  listWorkers: {
    method: 'get', path: '/api/v1/workers', tag: 'farm', scope: 'read',
    summary: 'Workers, and what they do.', responses: { 200: z.object({ items: z.array(api.worker) }).meta({ id: 'WorkerList' }) },
  },
  events: {
    method: 'get', path: '/api/v1/events', tag: 'farm', scope: 'read',
    summary: 'Events of the whole farm, as they happen, in commit order; resumes after Last-Event-ID.',
    headers: lastEventId, query: z.object({ build: api.id.optional() }), stream: ['text/event-stream'],
  },
  uploadSource: {
    method: 'put', path: '/api/v1/sources', tag: 'store', scope: 'submit',
    summary: 'Add a tree to the store: a tar stream of its content, or a NAR (which may be a single file).',
    query: z.object({ name: z.string().regex(/^[0-9a-zA-Z+\-_?=][0-9a-zA-Z+\-._?=]{0,210}$/).default('source') }),
    streamBody: ['application/x-tar', 'application/x-nix-nar'],
    responses: { 201: api.uploadedSource }, problems: [413, 415, 422],
  },
  uploadDerivations: {
    method: 'post', path: '/api/v1/derivations', tag: 'store', scope: 'submit',
    summary: 'Add derivations and their sources, as `nix-store --export` writes them. Output paths are computed again.',
    streamBody: ['application/x-nix-export'],
    responses: { 201: api.uploadedPaths }, problems: [413, 415, 422],
  },
  getPathInfo: {
    method: 'get', path: '/api/v1/store/{path}', tag: 'store', scope: 'read',
    summary: 'What is known of a store path.',
    params: byPath, responses: { 200: api.pathInfo }, problems: [404],
  },
  queryMissing: {
    method: 'post', path: '/api/v1/missing-paths', tag: 'store', scope: 'read',
    summary: 'Of these paths, those that the farm does not have.',
    body: api.pathList, responses: { 200: api.pathList }, problems: [413, 415],
  },
  listDirectory: {
    method: 'get', path: '/api/v1/store/{path}/ls', tag: 'store', scope: 'read',
    summary: 'List a directory below a store path.',
    params: byPath, query: z.object({ subpath: z.string().max(4096).regex(/^[^\u0000]*$/).default(''), recursive: z.boolean().default(false) }),
    responses: { 200: api.directoryListing }, problems: [404, 409],
  },
  readStoreFile: {
    method: 'get', path: '/api/v1/store/{path}/cat', tag: 'store', scope: 'read',
    summary: 'A file below a store path; ranges are served.',
    params: byPath, query: z.object({ subpath: z.string().max(4096).regex(/^[^\u0000]*$/).default('') }),
    headers: z.object({ range: z.string().max(100).optional() }),
    stream: ['application/octet-stream'], problems: [404, 409, 416],
  },
  getClosure: {
    method: 'get', path: '/api/v1/store/{path}/closure', tag: 'store', scope: 'read',
    summary: 'A store path and everything it refers to.',
    params: byPath, responses: { 200: api.closure }, problems: [404, 409],
  },
  openapi: {
    method: 'get', path: '/api/v1/openapi.json', tag: 'system', scope: 'open',
    summary: 'This description.', responses: { 200: z.record(z.string(), z.unknown()) },
  },
  healthz: {
    method: 'get', path: '/healthz', tag: 'system', scope: 'open',
    summary: 'The process is alive.', responses: { 200: api.health },
  },
  readyz: {
    method: 'get', path: '/readyz', tag: 'system', scope: 'open',
    summary: 'The process can do its work: the database and Temporal answer.', responses: { 200: api.health, 503: api.health },
  },
  metrics: {
    method: 'get', path: '/metrics', tag: 'system', scope: 'open',
    summary: 'Metrics for Prometheus.', stream: ['text/plain'],
  },
} as const satisfies Readonly<Record<string, RouteDefinition>>

export type RouteName = keyof typeof ROUTES
export type Route<Name extends RouteName> = (typeof ROUTES)[Name]

type Input<Schema> = Schema extends z.ZodType ? z.input<Schema> : undefined
type Output<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined
type Field<Name extends RouteName, Key extends string> = Route<Name> extends { readonly [K in Key]: infer Schema } ? Schema : undefined
type OptionalUndefined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & { [K in keyof T as undefined extends T[K] ? K : never]?: T[K] }

/** What a client passes to call a route. Values of `query` are typed; the client writes them as text. */
export type RouteRequest<Name extends RouteName> = OptionalUndefined<{
  params: Input<Field<Name, 'params'>>
  query: Partial<NonNullable<Input<Field<Name, 'query'>>>> | undefined
  headers: Input<Field<Name, 'headers'>> | undefined
  body: Input<Field<Name, 'body'>>
}>

/** What the server's handler gets, after validation and with defaults filled in. */
export interface ValidatedRequest<Name extends RouteName> {
  readonly params: Output<Field<Name, 'params'>>
  readonly query: Output<Field<Name, 'query'>>
  readonly headers: Output<Field<Name, 'headers'>>
  readonly body: Output<Field<Name, 'body'>>
}

/** The JSON of any successful response of a route; undefined for streams. */
export type RouteResponse<Name extends RouteName> = Route<Name> extends { readonly responses: infer Responses } ? Output<Responses[keyof Responses]> : undefined
