/**
 * Ring: cli. Which outputs can be taken from substituters, for jobs found on this machine. Evaluation is synchronous, so the questions go to a
 * thread (substitutes-thread.ts) and are waited for. Upstream counterpart: queryMissing, as nix-eval-jobs' --check-cache-status calls it.
 */
import type * as Threads from 'node:worker_threads'
import { FirnError } from '../../contract/errors.ts'
import type { SubstituterSettings } from '../../store/settings.ts'

export interface SubstitutesOptions {
  readonly substituters: readonly SubstituterSettings[]
  /** `name:base64` */
  readonly trustedPublicKeys: readonly string[]
  readonly timeoutSeconds?: number
}

export interface ThreadData extends SubstitutesOptions {
  /** Folders whose store paths need no substitute. */
  readonly storeFolders: readonly string[]
  /** Counts answers. */
  readonly answers: Int32Array
}

export type ThreadAnswer = { readonly available: readonly string[] } | { readonly error: string }

const LONGEST_WAIT_MILLISECONDS = 120_000

export class Substitutes {
  private readonly data: ThreadData
  private port: Threads.MessagePort | undefined
  private asked = 0

  constructor(options: SubstitutesOptions, storeFolders: readonly string[]) {
    this.data = { ...options, storeFolders, answers: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) }
  }

  /** Those of these store paths that a substituter has with all that they refer to. Errors: 'invalid-input', 'unavailable'. */
  available(storePaths: readonly string[]): ReadonlySet<string> {
    if (this.data.substituters.length === 0 || storePaths.length === 0) return new Set()
    const port = (this.port ??= this.start())
    port.postMessage(storePaths)
    Atomics.wait(this.data.answers, 0, this.asked++, LONGEST_WAIT_MILLISECONDS)
    const answer = threads().receiveMessageOnPort(port)?.message as ThreadAnswer | undefined
    if (answer === undefined) throw new FirnError('unavailable', `the substituters did not answer within ${LONGEST_WAIT_MILLISECONDS / 1000} s`)
    if ('error' in answer) throw new FirnError('invalid-input', answer.error)
    return new Set(answer.available)
  }

  private start(): Threads.MessagePort {
    const { MessageChannel, Worker } = threads()
    const { port1, port2 } = new MessageChannel()
    new Worker(new URL('./substitutes-thread.ts', import.meta.url), { workerData: { data: this.data, port: port2 }, transferList: [port2] }).unref()
    port1.unref()
    return port1
  }
}

/** Loaded when it is wanted: few evaluations ask, and it takes 5 ms. */
function threads(): typeof Threads {
  return process.getBuiltinModule('node:worker_threads')
}
