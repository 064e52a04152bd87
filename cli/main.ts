/**
 * Ring: cli. The `firn` command: names its subcommands, loads the one that is called, and turns errors into messages and exit codes.
 * Upstream counterparts: nix-build, nix-instantiate, nix-eval-jobs, hydra-*, in one program.
 */
import { Command, CommanderError } from 'commander'
import { joinPairs } from './arguments.ts'
import { reportError } from './output.ts'
import { firnVersion } from './version.ts'

interface Subcommand {
  readonly name: string
  readonly summary: string
  readonly group: string
  /** Adds arguments, options and action. */
  readonly load: () => Promise<(command: Command) => Command>
}

const BUILDING = 'Evaluating and building:'
const LOOKING = 'Looking and acting:'
const RUNNING = 'Running a farm:'

const SUBCOMMANDS: readonly Subcommand[] = [
  { name: 'build', group: BUILDING, summary: 'evaluate an expression on the farm and build what it describes', load: async () => (await import('./commands/build.ts')).buildCommand },
  { name: 'eval', group: BUILDING, summary: 'evaluate on this machine and print the value', load: async () => (await import('./commands/evaluate.ts')).evalCommand },
  { name: 'instantiate', group: BUILDING, summary: 'write derivations and print their paths', load: async () => (await import('./commands/evaluate.ts')).instantiateCommand },
  { name: 'jobs', group: BUILDING, summary: 'find derivations and print them as JSON lines', load: async () => (await import('./commands/evaluate.ts')).jobsCommand },
  { name: 'project', group: LOOKING, summary: 'projects, which hold jobsets', load: async () => (await import('./commands/jobset.ts')).projectCommand },
  { name: 'jobset', group: LOOKING, summary: 'jobsets: make, list, show, evaluate and compare them', load: async () => (await import('./commands/jobset.ts')).jobsetCommand },
  { name: 'status', group: LOOKING, summary: 'the farm at a glance, or one evaluation', load: async () => (await import('./commands/evaluations.ts')).statusCommand },
  { name: 'evaluations', group: LOOKING, summary: 'list evaluations', load: async () => (await import('./commands/evaluations.ts')).evaluationsCommand },
  { name: 'builds', group: LOOKING, summary: 'list builds', load: async () => (await import('./commands/evaluations.ts')).buildsCommand },
  { name: 'wait', group: LOOKING, summary: 'watch an evaluation until it ends', load: async () => (await import('./commands/actions.ts')).waitCommand },
  { name: 'log', group: LOOKING, summary: 'show the log of a build', load: async () => (await import('./commands/actions.ts')).logCommand },
  { name: 'retry', group: LOOKING, summary: 'run failed builds again, and what failed because of them', load: async () => (await import('./commands/actions.ts')).retryCommand },
  { name: 'cancel', group: LOOKING, summary: 'cancel an evaluation', load: async () => (await import('./commands/actions.ts')).cancelCommand },
  { name: 'store', group: LOOKING, summary: 'look into the farm\'s store (ls, cat, path-info, copy)', load: async () => (await import('./commands/store.ts')).storeCommand },
  { name: 'up', group: RUNNING, summary: 'start a farm on this machine', load: async () => (await import('./commands/farm.ts')).upCommand },
  { name: 'down', group: RUNNING, summary: 'stop it', load: async () => (await import('./commands/farm.ts')).downCommand },
  { name: 'worker', group: RUNNING, summary: 'run a worker', load: async () => (await import('./commands/services.ts')).workerCommand },
  { name: 'api', group: RUNNING, summary: 'run the API and binary cache', load: async () => (await import('./commands/services.ts')).apiCommand },
  { name: 'key', group: RUNNING, summary: 'show or make the key that signs what the farm serves', load: async () => (await import('./commands/key.ts')).keyCommand },
  { name: 'credential', group: RUNNING, summary: 'secrets of a project: for its inputs, forges and webhooks', load: async () => (await import('./commands/credential.ts')).credentialCommand },
  { name: 'user', group: RUNNING, summary: 'people who may sign in, and their roles in projects', load: async () => (await import('./commands/user.ts')).userCommand },
  { name: 'token', group: RUNNING, summary: 'make, list and revoke tokens of the API', load: async () => (await import('./commands/token.ts')).tokenCommand },
]

async function main(words: readonly string[]): Promise<void> {
  const program = new Command('firn')
    .description('A build farm for Nix expressions.')
    .version(firnVersion(), '-V, --version')
    .option('--json', 'print results as JSON, for programs')
    .option('--home <folder>', 'the data folder (FIRN_HOME)')
    .option('--config <file>', 'settings file (FIRN_CONFIG)')
    .option('--api <url>', 'the farm to talk to (FIRN_API)')
    .option('--set <section.setting=value>', 'a setting, before file and environment; may be given several times', (value: string, before: readonly string[] | undefined) => [...(before ?? []), value])
    .option('--otlp <true|false>', 'whether to send traces')
    .configureHelp({ showGlobalOptions: true, sortOptions: false })
    .showHelpAfterError('(firn COMMAND --help explains)')
    .exitOverride()
    .addHelpText('after', `
Start here:
  firn up --detach                     a farm on this machine
  firn build FILE -A ATTRIBUTE         build something, and watch
  firn status                          what it does

Exit codes: 0 done, 1 something failed, 2 wrong usage or input, 3 no farm to talk to, 130 interrupted.`)

  const called = words.find((word) => SUBCOMMANDS.some(({ name }) => name === word))
  for (const { name, summary, group, load } of SUBCOMMANDS) {
    const command = program.command(name).summary(summary).helpGroup(group)
    // the others are only listed: loading them all costs a third of a second
    if (name === called) withGlobalOptions((await load())(command))
  }
  await program.parseAsync(joinPairs(words), { from: 'user' })
}

/** Commander gives an action its own options only; ours want the global ones with them. */
function withGlobalOptions(command: Command): void {
  command.hook('preAction', (_, action) => {
    for (const [name, value] of Object.entries(action.optsWithGlobals())) if (action.getOptionValue(name) === undefined) action.setOptionValue(name, value)
  })
}

// who reads no further (`firn jobs | head`) has what it wanted
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(process.exitCode ?? 0)
  })
}
const words = process.argv.slice(2)
try {
  await main(words)
} catch (error) {
  // commander has said what is wrong
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else reportError(error, words.includes('--json'))
}
