/** Ring: cli. `firn credential`: secrets of a project, for servers of inputs, for forges, and for those who sign. */
import type { Command } from 'commander'
import { FirnError } from '../../contract/errors.ts'
import { findFarm, type GlobalOptions } from '../context.ts'
import { printJson, printTable } from '../output.ts'
import { readSecret } from '../secret.ts'

export function credentialCommand(command: Command): Command {
  command.description('Credentials of projects: for servers of inputs, for commit statuses, for webhooks.').addHelpText('after', `
The secret is asked for, or read from the standard input where that is no terminal. Nobody is shown it again.
The credential named 'webhook' is what forges sign their messages with.

Examples:
  firn credential set tools webhook
  firn credential set tools forge --username robot < token-file
  firn credential list tools`)

  command.command('list', { isDefault: true }).description('List a project\'s credentials.').argument('<project>')
    .action(async (project: string, options: GlobalOptions) => {
      const { items } = await (await findFarm(options)).call('listCredentials', { params: { project } })
      if (options.json) return printJson(items)
      printTable(['CREDENTIAL', 'USER', 'SET'], items.map((one) => [one.name, one.username, one.createdAt.slice(0, 16)]))
    })
  command.command('set').description('Set a credential.').argument('<project>').argument('<name>').option('--username <name>', 'for servers that want one', '')
    .action(async (project: string, credential: string, options: GlobalOptions & { readonly username: string }) => {
      const client = await findFarm(options)
      const secret = await readSecret('Secret', { twice: false })
      if (secret === '') throw new FirnError('invalid-input', 'an empty secret keeps nothing secret')
      const set = await client.call('putCredential', { params: { project, credential }, body: { username: options.username, secret } })
      if (options.json) printJson(set)
      else process.stdout.write(`credential ${set.name} of ${project}\n`)
    })
  command.command('delete').description('Delete a credential.').argument('<project>').argument('<name>')
    .action(async (project: string, credential: string, options: GlobalOptions) => {
      const gone = await (await findFarm(options)).call('deleteCredential', { params: { project, credential } })
      if (options.json) printJson(gone)
      else process.stdout.write(`deleted ${gone.name}\n`)
    })
  return command
}
