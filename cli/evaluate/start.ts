/**
 * Ring: cli. Runs an evaluation of `firn eval`, `firn instantiate` or `firn jobs` in a process with a large stack, since the one that
 * reads the command line has an ordinary one. The drop-in commands start with a large stack and need none of this.
 */
import { spawn } from 'node:child_process'
import { FirnError } from '../../contract/errors.ts'
import { engineFlags, largeStackCommand, programWords } from '../../evaluator/spawn.ts'
import { isShared, runJobPool } from './job-pool.ts'
import type { EvaluateOptions } from './options.ts'

/** Evaluates and prints; gives the exit code. */
export function evaluateInProcess(options: EvaluateOptions): Promise<number> {
  if (isShared(options)) return runJobPool(options)
  const { command, arguments: words } = largeStackCommand([...engineFlags(), ...programWords(new URL('./worker.ts', import.meta.url))])
  const child = spawn(command, words, { stdio: 'inherit', env: { ...process.env, FIRN_EVALUATE: JSON.stringify(options) } })
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new FirnError('internal', `could not start the evaluator: ${error.message}`, { cause: error })))
    child.once('close', (code, signal) => {
      if (signal !== null) reject(new FirnError('killed', `the evaluator was killed by ${signal}`))
      else resolve(code ?? 1)
    })
  })
}
