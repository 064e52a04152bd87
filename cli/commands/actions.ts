/** Ring: cli. `firn log`, `firn retry`, `firn cancel`, `firn wait`: what one does about a build or an evaluation. */
import type { Command } from 'commander'
import { pipeline } from 'node:stream/promises'
import colors from 'picocolors'
import type { Build } from '../../contract/api.ts'
import { FirnError } from '../../contract/errors.ts'
import type { FarmClient } from '../client.ts'
import { findFarm, type GlobalOptions } from '../context.ts'
import { followEvaluation } from '../live/follow.ts'
import { ExitSilently, parseId, printJson } from '../output.ts'

interface LogOptions extends GlobalOptions {
  readonly follow?: boolean
  readonly tail?: string
  readonly attempt?: string
}

export function logCommand(command: Command): Command {
  return command
    .description('Show the log of a build.')
    .argument('<build>', 'number of a build, its name, its .drv, or an output path')
    .option('-f, --follow', 'go on until the build ends')
    .option('-n, --tail <lines>', 'only the last lines')
    .option('--attempt <number>', 'of an earlier attempt')
    .addHelpText('after', `
Examples:
  firn log 42
  firn log -f zlib            the newest build of that name, as it goes
  firn log -n 50 /nix/store/…-zlib-1.2.13.drv`)
    .action(async (build: string, options: LogOptions) => {
      const client = await findFarm(options)
      const id = await findBuild(client, build)
      const content = await client.stream('buildLog', {
        params: { id },
        headers: {},
        query: {
          follow: options.follow ?? false,
          ...(options.tail === undefined ? {} : { tail: parseId(options.tail, 'lines') }),
          ...(options.attempt === undefined ? {} : { attempt: parseId(options.attempt, 'an attempt') }),
        },
      }, { accept: 'text/plain' })
      await pipeline(content, process.stdout, { end: false })
    })
}

interface RetryOptions extends GlobalOptions {
  readonly evaluation?: boolean
}

export function retryCommand(command: Command): Command {
  return command
    .description('Run failed builds again, and what failed because of them.')
    .argument('<build>', 'number of a build, its name, its .drv, or an output path')
    .option('-e, --evaluation', 'the number is that of an evaluation: retry everything that failed in it')
    .addHelpText('after', `
Of a failed dependency, the build at fault runs again. Attributes that failed because an import failed are
evaluated again.

Examples:
  firn retry 42
  firn retry --evaluation 12`)
    .action(async (build: string, options: RetryOptions) => {
      const client = await findFarm(options)
      const retried = options.evaluation
        ? await client.call('retryEvaluation', { params: { id: parseId(build, 'an evaluation') } })
        : await client.call('retryBuild', { params: { id: await findBuild(client, build) } })
      if (options.json) return printJson(retried)
      const again = retried.builds.length === 1 ? `build ${retried.builds[0]} runs` : `${retried.builds.length} builds run`
      process.stdout.write(`${again} again${retried.evaluationRestarted ? ', and the evaluation goes on' : ''}\n`)
    })
}

export function cancelCommand(command: Command): Command {
  return command
    .description('Cancel an evaluation. What other evaluations want goes on.')
    .argument('<evaluation>', 'number of an evaluation')
    .action(async (evaluation: string, options: GlobalOptions) => {
      const client = await findFarm(options)
      const id = parseId(evaluation, 'an evaluation')
      const cancelled = await client.call('cancelEvaluation', { params: { id } })
      if (options.json) return printJson(cancelled)
      process.stdout.write(`evaluation ${id} is cancelled\n`)
    })
}

export function waitCommand(command: Command): Command {
  return command
    .description('Watch an evaluation until it ends; exits with 0 if it succeeded.')
    .argument('<evaluation>', 'number of an evaluation')
    .option('--plain', 'lines instead of a live view')
    .action(async (evaluation: string, options: GlobalOptions & { readonly plain?: boolean }) => {
      const client = await findFarm(options)
      const id = parseId(evaluation, 'an evaluation')
      await client.call('getEvaluation', { params: { id } })
      const show = options.json ? 'none' : process.stderr.isTTY && !options.plain ? 'terminal' : 'plain'
      const followed = await followEvaluation(client, id, { title: `evaluation ${id}`, show })
      if (options.json) printJson(followed.evaluation)
      else process.stdout.write(`evaluation ${id} ${followed.evaluation.state}\n`)
      if (followed.evaluation.state !== 'succeeded') throw new ExitSilently(1)
    })
}

/** A build by number, `.drv` or output path, or its name (the newest). Errors: 'not-found'. */
export async function findBuild(client: FarmClient, text: string): Promise<number> {
  if (/^\d+$/.test(text)) return parseId(text, 'a build')
  const query = text.startsWith('/') ? { path: text } : { name: text }
  const [build] = await client.all<'listBuilds', Build>('listBuilds', { query }, 1)
  if (!build) throw new FirnError('not-found', text.startsWith('/') ? `the farm knows no build of ${text}` : `the farm knows no build named '${text}'; see ${colors.bold('firn builds')}`)
  return build.id
}
