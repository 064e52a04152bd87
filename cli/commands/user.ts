/**
 * Ring: cli. `firn user`: who may sign in, and their roles in projects. Works on the database, as `firn token` does: the first administrator has to
 * come from somewhere, and whoever may read the database may do everything anyway.
 */
import type { Command } from 'commander'
import { hashPassword } from '../../api/access/passwords.ts'
import { password as passwordSchema, role as roleSchema, type User, userDefinition, userName } from '../../contract/access.ts'
import { FirnError } from '../../contract/errors.ts'
import { writeAudit } from '../../state/audit.ts'
import type { Database } from '../../state/database.ts'
import { getProject } from '../../state/projects.ts'
import { deleteRole, deleteUser, getUser, listUsers, putRole, putUser } from '../../state/users.ts'
import type { GlobalOptions } from '../context.ts'
import { withDatabase } from '../database.ts'
import { printJson, printTable } from '../output.ts'
import { readSecret } from '../secret.ts'

interface CreateOptions extends GlobalOptions {
  readonly administrator?: boolean
  readonly displayName?: string
  readonly email?: string
  readonly subject?: string
  readonly password: boolean
}

const MANY = 100_000

export function userCommand(command: Command): Command {
  command.description('People who may sign in, and their roles in projects.').addHelpText('after', `
Everybody who signs in may read. Roles in a project: restarter (restart, cancel, bump), submitter (and evaluate), maintainer (and edit
jobsets), owner (and edit the project, its roles and credentials). An administrator may do everything.

The password is asked for, or read from the standard input where that is no terminal.

Examples:
  firn user create ada --administrator
  firn user create bob --email bob@example.org < password-file
  firn user role bob tools maintainer
  firn user role bob tools none`)

  command.command('create').description('Make a user.').argument('<name>')
    .option('--administrator', 'may do everything').option('--display-name <text>').option('--email <address>')
    .option('--subject <text>', 'issuer and subject of OpenID Connect, with a space between').option('--no-password', 'signs in by OpenID Connect only')
    .action(async (name: string, options: CreateOptions) => {
      const definition = userDefinition.safeParse({ displayName: options.displayName, email: options.email, administrator: options.administrator ?? false, subject: options.subject ?? null })
      if (!definition.success) throw new FirnError('invalid-input', definition.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '))
      if (!userName.safeParse(name).success) throw new FirnError('invalid-input', `'${name}' can't be a user's name: letters, digits and ._@+- are taken`)
      const password = options.password ? await hashPassword(await readPassword()) : null
      show(options, await withDatabase(options, async (db) => {
        if (await exists(db, name)) throw new FirnError('conflict', `there is a user '${name}' already`)
        return await audited(db, 'putUser', { user: name, administrator: definition.data.administrator }, async () => (await putUser(db, name, { ...definition.data, password })).user)
      }), 'made')
    })

  command.command('list', { isDefault: true }).description('List users.')
    .action(async (options: GlobalOptions) => {
      const users = await withDatabase(options, (db) => listUsers(db, { limit: MANY }))
      if (options.json) return printJson(users)
      printTable(['USER', 'NAME', 'STATE', 'SIGNS IN BY', 'ROLES'], users.map((one) => [
        one.name, one.displayName, one.disabled ? 'disabled' : one.administrator ? 'administrator' : '', [...(one.hasPassword ? ['password'] : []), ...(one.subject === null ? [] : ['OpenID Connect'])].join(', '),
        one.roles.map((each) => `${each.project}: ${each.role}`).join(', '),
      ]))
    })

  command.command('password').description('Set a user\'s password; ends their sessions.').argument('<name>')
    .action(async (name: string, options: GlobalOptions) => {
      const password = await hashPassword(await readPassword())
      show(options, await withDatabase(options, (db) => audited(db, 'putUser', { user: name, password: '(not written)' }, async () => (await putUser(db, name, { ...await getUser(db, name), subject: undefined, password })).user)), 'has a new password')
    })

  for (const [action, disabled] of [['disable', true], ['enable', false]] as const) {
    command.command(action).description(disabled ? 'Let a user in no longer; sessions and tokens end.' : 'Let a user in again.').argument('<name>')
      .action(async (name: string, options: GlobalOptions) => {
        show(options, await withDatabase(options, (db) => audited(db, 'putUser', { user: name, disabled }, async () => (await putUser(db, name, { ...await getUser(db, name), subject: undefined, disabled })).user)), `${action}d`)
      })
  }

  command.command('role').description('Give a user a role in a project, or none.').argument('<name>').argument('<project>').argument('<role>', 'restarter, submitter, maintainer, owner or none')
    .action(async (name: string, project: string, text: string, options: GlobalOptions) => {
      const role = text === 'none' ? undefined : roleSchema.safeParse(text)
      if (role && !role.success) throw new FirnError('invalid-input', `'${text}' is no role; there are ${roleSchema.options.join(', ')}, none`)
      show(options, await withDatabase(options, async (db) => {
        const [{ id: projectId }, user] = [await getProject(db, project), await getUser(db, name)]
        return await audited(db, role ? 'putRole' : 'deleteRole', { project, user: name, ...(role ? { role: role.data } : {}) }, async () => {
          if (role) await putRole(db, projectId, user.id, role.data)
          else await deleteRole(db, projectId, user.id)
          return await getUser(db, name)
        })
      }), role ? `is ${role.data} of ${project}` : `has no role in ${project}`)
    })

  command.command('delete').description('Delete a user, with roles, sessions and tokens.').argument('<name>')
    .action(async (name: string, options: GlobalOptions) => {
      show(options, await withDatabase(options, (db) => audited(db, 'deleteUser', { user: name }, () => deleteUser(db, name))), 'deleted')
    })
  return command
}

function show(options: GlobalOptions, user: User, what: string): void {
  if (options.json) printJson(user)
  else process.stdout.write(`user ${user.name} ${what}\n`)
}

async function exists(db: Database, name: string): Promise<boolean> {
  return await getUser(db, name).then(() => true, (error: unknown) => {
    if (error instanceof FirnError && error.kind === 'not-found') return false
    throw error
  })
}

async function audited<T>(db: Database, action: string, detail: Readonly<Record<string, unknown>>, change: () => Promise<T>): Promise<T> {
  const result = await change()
  await writeAudit(db, { principal: 'command line', action, project: typeof detail['project'] === 'string' ? detail['project'] : null, detail, requestId: null })
  return result
}

/** Errors: 'invalid-input' for one that is too short. */
async function readPassword(): Promise<string> {
  const checked = passwordSchema.safeParse(await readSecret('Password', { twice: true }))
  if (!checked.success) throw new FirnError('invalid-input', checked.error.issues[0]!.message)
  return checked.data
}
