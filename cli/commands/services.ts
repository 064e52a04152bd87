/** Ring: cli. `firn worker`, `firn api`: one service as a process of its own, for systemd or containers, and for `firn up`. */
import type { Command } from 'commander'
import type { Settings } from '../../config/settings.ts'
import { tellSupervisor } from '../../infra/embedded/child.ts'
import { type GlobalOptions, loadForCommand, withFarmServices } from '../context.ts'
import { asFirnError } from '../../contract/errors.ts'
import { exitCodeOf, reportError } from '../output.ts'
import type { RunningService } from '../services/api.ts'

export function workerCommand(command: Command): Command {
  return command
    .description('Run a worker: it evaluates, downloads and builds, and needs no other way in than the settings say.')
    .addHelpText('after', `
On another machine it joins a farm with three sections of settings: [temporal], [database] and [store]. On the machine of
'firn up' it finds that farm, and needs a local store of its own:
  firn worker --set worker.name=second --set store.localFolder=/var/lib/firn2/local --set builder.folder=/var/lib/firn2/builds

SIGTERM: takes nothing new, finishes what it does for up to worker.graceSeconds, and ends.`)
    .action(async (options: GlobalOptions) => runService(options, async (settings) => (await import('../services/worker.ts')).runWorker(settings)))
}

export function apiCommand(command: Command): Command {
  return command
    .description('Run the HTTP API and the binary cache.')
    .action(async (options: GlobalOptions) => runService(options, async (settings) => (await import('../services/api.ts')).runApi(settings)))
}

/** Starts a service, tells a supervisor, and stops it on a signal or when the supervisor is gone. */
async function runService(options: GlobalOptions, start: (settings: Settings) => Promise<RunningService & { readonly failed?: Promise<unknown> }>): Promise<void> {
  const { settings } = withFarmServices(loadForCommand(options))
  // what a failed start has opened (timers, connections) must not keep the process
  const service = await start(settings).catch((error: unknown) => {
    reportError(error, false)
    process.exit(exitCodeOf(asFirnError(error).kind))
  })
  const stopping = Promise.withResolvers<void>()
  let signals = 0
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (++signals > 1) process.exit(130)
      stopping.resolve()
    })
  }
  tellSupervisor(stopping.resolve)
  let code = 0
  const failed = service.failed?.then((error) => {
    reportError(error, false)
    code = 1
  })
  await Promise.race([stopping.promise, ...(failed ? [failed] : [])])
  await service.stop()
  process.exit(code)
}
