/**
 * Ring: api. The OpenAPI 3.1 description, made from the same table and schemas that validate requests.
 */
import { z } from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject, type ZodOpenApiResponsesObject } from 'zod-openapi'
import * as api from '../contract/api.ts'
import { type RouteDefinition, ROUTES } from '../contract/api-routes.ts'

const TAGS = {
  evaluations: 'Submit expressions and follow what becomes of them.',
  builds: 'Derivations and downloads, shared by all evaluations that want them.',
  jobsets: 'Projects and jobsets: what is evaluated again and again, and what became of it.',
  farm: 'The queue, workers, events.',
  access: 'Signing in, users, roles in projects, credentials, the audit log.',
  store: 'Store paths: what is there, uploads.',
  system: 'Health, metrics, this description.',
} as const

const PROBLEMS: Readonly<Record<number, string>> = {
  400: 'The request does not fit.', 401: 'A token is needed.', 403: 'Not allowed.', 404: 'No such thing.', 409: 'The state of things does not allow it.',
  412: 'A condition of the request does not hold.', 413: 'Too large.', 415: 'A type of body that is not understood.', 416: 'No such range.', 422: 'Well-formed, but not acceptable.',
  429: 'Too many tries; wait for as long as Retry-After says.',
  500: 'An error inside Firn.', 503: 'Something that Firn needs does not answer.',
}

/** The document, as JSON. `serverUrl` is where clients reach this API. */
export function openApiDocument(version: string, serverUrl: string): Record<string, unknown> {
  const paths: ZodOpenApiPathsObject = {}
  for (const [name, route] of Object.entries<RouteDefinition>(ROUTES)) {
    paths[route.path] = { ...paths[route.path], [route.method]: operationOf(name, route) }
  }
  const document = createDocument({
    openapi: '3.1.1',
    info: { title: 'Firn', version, description: 'A build farm for Nix expressions.', license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: serverUrl }],
    tags: Object.entries(TAGS).map(([tag, description]) => ({ name: tag, description })),
    paths,
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' }, session: { type: 'apiKey', in: 'cookie', name: 'firn_session' } } },
  }, {
    // an array that our own code does not change is not one that clients may not send
    override: ({ jsonSchema }) => { delete jsonSchema.readOnly },
  })
  return document as unknown as Record<string, unknown>
}

function operationOf(name: string, route: RouteDefinition): ZodOpenApiOperationObject {
  const requestParams = {
    ...(route.params && { path: route.params }),
    ...(route.query && { query: route.query }),
    ...(route.headers && { header: route.headers }),
  }
  return {
    operationId: name,
    summary: route.summary,
    tags: [route.tag],
    ...(route.scope === 'open' ? { security: [] } : { security: [{}, { token: [] }, { session: [] }], 'x-firn-scope': route.scope }),
    ...(Object.keys(requestParams).length > 0 && { requestParams }),
    ...(route.body && { requestBody: { required: true, content: { 'application/json': { schema: route.body } } } }),
    ...(route.streamBody && { requestBody: { required: true, content: Object.fromEntries(route.streamBody.map((type) => [type, { schema: z.string().meta({ format: 'binary' }) }])) } }),
    responses: responsesOf(route),
  }
}

function responsesOf(route: RouteDefinition): ZodOpenApiResponsesObject {
  const responses: ZodOpenApiResponsesObject = {}
  for (const [status, schema] of Object.entries(route.responses ?? {})) {
    responses[status as `${1 | 2 | 3 | 4 | 5}${string}`] = { description: Number(status) >= 500 ? 'Failing.' : 'Done.', content: { 'application/json': { schema } } }
  }
  if (route.stream) {
    // one event after the other, which a schema of the whole can't say
    const content = Object.fromEntries(route.stream.map((type) => [type, { schema: type === 'text/event-stream' ? z.unknown() : z.string() }]))
    responses['200'] = { description: 'The content, as it comes.', content }
    if (route.problems?.includes(416)) responses['206'] = { description: 'The range asked for.', content }
  }
  if (route.redirects) responses['302'] = { description: 'Go on there.' }
  const open = route.scope === 'open'
  // what names nothing that could exist is not there either
  for (const status of [400, ...(open ? [] : [401, 403]), ...(route.params ? [404] : []), ...(route.problems ?? []), 500, 503]) {
    responses[String(status) as `4${string}`] ??= { description: PROBLEMS[status]!, content: { 'application/problem+json': { schema: api.problem } } }
  }
  if (route.method === 'get' && !route.stream && !route.redirects) responses['304'] = { description: 'As it was (If-None-Match).' }
  return responses
}
