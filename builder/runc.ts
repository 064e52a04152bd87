/**
 * Ring: builder. The driver that runs builds with runc or crun. Upstream counterpart: DerivationBuilderImpl and its Linux
 * subclasses (libstore/unix/build, libstore/linux/build), without what a container runtime does.
 *
 * One `run` of the runtime per build, nothing else: a container is neither created beforehand nor asked about afterwards.
 * Measured (bench/container.ts): most of the time goes into the runtime itself, so this process only makes a few folders
 * before and reads a pipe meanwhile.
 */
import { chmodSync, copyFileSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { getSystemErrorMessage } from 'node:util'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FirnError } from '../contract/errors.ts'
import { STORE_DIRECTORY } from '../nix/store-path.ts'
import { deviceNode, identityOf, isPrivileged, SlotPool } from './container/identity.ts'
import { HYBRID_CGROUPS, Launcher, type LaunchDescriptor, type Launched, type LaunchedEnd } from './container/launcher.ts'
import { LogPipes, closePipeWriter, type LogPipe } from './container/log-pipes.ts'
import { BUILD_FOLDER, cpuSharesOf, ociSpecOf, printOciSpec, type Identity } from './container/oci-spec.ts'
import { openOutsideNetwork, OUTSIDE_NAME_SERVER, slirpMissing, type OutsideNetwork, type OutsideNetworkSettings } from './container/outside-network.ts'
import { reapContainers, removalOf, removeTree } from './container/reap.ts'
import { makeRootFolder } from './container/root-folder.ts'
import { cgroupHierarchies, cgroupProcesses, cpuHierarchy, deleteContainer, findShell, isInstalled, killContainer, peakMemory, runCommand, runtimeErrors, runtimeFault, signalOf, unexecutable, type Runtime } from './container/runtime.ts'
import { STARTER_PATH, starterProgram } from './container/starter.ts'
import { Watch } from './container/watch.ts'
import type { BuildDriver, BuildEnd, BuildOptions, BuildRequest, BuildResult, ReapReport } from './interface.ts'

export interface RuncSettings extends Partial<OutsideNetworkSettings> {
  readonly runtime: 'runc' | 'crun'
  /** The runtime's program; by default its name on the PATH. */
  readonly program?: string
  /** Tells this driver's containers from others of the machine: [a-z0-9-], at most 24. One driver at a time may have it. */
  readonly owner: string
  /** Folder for builds, on the local store's file system; used by this driver alone. */
  readonly folder: string
  /** Static shell, shown as /bin/sh; by default the busybox on the PATH. */
  readonly shell?: string
  /** PEM file of authorities, shown to builds that download. */
  readonly certificates?: string
  /** `isolated` needs slirp4netns; `host` lets builds that download use the machine's own network. */
  readonly outsideNetwork?: 'isolated' | 'host'
  /** Of the builds' processes; 0 by default. */
  readonly niceness?: number
}

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'
/** While containers start so close to each other, the kernel is ready for the next. */
const RECENT_MILLISECONDS = 20
/** How long to wait for the end of the log once the container is gone. */
const DRAIN_SECONDS = 5

/** Checks what the machine offers. Throws FirnError 'missing-requirement' that names what to install. */
export async function openRuncDriver(settings: RuncSettings): Promise<BuildDriver> {
  if (!/^[a-z0-9-]{1,24}$/.test(settings.owner)) throw new FirnError('invalid-input', `'${settings.owner}' can't name the owner of containers: use up to 24 of a-z, 0-9 and '-'`)
  if (!isPrivileged()) throw new FirnError('missing-requirement', `building in ${settings.runtime} containers needs root, or a user namespace in which the worker is root (for example: unshare --map-auto --map-root-user). Docker's API (runtime "docker") needs neither.`)
  const program = settings.program ?? settings.runtime
  if (!await isInstalled(program)) throw new FirnError('missing-requirement', `the container runtime '${program}' can't be run; install it (Debian: apt-get install ${settings.runtime}) or set its program`)
  for (const tool of ['unshare', 'nsenter', 'setarch']) {
    if (!await isInstalled(tool)) throw new FirnError('missing-requirement', `'${tool}' can't be run; install util-linux`)
  }
  const shell = findShell(settings.shell)
  return new RuncDriver(settings, program, shell, await cgroupHierarchies())
}

class RuncDriver implements BuildDriver {
  readonly name: string
  readonly #settings: RuncSettings
  readonly #runtime: Runtime
  readonly #shell: string
  readonly #prefix: string
  readonly #hierarchies: readonly string[]
  /** Of the builds' folder in the driver's mount namespace. */
  readonly #folderInside: string
  readonly #launcher: Launcher
  /** `cgroup.procs` of this process, and so of the launcher. */
  readonly #processes: string | undefined
  readonly #cpuShares: number | undefined
  readonly #slots = new SlotPool()
  readonly #coreHardLimit = hardCoreLimit()
  readonly #userNamespace = hasUserNamespaces()
  #pipes: LogPipes | undefined
  #shared: string | undefined
  readonly #starter = starterProgram(process.arch)
  #hasSlirp: boolean | undefined
  #startedAt = -Infinity
  #number = 0

  constructor(settings: RuncSettings, program: string, shell: string, hierarchies: readonly string[]) {
    this.name = settings.runtime
    this.#settings = settings
    this.#shell = shell
    this.#hierarchies = hierarchies.filter((folder) => folder !== HYBRID_CGROUPS)
    this.#prefix = `firn-${settings.owner}-`
    this.#processes = cgroupProcesses(this.#hierarchies)
    // a runtime that may make no cgroups would fail over shares of one
    this.#cpuShares = cpuHierarchy(this.#hierarchies, `${this.#prefix}probe`) === undefined ? undefined : cpuSharesOf(settings.niceness ?? 0)
    const runFolder = join(runtimeDirectory(), `firn-${settings.owner}`)
    this.#folderInside = join(runFolder, 'builds')
    this.#runtime = { name: settings.runtime, program, stateFolder: join(runFolder, 'state') }
    mkdirSync(settings.folder, { recursive: true })
    // others may pass through, not look: the runtime is another user once it is in the user namespace
    chmodSync(settings.folder, 0o711)
    for (const folder of [runFolder, this.#folderInside]) {
      mkdirSync(folder, { recursive: true })
      chmodSync(folder, 0o711)
    }
    mkdirSync(this.#runtime.stateFolder, { recursive: true, mode: 0o700 })
    this.#launcher = new Launcher(settings.folder, this.#folderInside, settings.niceness ?? 0)
  }

  async reap(): Promise<ReapReport> {
    this.#shared = undefined
    this.#pipes = undefined
    return await reapContainers(this.#runtime, this.#prefix, this.#settings.folder)
  }

  async close(): Promise<void> {
    await this.#launcher.close()
    if (this.#shared !== undefined) await removeTree(this.#shared)
    rmSync(join(this.#folderInside, '..'), { recursive: true, force: true })
  }

  prepare(): void {
    if (this.#processes !== undefined && performance.now() - this.#startedAt > RECENT_MILLISECONDS) this.#launcher.prepare(this.#processes)
  }

  async run(request: BuildRequest, options: BuildOptions = {}): Promise<BuildResult> {
    options.signal?.throwIfAborted()
    const slot = this.#slots.take()
    const identity = identityOf(this.#settings.owner, slot, this.#userNamespace)
    const name = String(this.#number++)
    const folder = join(this.#settings.folder, name)
    const release = async (kept?: string): Promise<void> => {
      if (kept !== undefined) {
        mkdirSync(join(this.#settings.folder, 'kept'), { recursive: true, mode: 0o700 })
        renameSync(join(folder, 'root', BUILD_FOLDER), kept)
      }
      await this.#launcher.run(removalOf(folder))
      this.#slots.give(slot)
    }
    try {
      const started = performance.now()
      const ran = await this.#runIn(folder, name, identity, request, options)
      return {
        end: ran.end,
        outputs: outputsIn(join(folder, 'root'), request),
        durationSeconds: (performance.now() - started) / 1000,
        logBytes: ran.logBytes,
        ...(ran.peakMemoryBytes !== undefined && { peakMemoryBytes: ran.peakMemoryBytes }),
        owner: identity.buildUid,
        buildFolder: join(folder, 'root', BUILD_FOLDER),
        release: async ({ keep = false } = {}) => {
          const kept = keep ? join(this.#settings.folder, 'kept', `${request.name}-${process.pid}-${name}`) : undefined
          await release(kept)
          return kept
        },
      }
    } catch (error) {
      await release()
      throw error
    }
  }

  async #runIn(folder: string, name: string, identity: Identity, request: BuildRequest, options: BuildOptions): Promise<Ran> {
    const shared = this.#openShared()
    const folderInside = join(this.#folderInside, name)
    const id = `${this.#prefix}${process.pid}-${name}`
    mkdirSync(folder, { mode: 0o755 })

    const outside = request.network === 'outside'
    const isolated = outside && this.#settings.outsideNetwork !== 'host'
    if (isolated && !(this.#hasSlirp ??= await isInstalled('slirp4netns'))) throw slirpMissing()
    const binds = makeRootFolder(join(folder, 'root'), request, identity, {
      shell: join(shared, 'sh'),
      certificates: this.#settings.certificates ?? CERTIFICATES,
      ...(isolated && { nameServer: OUTSIDE_NAME_SERVER }),
      privileged: true,
    })
    const network = isolated ? await openOutsideNetwork(folder, folderInside, {
      blockedAddresses: this.#settings.blockedAddresses ?? [],
      allowedAddresses: this.#settings.allowedAddresses ?? [],
      allowHostLoopback: this.#settings.allowHostLoopback ?? false,
    }) : undefined

    let pipe: LogPipe | undefined
    try {
      const spec = ociSpecOf(request, {
        rootFolder: join(folderInside, 'root'),
        identity,
        binds,
        readOnlyBinds: false,
        coreHardLimit: this.#coreHardLimit,
        arch: process.arch,
        cgroup: `/${id}`,
        ...(this.#cpuShares !== undefined && { cpuShares: this.#cpuShares }),
        ...(network && { networkHook: network.hook }),
        hostNetwork: outside && !isolated,
        ...(this.#starter && { starter: STARTER_PATH }),
      })
      writeFileSync(join(folder, 'config.json'), printOciSpec(spec), { mode: 0o600 })
      pipe = await this.#pipes!.open()
      this.#startedAt = performance.now()
      const command = runCommand(this.#runtime, id, folderInside, join(folderInside, 'runtime.log'), request.system, this.#starter === undefined ? 0 : 3)
      return await this.#watch(id, command, folder, pipe, network, request, options)
    } finally {
      await network?.close()
    }
  }

  /** Starts the runtime and stays with it to the end of process and log. */
  async #watch(id: string, command: readonly string[], folder: string, pipe: LogPipe, network: OutsideNetwork | undefined, request: BuildRequest, options: BuildOptions): Promise<Ran> {
    let networkError: unknown
    network?.ready.catch((error: unknown) => (networkError = error))
    const runtime = await this.#start(command, pipe, join(folder, 'exec-status'))
    const watch = new Watch(request.limits, options, async () => await this.#kill(id, runtime))
    const memory = this.#sampleMemory(id, request)
    try {
      const log = watch.read(pipe.reader)
      const ended = await runtime.ended
      const drained = await Promise.race([log.then(() => true), sleep(DRAIN_SECONDS * 1000, false, { ref: false })])
      if (drained) pipe.release()
      else pipe.reader.destroy()
      await watch.close()

      const end = watch.end ?? await this.#endOf(id, ended, folder, networkError, request, options)
      return { end, logBytes: watch.bytes, ...(memory.peak() !== undefined && { peakMemoryBytes: memory.peak()! }) }
    } catch (error) {
      // the launcher is gone, and with it whoever would tell of this container's end
      await deleteContainer(this.#runtime, id)
      throw error
    } finally {
      memory.stop()
      await watch.close()
    }
  }

  async #start(command: readonly string[], pipe: LogPipe, status: string): Promise<Launched> {
    writeFileSync(status, '', { flag: 'wx', mode: 0o600 })
    // the runtimes give standard streams to the build's users, so they must not be the machine's own /dev/null
    const nothing: LaunchDescriptor = { path: join(this.#shared!, 'null'), flags: 'r+' }
    const log: LaunchDescriptor = { path: pipe.path, flags: 'w' }
    const descriptors: readonly LaunchDescriptor[] = this.#starter === undefined
      ? [nothing, log, log]
      : [nothing, nothing, nothing, log, { path: join(this.#shared!, 'starter'), flags: 'r' }, { path: status, flags: 'r+' }]
    try {
      const launched = await this.#launcher.launch(command, descriptors)
      await launched.started
      return launched
    } finally {
      closePipeWriter(pipe)
    }
  }

  async #endOf(id: string, { exitCode, signal }: LaunchedEnd, folder: string, networkError: unknown, request: BuildRequest, options: BuildOptions): Promise<BuildEnd> {
    if (networkError !== undefined) throw networkError
    if (exitCode === null) {
      await deleteContainer(this.#runtime, id)
      throw new FirnError('killed', `${this.#runtime.name} was killed by ${signal} while it ran a build`)
    }
    const errors = exitCode === 0 ? [] : runtimeErrors(join(folder, 'runtime.log'))
    const reason = unexecuted(join(folder, 'exec-status')) ?? unexecutable(errors)
    if (reason !== undefined) {
      await options.onLog?.(Buffer.from(`error: executing '${request.builder}': ${reason}\n`, 'latin1'))
      return { kind: 'exited', exitCode: 1 }
    }
    if (errors.length > 0) {
      await deleteContainer(this.#runtime, id)
      throw runtimeFault(this.#runtime.name, errors)
    }
    const fatal = signalOf(exitCode)
    return { kind: 'exited', exitCode, ...(fatal !== undefined && { signal: fatal }) }
  }

  /** Kills the container, however far its start has got. */
  async #kill(id: string, runtime: Launched): Promise<void> {
    let running = true
    const ended = runtime.ended.catch(() => undefined).then(() => (running = false))
    for (let attempt = 0; running; attempt++) {
      if (!await killContainer(this.#runtime, id) && attempt > 20) {
        killProcess(await runtime.started)
        await deleteContainer(this.#runtime, id)
      }
      await Promise.race([ended, sleep(50)])
    }
  }

  #sampleMemory(id: string, request: BuildRequest): { peak(): number | undefined; stop(): void } {
    let peak: number | undefined
    const sample = (): void => void (peak = peakMemory(this.#hierarchies, id) ?? peak)
    const timer = setInterval(sample, request.limits.memoryBytes === undefined ? 2000 : 500)
    timer.unref()
    return { peak: () => peak, stop: () => clearInterval(timer) }
  }

  /** What all builds share: the shell, a null device of our own, the log pipes. */
  #openShared(): string {
    if (this.#shared !== undefined) return this.#shared
    const shared = join(this.#settings.folder, 'shared')
    rmSync(shared, { recursive: true, force: true })
    mkdirSync(shared, { mode: 0o700 })
    copyFileSync(this.#shell, join(shared, 'sh'))
    chmodSync(join(shared, 'sh'), 0o555)
    deviceNode(join(shared, 'null'))
    if (this.#starter) writeFileSync(join(shared, 'starter'), this.#starter, { mode: 0o555 })
    this.#pipes = new LogPipes(shared)
    return this.#shared = shared
  }
}

interface Ran {
  readonly end: BuildEnd
  readonly logBytes: number
  readonly peakMemoryBytes?: number
}

function outputsIn(root: string, request: BuildRequest): Map<string, string> {
  const found = new Map<string, string>()
  for (const { name, storePath } of request.outputs) {
    const path = join(root, STORE_DIRECTORY, storePath.baseName)
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) found.set(name, path)
  }
  return found
}

/** What the starter says if it could not become the builder. */
function unexecuted(status: string): string | undefined {
  const said = readFileSync(status)
  return said.length === 0 ? undefined : getSystemErrorMessage(-said[0]!)
}

function killProcess(processId: number): void {
  try {
    process.kill(processId, 'SIGKILL')
  } catch {
    // gone already
  }
}

function runtimeDirectory(): string {
  return process.getuid?.() === 0 ? '/run' : process.env['XDG_RUNTIME_DIR'] ?? tmpdir()
}

function hardCoreLimit(): number | 'unlimited' {
  const match = /^Max core file size\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
  return match === null || match[1] === 'unlimited' ? 'unlimited' : Number(match[1])
}

function hasUserNamespaces(): boolean {
  try {
    return Number(readFileSync('/proc/sys/user/max_user_namespaces', 'utf8')) > 0
  } catch {
    return false
  }
}
