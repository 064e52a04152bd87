/** Ring: contract. Tokens of the API: a part of the table in api-routes.ts. */
import { z } from 'zod'
import * as api from './api.ts'
import type { RouteDefinition } from './api-routes.ts'

/** In the order in which they are shown. `administer` includes all others; the others include `read`. */
export const tokenScope = z.enum(['read', 'submit', 'restart', 'upload', 'configure', 'administer']).meta({ id: 'TokenScope' })
export type TokenScope = z.infer<typeof tokenScope>

const timestamp = z.iso.datetime()
export const apiToken = z.object({
  id: api.id,
  name: z.string(),
  scopes: z.array(tokenScope),
  createdAt: timestamp,
  expiresAt: timestamp.nullable(),
  revokedAt: timestamp.nullable(),
  usedAt: timestamp.nullable().describe('About when it was used last.'),
}).meta({ id: 'ApiToken', description: 'The token itself is kept nowhere, only its SHA-256.' })
export type ApiToken = z.infer<typeof apiToken>

export const newToken = z.object({
  name: z.string().trim().min(1).max(100).regex(/^[^\u0000-\u001f]*$/).describe('What it is for.'),
  scopes: z.array(tokenScope).min(1).max(6),
  days: z.number().int().min(1).max(36_500).optional().describe('How long it is good for; for ever if absent.'),
}).meta({ id: 'NewToken' })

export const TOKEN_ROUTES = {
  listTokens: {
    method: 'get', path: '/api/v1/tokens', tag: 'farm', scope: 'administer',
    summary: 'Tokens of this farm, newest first, revoked and expired ones included.',
    responses: { 200: z.object({ items: z.array(apiToken) }).meta({ id: 'ApiTokenList' }) },
  },
  createToken: {
    method: 'post', path: '/api/v1/tokens', tag: 'farm', scope: 'administer',
    summary: 'Make a token. Its text is in this answer and can\'t be had again.',
    body: newToken,
    responses: { 201: z.object({ token: apiToken, text: z.string() }).meta({ id: 'CreatedToken' }) }, problems: [413, 415],
  },
  revokeToken: {
    method: 'delete', path: '/api/v1/tokens/{id}', tag: 'farm', scope: 'administer',
    summary: 'End a token. Servers may believe it for ten seconds more.',
    params: z.object({ id: api.id }), responses: { 200: apiToken }, problems: [404, 409],
  },
} as const satisfies Readonly<Record<string, RouteDefinition>>
