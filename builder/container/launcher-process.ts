/**
 * Ring: builder. The process behind launcher.ts: starts what it is told to and says how that ended. It holds nothing itself, so a
 * fork of it costs little. It ends with its parent; what it started does not.
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync, writeFile } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'
import type { LaunchMessage, LaunchRequest, PrepareRequest } from './launcher.ts'

const say = (message: LaunchMessage): void => void process.send!(message)

process.on('disconnect', () => process.exit(0))
process.on('message', (request: LaunchRequest | PrepareRequest) => {
  if (request.kind === 'launch') launch(request)
  // '0' is the writer; where it may not, containers start as they would have
  else writeFile(request.file, '0', () => undefined)
})
// what it starts inherits its niceness
setPriority(Math.min(getPriority() + Number(process.argv[2]), constants.priority.PRIORITY_LOW))
say({ kind: 'ready' })

function launch({ id, command, descriptors }: LaunchRequest): void {
  const opened: number[] = []
  const fail = (error: unknown): void => say({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error) })
  try {
    for (const { path, flags } of descriptors) opened.push(openSync(path, flags))
    // a group of its own: a terminal's Ctrl-C is for the worker, which decides about its builds
    const child = spawn(command[0]!, command.slice(1), { stdio: descriptors.length > 0 ? opened : 'ignore', detached: true, cwd: '/' })
    child.once('error', fail)
    child.once('exit', (exitCode, signal) => say({ kind: 'ended', id, exitCode, signal }))
    if (child.pid !== undefined) say({ kind: 'started', id, processId: child.pid })
  } catch (error) {
    fail(error)
  } finally {
    for (const descriptor of opened) closeSync(descriptor)
  }
}
