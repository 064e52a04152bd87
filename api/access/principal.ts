/** Ring: api. Who asks, and what they may do: in the whole farm, and in single projects beyond that. */
import type { Request } from 'express'
import { ROLE_SCOPES, type Session } from '../../contract/access.ts'
import type { RouteDefinition, Scope } from '../../contract/api-routes.ts'
import type { TokenScope } from '../../contract/token-routes.ts'
import { sql } from 'kysely'
import type { Database } from '../../state/database.ts'
import type { UserOfSession } from '../../state/users.ts'
import { allows, type TokenRow } from '../tokens.ts'

export interface Principal {
  readonly kind: Session['kind']
  readonly name: string | null
  readonly displayName: string | null
  readonly userId: number | null
  readonly scopes: readonly TokenScope[]
  readonly projects: ReadonlyMap<number, { readonly project: string; readonly scopes: readonly TokenScope[] }>
  readonly expiresAt: Date | null
}

export const NOBODY: Principal = { kind: 'nobody', name: null, displayName: null, userId: null, scopes: [], projects: new Map(), expiresAt: null }
/** Whoever reaches a farm that is open. */
export const ANYBODY: Principal = { ...NOBODY, kind: 'anybody', scopes: ['administer'] }

export function principalOfUser(user: Omit<UserOfSession, 'expiresAt'> & { readonly expiresAt?: Date }): Principal {
  return {
    kind: 'user', name: user.name, displayName: user.displayName, userId: user.id, scopes: user.administrator ? ['administer'] : ['read'],
    projects: new Map(user.roles.map(({ projectId, project, role }) => [projectId, { project, scopes: ROLE_SCOPES[role] }])), expiresAt: user.expiresAt ?? null,
  }
}

/** A token of a user never allows more than the user may; one for a project allows nothing elsewhere but to read. */
export function principalOfToken(token: TokenRow, owner: Principal | undefined): Principal {
  // every token reads, and so does every user
  const within = (scopes: readonly TokenScope[]): TokenScope[] => [...new Set<TokenScope>(['read', ...token.scopes.filter((scope) => allows(scopes, scope))])]
  const { name, expires_at: expiresAt, project_id: projectId, project } = token
  const base = { kind: 'token' as const, name, displayName: null, userId: owner?.userId ?? null, expiresAt }
  if (projectId !== null) {
    const scopes = owner === undefined ? token.scopes : [...new Set([...within(owner.scopes), ...within(owner.projects.get(projectId)?.scopes ?? [])])]
    return { ...base, scopes: ['read'], projects: new Map([[projectId, { project: project ?? '', scopes }]]) }
  }
  if (owner === undefined) return { ...base, scopes: token.scopes, projects: new Map() }
  return { ...base, scopes: within(owner.scopes), projects: new Map([...owner.projects].map(([id, one]) => [id, { project: one.project, scopes: within(one.scopes) }])) }
}

/** What of a route decides who may call it. */
export type Guarded = Pick<RouteDefinition, 'scope' | 'project'>

/** Whether the principal may; looks up the request's projects only where that decides. */
export async function mayCall(db: Database, principal: Principal, { scope, project }: Guarded, request: Request): Promise<boolean> {
  if (allows(principal.scopes, scope)) return true
  if (project === undefined || principal.projects.size === 0) return false
  const { ids, every } = await projectsOf(db, project, request)
  const may = (id: number): boolean => allows(principal.projects.get(id)?.scopes ?? [], scope)
  return ids.length > 0 && (every ? ids.every(may) : ids.some(may))
}

/** For the error: what the principal has. */
export function describe(principal: Principal, scope: Scope): string {
  const has = [...principal.scopes, ...[...principal.projects.values()].map((one) => `${one.scopes.join(' ')} in ${one.project}`)].join(', ') || 'none'
  return `${principal.kind === 'token' ? 'token' : 'user'} '${principal.name}' lacks the scope '${scope}' here; it has ${has}`
}

/** The name that the audit log has. */
export function nameOf({ kind, name }: Pick<Principal, 'kind' | 'name'>): string {
  return name === null ? kind : `${kind} ${name}`
}

/** Of a build that several projects want, one is enough; of jobsets that are named together, each counts. */
async function projectsOf(db: Database, where: NonNullable<RouteDefinition['project']>, request: Request): Promise<{ readonly ids: readonly number[]; readonly every: boolean }> {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  const numbers = async (query: ReturnType<typeof sql<{ id: number }>>): Promise<number[]> => (await query.execute(db)).rows.map((row) => row.id)
  const id = /^[1-9]\d{0,9}$/.test(text(request.params['id'])) ? text(request.params['id']) : '0'
  switch (where) {
    case 'path': return { ids: await numbers(sql`select id from project where name = ${text(request.params['project']).replaceAll('\0', '')}`), every: true }
    case 'evaluation': return { ids: await numbers(sql`select s.project_id as id from evaluation e join jobset s on s.id = e.jobset_id where e.id = ${id}::bigint`), every: true }
    case 'build': return {
      ids: await numbers(sql`
        select distinct s.project_id as id from node n join evaluation_node w on w.node_key = n.key join evaluation e on e.id = w.evaluation_id join jobset s on s.id = e.jobset_id where n.id = ${id}::bigint`),
      every: false,
    }
    case 'named': {
      const names = text(request.query['jobsets']).split(',').filter((one) => one !== '')
      // what follows a repository may be anybody's
      if (names.length === 0 || text(request.query['repos']) !== '') return { ids: [], every: true }
      const projects = [...new Set(names.map((one) => one.split(':')[0]!.replaceAll('\0', '')))]
      const ids = await numbers(sql`select id from project where name = any(${projects})`)
      return { ids: ids.length === projects.length ? ids : [], every: true }
    }
  }
}
