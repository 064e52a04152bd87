/** Ring: contract. Signing in, users, roles, credentials of projects, the audit log: a part of the table in api-routes.ts. */
import { z } from 'zod'
import * as access from './access.ts'
import * as api from './api.ts'
import type { RouteDefinition } from './api-routes.ts'
import { name } from './jobsets.ts'

const ofUser = z.object({ user: access.userName })
const ofProject = z.object({ project: name })
const ofRole = ofProject.extend({ user: access.userName })
const ofCredential = ofProject.extend({ credential: name })

export const ACCESS_ROUTES = {
  getSession: {
    method: 'get', path: '/api/v1/session', tag: 'access', scope: 'open',
    summary: 'Who you are here, what you may do, and how one signs in.', responses: { 200: access.session },
  },
  signIn: {
    method: 'post', path: '/api/v1/session', tag: 'access', scope: 'open',
    summary: 'Sign in with a name and a password: sets the cookie of a session. After some failures, a name has to wait (429).',
    body: access.credentials, responses: { 201: access.session }, problems: [401, 403, 413, 415, 429],
  },
  signOut: {
    method: 'delete', path: '/api/v1/session', tag: 'access', scope: 'open',
    summary: 'End the session that the cookie names. Does nothing without one.', responses: { 200: access.session }, problems: [403],
  },
  openIdSignIn: {
    method: 'get', path: '/api/v1/session/openid', tag: 'access', scope: 'open',
    summary: 'Sign in with the farm\'s OpenID Connect provider: leads there.',
    query: z.object({ to: z.string().max(2000).regex(/^\/ui\/[^\u0000-\u0020\\]*$/).default('/ui/').describe('The page to come back to.') }), redirects: true, problems: [404],
  },
  openIdCallback: {
    method: 'get', path: '/api/v1/session/openid/callback', tag: 'access', scope: 'open',
    summary: 'Where the provider sends the browser back to: sets the cookie of a session, and leads on.',
    query: z.object({
      code: z.string().max(2000), state: z.string().max(100), iss: z.string().max(500), session_state: z.string().max(200), scope: z.string().max(500),
      error: z.string().max(100), error_description: z.string().max(500),
    }).partial(), redirects: true, problems: [401, 403, 404],
  },
  changePassword: {
    method: 'put', path: '/api/v1/session/password', tag: 'access', scope: 'read',
    summary: 'Change your own password. Your other sessions end.', body: z.object({ old: z.string().min(1).max(1000), new: access.password }),
    responses: { 200: access.session }, problems: [409, 413, 415, 429],
  },
  listUsers: {
    method: 'get', path: '/api/v1/users', tag: 'access', scope: 'administer',
    summary: 'Users, by name.', query: api.namedPageQuery, responses: { 200: z.object({ items: z.array(access.user), next: z.string().nullable() }).meta({ id: 'UserPage' }) },
  },
  getUser: {
    method: 'get', path: '/api/v1/users/{user}', tag: 'access', scope: 'administer',
    summary: 'One user.', params: ofUser, responses: { 200: access.user }, problems: [404],
  },
  putUser: {
    method: 'put', path: '/api/v1/users/{user}', tag: 'access', scope: 'administer',
    summary: 'Make a user, or replace what is said of them.', params: ofUser, body: access.userDefinition, responses: { 200: access.user, 201: access.user }, problems: [404, 409, 413, 415],
  },
  deleteUser: {
    method: 'delete', path: '/api/v1/users/{user}', tag: 'access', scope: 'administer',
    summary: 'Delete a user, with roles, sessions and tokens. What they did stays in the audit log.', params: ofUser, responses: { 200: access.user }, problems: [404],
  },
  listRoles: {
    method: 'get', path: '/api/v1/projects/{project}/roles', tag: 'access', scope: 'read',
    summary: 'Who has which role in a project.', params: ofProject, responses: { 200: z.object({ items: z.array(access.projectRole) }).meta({ id: 'ProjectRoleList' }) }, problems: [404],
  },
  putRole: {
    method: 'put', path: '/api/v1/projects/{project}/roles/{user}', tag: 'access', scope: 'administer', project: 'path',
    summary: 'Give a user a role in a project, in place of the one they have.', params: ofRole, body: z.object({ role: access.role }), responses: { 200: access.projectRole }, problems: [404, 413, 415],
  },
  deleteRole: {
    method: 'delete', path: '/api/v1/projects/{project}/roles/{user}', tag: 'access', scope: 'administer', project: 'path',
    summary: 'Take a user\'s role in a project away.', params: ofRole, responses: { 200: access.projectRole }, problems: [404],
  },
  listCredentials: {
    method: 'get', path: '/api/v1/projects/{project}/credentials', tag: 'access', scope: 'administer', project: 'path',
    summary: 'Credentials of a project, by name, without their secrets.', params: ofProject, responses: { 200: z.object({ items: z.array(access.projectCredential) }).meta({ id: 'CredentialList' }) }, problems: [404],
  },
  putCredential: {
    method: 'put', path: '/api/v1/projects/{project}/credentials/{credential}', tag: 'access', scope: 'administer', project: 'path',
    summary: 'Set a credential: for the servers of inputs, for commit statuses, and, as `webhook`, the secret that forges sign with.', params: ofCredential, body: access.newCredential,
    responses: { 200: access.projectCredential }, problems: [404, 413, 415],
  },
  deleteCredential: {
    method: 'delete', path: '/api/v1/projects/{project}/credentials/{credential}', tag: 'access', scope: 'administer', project: 'path',
    summary: 'Delete a credential.', params: ofCredential, responses: { 200: access.projectCredential }, problems: [404],
  },
  listAudit: {
    method: 'get', path: '/api/v1/audit', tag: 'access', scope: 'administer',
    summary: 'Every change, by whom and when, newest first.', query: api.pageQuery, responses: { 200: access.auditPage },
  },
  listProjectAudit: {
    method: 'get', path: '/api/v1/projects/{project}/audit', tag: 'access', scope: 'administer', project: 'path',
    summary: 'Changes of a project, newest first.', params: ofProject, query: api.pageQuery, responses: { 200: access.auditPage }, problems: [404],
  },
} as const satisfies Readonly<Record<string, RouteDefinition>>
