/**
 * Ring: state. Users, their roles in projects and their sessions. A session's cookie is 32 random bytes, of which the database has a SHA-256; what a
 * password is made into is the caller's matter. Who is disabled has no session, whatever rows there are.
 */
import { createHash, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Role, User } from '../contract/access.ts'
import { errorCode, FirnError } from '../contract/errors.ts'
import type { Database } from './database.ts'

const UNIQUE_VIOLATION = '23505'

interface UserRow extends Omit<User, 'createdAt'> {
  readonly createdAt: Date
}

const COLUMNS = sql`
  u.id, u.name, u.display_name as "displayName", u.email, u.role is not null as administrator, u.disabled_at is not null as disabled, u.subject, u.password is not null as "hasPassword", u.created_at as "createdAt",
  coalesce((select json_agg(json_build_object('project', p.name, 'role', r.role) order by p.name) from project_role r join project p on p.id = r.project_id where r.user_id = u.id), '[]') as roles`

const present = (row: UserRow): User => ({ ...row, createdAt: row.createdAt.toISOString() })

export async function listUsers(db: Database, page: { readonly after?: string | undefined; readonly limit: number }): Promise<User[]> {
  return (await sql<UserRow>`select ${COLUMNS} from farm_user u where ${page.after ?? null}::text is null or u.name > ${page.after ?? null} order by u.name limit ${page.limit}`.execute(db)).rows.map(present)
}

/** Errors: 'not-found'. */
export async function getUser(db: Database, name: string): Promise<User> {
  const { rows } = await sql<UserRow>`select ${COLUMNS} from farm_user u where u.name = ${name}`.execute(db)
  if (!rows[0]) throw new FirnError('not-found', `there is no user '${name}'`)
  return present(rows[0])
}

export interface UserFields {
  readonly displayName: string
  readonly email: string | null
  readonly administrator: boolean
  readonly disabled: boolean
  /** Undefined keeps what is there. */
  readonly subject?: string | null | undefined
  /** What was made of the password; undefined keeps it, null takes it away. */
  readonly password?: string | null | undefined
}

/** Makes or replaces a user; a new password, or being disabled, ends the sessions. Errors: 'conflict' where the subject is another user's. */
export async function putUser(db: Database, name: string, fields: UserFields): Promise<{ readonly user: User; readonly created: boolean }> {
  const { displayName, email, administrator, disabled, subject, password } = fields
  const role = administrator ? 'administrator' : null
  try {
    const { rows } = await sql<{ id: number; created: boolean }>`
      insert into farm_user (name, display_name, email, role, subject, password, disabled_at)
      values (${name}, ${displayName}, ${email}, ${role}, ${subject ?? null}, ${password ?? null}, case when ${disabled} then now() end)
      on conflict (name) do update set display_name = excluded.display_name, email = excluded.email, role = excluded.role,
        subject = case when ${subject !== undefined} then excluded.subject else farm_user.subject end,
        password = case when ${password !== undefined} then excluded.password else farm_user.password end,
        disabled_at = case when ${disabled} then coalesce(farm_user.disabled_at, now()) end
      returning id, xmax = 0 as created`.execute(db)
    if (disabled || password !== undefined) await endSessions(db, rows[0]!.id)
    return { user: await getUser(db, name), created: rows[0]!.created }
  } catch (error) {
    if (errorCode(error) === UNIQUE_VIOLATION) throw new FirnError('conflict', `'${subject}' belongs to another user`, { cause: error })
    throw error
  }
}

export async function deleteUser(db: Database, name: string): Promise<User> {
  const user = await getUser(db, name)
  await sql`delete from farm_user where id = ${user.id}`.execute(db)
  return user
}

/** Whether anybody has a password to sign in with. */
export async function hasPasswords(db: Database): Promise<boolean> {
  return (await sql`select from farm_user where password is not null and disabled_at is null limit 1`.execute(db)).rows.length > 0
}

/** What was made of a user's password; undefined where there is none, or no such user, or one who is disabled. */
export async function passwordOf(db: Database, name: string): Promise<{ readonly id: number; readonly password: string } | undefined> {
  return (await sql<{ id: number; password: string }>`select id, password from farm_user where name = ${name} and password is not null and disabled_at is null`.execute(db)).rows[0]
}

export async function setPassword(db: Database, userId: number, password: string): Promise<void> {
  await sql`update farm_user set password = ${password} where id = ${userId}`.execute(db)
  await endSessions(db, userId)
}

/** The user that a provider knows by this subject. */
export async function userOfSubject(db: Database, subject: string): Promise<{ readonly id: number; readonly name: string; readonly disabled: boolean } | undefined> {
  return (await sql<{ id: number; name: string; disabled: boolean }>`select id, name, disabled_at is not null as disabled from farm_user where subject = ${subject}`.execute(db)).rows[0]
}

// Roles

export async function listRoles(db: Database, projectId: number): Promise<{ readonly user: string; readonly displayName: string; readonly role: Role }[]> {
  return (await sql<{ user: string; displayName: string; role: Role }>`
    select u.name as user, u.display_name as "displayName", r.role from project_role r join farm_user u on u.id = r.user_id where r.project_id = ${projectId} order by u.name`.execute(db)).rows
}

export async function putRole(db: Database, projectId: number, userId: number, role: Role): Promise<void> {
  await sql`insert into project_role (project_id, user_id, role) values (${projectId}, ${userId}, ${role}) on conflict (project_id, user_id) do update set role = excluded.role`.execute(db)
}

/** The role that was taken away; undefined where there was none. */
export async function deleteRole(db: Database, projectId: number, userId: number): Promise<Role | undefined> {
  return (await sql<{ role: Role }>`delete from project_role where project_id = ${projectId} and user_id = ${userId} returning role`.execute(db)).rows[0]?.role
}

// Sessions

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Begins a session; its text goes into a cookie and can't be had again. */
export async function beginSession(db: Database, userId: number, days: number): Promise<{ readonly text: string; readonly expiresAt: Date }> {
  const text = randomBytes(32).toString('base64url')
  const { rows } = await sql<{ expiresAt: Date }>`
    with old as (delete from user_session where expires_at < now())
    insert into user_session (hash, user_id, expires_at) values (${hashOf(text)}, ${userId}, now() + make_interval(secs => ${days * 86_400})) returning expires_at as "expiresAt"`.execute(db)
  return { text, expiresAt: rows[0]!.expiresAt }
}

export interface UserOfSession {
  readonly id: number
  readonly name: string
  readonly displayName: string
  readonly administrator: boolean
  readonly roles: readonly { readonly projectId: number; readonly project: string; readonly role: Role }[]
  readonly expiresAt: Date
}

const ROLES = sql`coalesce((select json_agg(json_build_object('projectId', p.id, 'project', p.name, 'role', r.role) order by p.name) from project_role r join project p on p.id = r.project_id where r.user_id = u.id), '[]') as roles`

export async function findSession(db: Database, text: string): Promise<UserOfSession | undefined> {
  if (text.length > 100) return undefined
  return (await sql<UserOfSession>`
    select u.id, u.name, u.display_name as "displayName", u.role is not null as administrator, s.expires_at as "expiresAt", ${ROLES}
    from user_session s join farm_user u on u.id = s.user_id where s.hash = ${hashOf(text)} and s.expires_at > now() and u.disabled_at is null`.execute(db)).rows[0]
}

/** A token's user, as a session has them; undefined for who is disabled. */
export async function findUserById(db: Database, id: number): Promise<Omit<UserOfSession, 'expiresAt'> | undefined> {
  return (await sql<Omit<UserOfSession, 'expiresAt'>>`select u.id, u.name, u.display_name as "displayName", u.role is not null as administrator, ${ROLES} from farm_user u where u.id = ${id} and u.disabled_at is null`.execute(db)).rows[0]
}

export async function endSession(db: Database, text: string): Promise<void> {
  await sql`delete from user_session where hash = ${hashOf(text)}`.execute(db)
}

async function endSessions(db: Database, userId: number): Promise<void> {
  await sql`delete from user_session where user_id = ${userId}`.execute(db)
}
