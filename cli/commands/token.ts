/** Ring: cli. `firn token`: who may do what over the API. Works on the database, so whoever may read that may make tokens. */
import type { Command } from 'commander'
import { createToken, listTokens, revokeToken, TOKEN_SCOPES, type TokenScope } from '../../api/tokens.ts'
import { FirnError } from '../../contract/errors.ts'
import { getProject } from '../../state/projects.ts'
import { getUser } from '../../state/users.ts'
import type { GlobalOptions } from '../context.ts'
import { withDatabase } from '../database.ts'
import { parseId, printJson, printTable } from '../output.ts'

interface CreateOptions extends GlobalOptions {
  readonly scope: readonly string[]
  readonly days?: string
  readonly project?: string
  readonly user?: string
}

export function tokenCommand(command: Command): Command {
  command.description('Make, list and revoke tokens of the API.').addHelpText('after', `
Scopes: read, submit (evaluations and sources), restart (retry and cancel), upload (to the cache), configure (jobsets),
administer (all).

Examples:
  firn token create ci --scope submit --days 90
  firn token create release --scope restart submit --project tools
  FIRN_FARM_TOKEN=firn_… firn --api https://farm.example.org build -A hello`)

  command.command('create')
    .description('Make a token and print it; it is not shown again.')
    .argument('<name>', 'what it is for')
    .option('-s, --scope <scope...>', 'what it allows', ['read'])
    .option('-p, --project <project>', 'its scopes hold in this project only; elsewhere it reads')
    .option('-u, --user <name>', 'whose it is: it never allows more than that user may')
    .option('--days <number>', 'how long it is good for (default: for ever)')
    .action(async (name: string, options: CreateOptions) => {
      const wrong = options.scope.find((scope) => !(TOKEN_SCOPES as readonly string[]).includes(scope))
      if (wrong !== undefined) throw new FirnError('invalid-input', `'${wrong}' is no scope; there are ${TOKEN_SCOPES.join(', ')}`)
      const expiresAt = options.days === undefined ? undefined : new Date(Date.now() + parseId(options.days, 'days') * 86_400_000)
      const token = await withDatabase(options, async (db) => {
        const owner = {
          ...(options.project === undefined ? {} : { projectId: (await getProject(db, options.project)).id }),
          ...(options.user === undefined ? {} : { userId: (await getUser(db, options.user)).id }),
        }
        return await createToken(db, { name, scopes: options.scope as TokenScope[], ...(expiresAt ? { expiresAt } : {}), ...owner })
      })
      if (options.json) printJson({ id: token.id, token: token.text })
      else process.stdout.write(`${token.text}\n`)
    })

  command.command('list', { isDefault: true })
    .description('List tokens.')
    .action(async (options: GlobalOptions) => {
      const tokens = await withDatabase(options, listTokens)
      if (options.json) return printJson(tokens)
      printTable(['ID', 'NAME', 'SCOPES', 'PROJECT', 'MADE', 'EXPIRES', 'LAST USED', 'REVOKED'], tokens.map((one) => [
        one.id, one.name, one.scopes.join(' '), one.project ?? '', ...[one.created_at, one.expires_at, one.used_at, one.revoked_at].map((date) => date?.toISOString().slice(0, 16) ?? ''),
      ]), { right: [0] })
    })

  command.command('revoke')
    .description('End a token.')
    .argument('<id>')
    .action(async (id: string, options: GlobalOptions) => {
      const number = parseId(id, 'a token')
      if (!(await withDatabase(options, (db) => revokeToken(db, number)))) throw new FirnError('not-found', `there is no token ${number} that is still good`)
      if (options.json) printJson({ id: number, revoked: true })
    })
  return command
}
