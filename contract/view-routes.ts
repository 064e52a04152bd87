/** Ring: contract. Routes for pages that people look at: a part of the table in api-routes.ts. */
import { z } from 'zod'
import * as api from './api.ts'
import type { RouteDefinition } from './api-routes.ts'
import * as views from './views.ts'

const byId = z.object({ id: api.id })
const graphLimit = z.number().int().min(1).max(20_000).default(1000)
const attempt = z.number().int().positive().max(1_000_000).optional()
const line = z.string().max(200).regex(/^[^\u0000\r\n]+$/)

export const VIEW_ROUTES = {
  search: {
    method: 'get', path: '/api/v1/search', tag: 'farm', scope: 'read',
    summary: 'Evaluations (by number or commit), projects, jobsets, jobs, builds, derivations and store paths that fit a text.',
    query: z.object({ query: line, limit: z.number().int().min(1).max(100).default(10).describe('Of each kind.') }),
    responses: { 200: views.searchResult },
  },
  evaluationGraph: {
    method: 'get', path: '/api/v1/evaluations/{id}/graph', tag: 'evaluations', scope: 'read',
    summary: 'Everything that is or was realised because of an evaluation, and how it hangs together.',
    params: byId, query: z.object({ limit: graphLimit }), responses: { 200: views.graph }, problems: [404],
  },
  buildGraph: {
    method: 'get', path: '/api/v1/builds/{id}/graph', tag: 'builds', scope: 'read',
    summary: 'A build and what it needs, over as many steps as fit into the limit.',
    params: byId, query: z.object({ limit: graphLimit }), responses: { 200: views.graph }, problems: [404],
  },
  buildLogIndex: {
    method: 'get', path: '/api/v1/builds/{id}/log/index', tag: 'builds', scope: 'read',
    summary: 'Where the lines of a log are.', params: byId, query: z.object({ attempt }), responses: { 200: views.logIndex }, problems: [404],
  },
  searchBuildLog: {
    method: 'get', path: '/api/v1/builds/{id}/log/search', tag: 'builds', scope: 'read',
    summary: 'Lines of a log that hold a text, upper and lower case alike. Of a long log one request looks through a part.',
    params: byId, query: z.object({ attempt, query: line, from: z.number().int().min(0).default(0).describe('First line looked at.'), limit: z.number().int().min(1).max(1000).default(200) }),
    responses: { 200: views.logMatches }, problems: [404],
  },
  listReferrers: {
    method: 'get', path: '/api/v1/store/{path}/referrers', tag: 'store', scope: 'read',
    summary: 'Valid paths that refer to this one.', params: z.object({ path: api.storeBaseName }), responses: { 200: views.referrers }, problems: [404],
  },
} as const satisfies Readonly<Record<string, RouteDefinition>>
