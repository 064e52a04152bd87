/**
 * Ring: contract. The routes of projects and jobsets: a part of the table in api-routes.ts, where what holds for all routes is said.
 */
import { z } from 'zod'
import * as api from './api.ts'
import type { RouteDefinition } from './api-routes.ts'
import * as comparisons from './comparison.ts'
import * as jobsets from './jobsets.ts'

const byId = z.object({ id: api.id })
const ofProject = z.object({ project: jobsets.name })
const ofJobset = z.object({ project: jobsets.name, jobset: jobsets.name })
const ofJob = ofJobset.extend({ job: z.string().min(1).max(1000).regex(/^[^\u0000]*$/) })
const ifMatch = z.object({ 'if-match': z.string().regex(/^(W\/)?"[0-9]{1,18}"$/).optional().describe('Only if it is this version.'), 'if-none-match': z.literal('*').optional().describe('Only if there is none.') })
const idempotency = z.object({ 'idempotency-key': z.string().regex(/^[\x21-\x7e]{1,200}$/).optional() })
const against = api.id.optional().describe('The evaluation to compare with; the one before of its jobset unless given.')

export const JOBSET_ROUTES = {
  listProjects: {
    method: 'get', path: '/api/v1/projects', tag: 'jobsets', scope: 'read',
    summary: 'Projects, by name.',
    query: api.namedPageQuery.extend({ hidden: z.boolean().default(false).describe('Hidden ones too.') }), responses: { 200: z.object({ items: z.array(jobsets.project), next: z.string().nullable() }).meta({ id: 'ProjectPage' }) },
  },
  getProject: {
    method: 'get', path: '/api/v1/projects/{project}', tag: 'jobsets', scope: 'read',
    summary: 'One project.', params: ofProject, responses: { 200: jobsets.project }, problems: [404],
  },
  putProject: {
    method: 'put', path: '/api/v1/projects/{project}', tag: 'jobsets', scope: 'administer', project: 'path',
    summary: 'Make a project, or replace what is said of it.', params: ofProject, headers: ifMatch, body: jobsets.projectDefinition,
    responses: { 200: jobsets.project, 201: jobsets.project }, problems: [412, 413, 415, 422],
  },
  deleteProject: {
    method: 'delete', path: '/api/v1/projects/{project}', tag: 'jobsets', scope: 'administer', project: 'path',
    summary: 'Delete a project with its jobsets and their evaluations. Builds stay.', params: ofProject, responses: { 200: jobsets.project }, problems: [404],
  },
  evaluateProject: {
    method: 'post', path: '/api/v1/projects/{project}/evaluate', tag: 'jobsets', scope: 'submit', project: 'path',
    summary: 'Read the declarative file of a project now, and make its jobsets what it says.', params: ofProject, responses: { 202: jobsets.triggered }, problems: [404, 409],
  },
  listJobsets: {
    method: 'get', path: '/api/v1/projects/{project}/jobsets', tag: 'jobsets', scope: 'read',
    summary: 'Jobsets of a project, by name, with the newest evaluation of each.', params: ofProject,
    query: api.namedPageQuery.extend({ hidden: z.boolean().default(false).describe('Hidden ones too.') }), responses: { 200: z.object({ items: z.array(jobsets.jobset), next: z.string().nullable() }).meta({ id: 'JobsetPage' }) }, problems: [404],
  },
  getJobset: {
    method: 'get', path: '/api/v1/projects/{project}/jobsets/{jobset}', tag: 'jobsets', scope: 'read',
    summary: 'One jobset.', params: ofJobset, responses: { 200: jobsets.jobset }, problems: [404],
  },
  putJobset: {
    method: 'put', path: '/api/v1/projects/{project}/jobsets/{jobset}', tag: 'jobsets', scope: 'configure', project: 'path',
    summary: 'Make a jobset, or replace its definition. A new one that is enabled is evaluated at once.', params: ofJobset, headers: ifMatch, body: jobsets.jobsetDefinition,
    responses: { 200: jobsets.jobset, 201: jobsets.jobset }, problems: [404, 412, 413, 415, 422],
  },
  deleteJobset: {
    method: 'delete', path: '/api/v1/projects/{project}/jobsets/{jobset}', tag: 'jobsets', scope: 'configure', project: 'path',
    summary: 'Delete a jobset with its evaluations. Builds stay.', params: ofJobset, responses: { 200: jobsets.jobset }, problems: [404],
  },
  evaluateJobset: {
    method: 'post', path: '/api/v1/projects/{project}/jobsets/{jobset}/evaluate', tag: 'jobsets', scope: 'submit', project: 'path',
    summary: 'Look at the inputs now, and evaluate if something changed. Triggers that come before one is taken are one.', params: ofJobset, headers: idempotency, body: jobsets.triggerRequest,
    responses: { 202: jobsets.triggered }, problems: [404, 409, 413, 415, 422],
  },
  listJobsetEvaluations: {
    method: 'get', path: '/api/v1/projects/{project}/jobsets/{jobset}/evaluations', tag: 'jobsets', scope: 'read',
    summary: 'Evaluations of a jobset, newest first.', params: ofJobset,
    query: api.pageQuery.extend({ state: api.evaluationState.optional(), variant: z.string().max(100).regex(/^[A-Za-z0-9_./-]*$/).optional() }),
    responses: { 200: api.evaluationPage }, problems: [404],
  },
  listJobsetJobs: {
    method: 'get', path: '/api/v1/projects/{project}/jobsets/{jobset}/jobs', tag: 'jobsets', scope: 'read',
    summary: 'Jobs of a jobset as its newest evaluation has them.', params: ofJobset,
    query: api.namedPageQuery.extend({ contains: z.string().max(200).regex(/^[^\u0000]*$/).optional() }),
    responses: { 200: comparisons.jobsetJobPage }, problems: [404],
  },
  jobHistory: {
    method: 'get', path: '/api/v1/projects/{project}/jobsets/{jobset}/jobs/{job}', tag: 'jobsets', scope: 'read',
    summary: 'What became of a job, newest evaluation first.', params: ofJob, query: api.pageQuery,
    responses: { 200: comparisons.jobRunPage }, problems: [404],
  },
  latestBuild: {
    method: 'get', path: '/api/v1/projects/{project}/jobsets/{jobset}/jobs/{job}/latest', tag: 'jobsets', scope: 'read',
    summary: 'The newest build of a job that succeeded; with `finished`, of an evaluation of which nothing is unfinished.', params: ofJob,
    query: z.object({ finished: z.boolean().default(false), system: z.string().max(100).regex(/^[^\u0000]*$/).optional() }),
    responses: { 200: comparisons.jobRun }, problems: [404],
  },
  jobMetric: {
    method: 'get', path: '/api/v1/projects/{project}/jobsets/{jobset}/jobs/{job}/metrics/{metric}', tag: 'jobsets', scope: 'read',
    summary: 'A metric of a job over its builds (the last 1000).', params: ofJob.extend({ metric: z.string().min(1).max(200).regex(/^[^\u0000]*$/) }),
    responses: { 200: comparisons.metricSeries }, problems: [404],
  },
  compareEvaluation: {
    method: 'get', path: '/api/v1/evaluations/{id}/comparison', tag: 'evaluations', scope: 'read',
    summary: 'What changed against an earlier evaluation: counts, inputs, and what is at fault.', params: byId, query: z.object({ against }),
    responses: { 200: comparisons.comparison }, problems: [404],
  },
  listChanges: {
    method: 'get', path: '/api/v1/evaluations/{id}/changes', tag: 'evaluations', scope: 'read',
    summary: 'Jobs by what changed, by attribute.', params: byId,
    query: api.namedPageQuery.extend({ against, change: comparisons.change.optional(), derivationChanged: z.boolean().optional(), contains: z.string().max(200).regex(/^[^\u0000]*$/).optional() }),
    responses: { 200: comparisons.jobChangePage }, problems: [404],
  },
  keepEvaluation: {
    method: 'put', path: '/api/v1/evaluations/{id}/keep', tag: 'evaluations', scope: 'restart', project: 'evaluation',
    summary: 'Keep an evaluation for ever, or don\'t.', params: byId, body: z.object({ keep: z.boolean() }), responses: { 200: api.evaluation }, problems: [404, 413, 415],
  },
  bumpEvaluation: {
    method: 'post', path: '/api/v1/evaluations/{id}/bump', tag: 'evaluations', scope: 'restart', project: 'evaluation',
    summary: 'Move what is unfinished of an evaluation to the front of the queue.', params: byId, responses: { 202: api.bumped }, problems: [404, 409],
  },
  bumpBuild: {
    method: 'post', path: '/api/v1/builds/{id}/bump', tag: 'builds', scope: 'restart', project: 'build',
    summary: 'Move a build, and what it waits for, to the front of the queue.', params: byId, responses: { 202: api.bumped }, problems: [404, 409],
  },
  cancelBuild: {
    method: 'post', path: '/api/v1/builds/{id}/cancel', tag: 'builds', scope: 'restart', project: 'build',
    summary: 'Cancel a build, for everybody who wants it.', params: byId, responses: { 202: api.build }, problems: [404, 409],
  },
  keepBuild: {
    method: 'put', path: '/api/v1/builds/{id}/keep', tag: 'builds', scope: 'restart', project: 'build',
    summary: 'Keep the evaluations that have this build as a job, or don\'t.', params: byId, body: z.object({ keep: z.boolean() }), responses: { 200: comparisons.buildResult }, problems: [404, 413, 415],
  },
  buildResult: {
    method: 'get', path: '/api/v1/builds/{id}/result', tag: 'builds', scope: 'read',
    summary: 'What a job\'s build says about itself: products, release name, metrics, sizes.', params: byId, responses: { 200: comparisons.buildResult }, problems: [404],
  },
  buildProduct: {
    method: 'get', path: '/api/v1/builds/{id}/products/{number}', tag: 'builds', scope: 'read',
    summary: 'A build product that is a file; ranges are served.', params: byId.extend({ number: z.number().int().positive().max(1_000_000) }),
    headers: z.object({ range: z.string().max(100).optional() }), stream: ['application/octet-stream'], problems: [404, 409, 416],
  },
  buildReason: {
    method: 'get', path: '/api/v1/builds/{id}/why', tag: 'builds', scope: 'read',
    summary: 'Why it was built: what changed in its derivation against the job\'s build before, or against another build.', params: byId, query: z.object({ against: api.id.optional() }),
    responses: { 200: comparisons.derivationDifference }, problems: [404],
  },
  listConstituents: {
    method: 'get', path: '/api/v1/evaluations/{id}/constituents', tag: 'evaluations', scope: 'read',
    summary: 'Jobs that belong to an aggregate.', params: byId, query: api.namedPageQuery.extend({ job: z.string().max(1000).regex(/^[^\u0000]*$/) }), responses: { 200: api.jobPage }, problems: [404],
  },
} as const satisfies Readonly<Record<string, RouteDefinition>>
