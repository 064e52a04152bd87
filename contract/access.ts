/** Ring: contract. Who asks, and what roles allow: users, sessions, roles in projects, the audit log. */
import { z } from 'zod'
import * as api from './api.ts'
import { name } from './jobsets.ts'
import { type TokenScope, tokenScope } from './token-routes.ts'

const timestamp = z.iso.datetime()
const line = (maximum: number) => z.string().max(maximum).regex(/^[^\u0000-\u001f]*$/)

export const role = z.enum(['restarter', 'submitter', 'maintainer', 'owner']).meta({ id: 'Role', description: 'A role in a project; each may do what those before it may.' })
export type Role = z.infer<typeof role>

/** What a role allows in its project. Everybody who may sign in reads. */
export const ROLE_SCOPES: Readonly<Record<Role, readonly TokenScope[]>> = {
  restarter: ['read', 'restart'],
  submitter: ['read', 'restart', 'submit'],
  maintainer: ['read', 'restart', 'submit', 'configure'],
  owner: ['read', 'restart', 'submit', 'configure', 'administer'],
}

export const userName = z.string().max(100).regex(/^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$/).meta({ id: 'UserName', description: 'The name a user signs in with.' })
/** Long beats mixed: twelve characters, of any kind. */
export const password = z.string().min(12, 'a password has at least 12 characters').max(1000)

export const userDefinition = z.object({
  displayName: line(200).default(''),
  email: z.email().max(300).nullable().default(null),
  administrator: z.boolean().default(false).describe('May do everything in the whole farm.'),
  disabled: z.boolean().default(false).describe('Can\'t sign in; sessions and tokens end.'),
  subject: line(1000).min(1).nullable().optional().describe('Issuer and subject of OpenID Connect, with a space between. Kept as it is if absent.'),
  password: password.nullable().optional().describe('A new password; null takes it away. Kept as it is if absent. A new one ends the user\'s sessions.'),
}).meta({ id: 'UserDefinition' })
export type UserDefinition = z.output<typeof userDefinition>

export const user = z.object({
  id: api.id,
  name: userName,
  displayName: z.string(),
  email: z.string().nullable(),
  administrator: z.boolean(),
  disabled: z.boolean(),
  subject: z.string().nullable(),
  hasPassword: z.boolean(),
  roles: z.array(z.object({ project: name, role })),
  createdAt: timestamp,
}).meta({ id: 'User' })
export type User = z.infer<typeof user>

/** Who asked, and what they may do. */
export const session = z.object({
  kind: z.enum(['nobody', 'anybody', 'token', 'user']).describe('`nobody`: who has not signed in where that is needed; `anybody`: the farm is open to all.'),
  name: z.string().nullable().describe('Of the user or the token.'),
  displayName: z.string().nullable(),
  scopes: z.array(tokenScope).describe('What they may do in the whole farm.'),
  roles: z.array(z.object({ project: name, scopes: z.array(tokenScope) })).describe('What they may do in single projects beyond that.'),
  expiresAt: timestamp.nullable(),
  signIn: z.object({
    password: z.boolean().describe('There are users with passwords.'),
    openId: z.object({ title: z.string() }).nullable().describe('A provider that `/api/v1/session/openid` leads to.'),
  }),
}).meta({ id: 'Session' })
export type Session = z.infer<typeof session>

export const credentials = z.object({ name: z.string().min(1).max(100), password: z.string().min(1).max(1000) }).meta({ id: 'SignIn' })

export const projectRole = z.object({ user: userName, displayName: z.string(), role }).meta({ id: 'ProjectRole' })

export const projectCredential = z.object({ name, username: z.string(), createdAt: timestamp }).meta({ id: 'Credential', description: 'Nobody is shown a secret again.' })
export const newCredential = z.object({ username: line(300).default(''), secret: z.string().min(1).max(20_000).regex(/^[^\u0000]*$/) }).meta({ id: 'NewCredential' })

export const auditEntry = z.object({
  id: z.number().int(),
  at: timestamp,
  principal: z.string().describe('`user ada`, `token ci`, `anybody`, or `command line`.'),
  action: z.string().describe('The route\'s name.'),
  project: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()).describe('The route\'s parameters, and what of the body is no secret.'),
  requestId: z.string().nullable(),
}).meta({ id: 'AuditEntry' })
export type AuditEntry = z.infer<typeof auditEntry>
export const auditPage = z.object({ items: z.array(auditEntry), next: z.string().nullable() }).meta({ id: 'AuditPage' })
