/**
 * Ring: builder. A mount namespace of the driver's own, in which all its runtimes are started.
 *
 * It exists for three reasons. A runtime inside a user namespace is nobody to the rest of the machine and can't walk
 * through private folders, so the builds' folder is mounted at a place it can reach. crun refuses to work where cgroups
 * are mounted in both versions ("hybrid"); here the second one is hidden from it. And no mount of a build is ever visible
 * to, or left behind on, the machine. A process that does nothing keeps the namespace; it dies with the driver.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { FirnError } from '../../contract/errors.ts'

const HYBRID_CGROUPS = '/sys/fs/cgroup/unified'

const SCRIPT = `
  mount --bind "$1" "$2" || exit 1
  if grep -q " ${HYBRID_CGROUPS} " /proc/self/mounts; then umount ${HYBRID_CGROUPS}; fi
  echo ready
  exec cat >/dev/null
`

export class MountNamespace {
  readonly #source: string
  readonly #target: string
  #keeper: Promise<ChildProcess> | undefined

  /** Will show the folder `source` at `target`, an existing folder. */
  constructor(source: string, target: string) {
    this.#source = source
    this.#target = target
  }

  /** What to put in front of a command that is to run inside. Starts the namespace, again if its keeper was killed. */
  async prefix(): Promise<string[]> {
    let keeper = await (this.#keeper ??= this.#start())
    if (keeper.exitCode !== null || keeper.signalCode !== null) keeper = await (this.#keeper = this.#start())
    return ['nsenter', `--mount=/proc/${keeper.pid}/ns/mnt`]
  }

  async #start(): Promise<ChildProcess> {
    // slave: what is mounted on the machine later (a disk with the local store) is seen inside too
    const keeper = spawn('unshare', ['--mount', '--propagation', 'slave', 'sh', '-c', SCRIPT, 'sh', this.#source, this.#target], { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
    let problem = ''
    keeper.stderr.setEncoding('utf8').on('data', (text: string) => (problem += text))
    const [first] = await Promise.race([once(keeper.stdout, 'data'), once(keeper, 'close'), once(keeper, 'error')]) as [unknown]
    if (!Buffer.isBuffer(first)) {
      this.#keeper = undefined
      throw new FirnError('missing-requirement', `can't make a mount namespace for builds: ${problem.trim() || String(first)}. The worker has to run as root, or in a user namespace in which it is root.`)
    }
    // it keeps the namespace, not this program
    keeper.unref()
    for (const stream of [keeper.stdin, keeper.stdout, keeper.stderr]) if ('unref' in stream && typeof stream.unref === 'function') stream.unref()
    return keeper
  }

  async close(): Promise<void> {
    const keeper = await this.#keeper?.catch(() => undefined)
    this.#keeper = undefined
    if (keeper === undefined || keeper.exitCode !== null) return
    keeper.ref()
    const closed = once(keeper, 'exit')
    keeper.kill('SIGKILL')
    await closed
  }
}
