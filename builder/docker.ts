/**
 * Ring: builder. The driver that runs builds by Docker's API, or Podman's service of the same API. Upstream counterpart: none.
 *
 * For machines where a worker may talk to such a daemon but is not root itself. What a build sees is as under runc (runc.ts)
 * with these differences, which the API leaves no choice about: argv[0] is the builder's whole path, the order between
 * standard output and error is the daemon's, address space randomisation stays on, the daemon adds files to /etc and
 * mounts to /proc, and without user namespaces in the daemon's own configuration the build user is the machine's uid 1000.
 *
 * The image holds a shell and empty folders; all that belongs to a build is mounted from a folder on the local store's
 * file system, which has to be this machine's: a daemon elsewhere can't be used.
 */
import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import Docker from 'dockerode'
import { pack } from 'tar-stream'
import { FirnError } from '../contract/errors.ts'
import { STORE_DIRECTORY } from '../nix/store-path.ts'
import { isPrivileged } from './container/identity.ts'
import { BUILD_FOLDER, BUILD_GID, BUILD_UID, environmentText, textOf, type BindMount, type Identity } from './container/oci-spec.ts'
import { reapFolders, removeTree } from './container/reap.ts'
import { makeRootFolder } from './container/root-folder.ts'
import { findShell, signalOf } from './container/runtime.ts'
import { seccompProfile } from './container/seccomp.ts'
import { Watch } from './container/watch.ts'
import type { BuildDriver, BuildEnd, BuildOptions, BuildRequest, BuildResult, ReapReport } from './interface.ts'

export interface DockerSettings {
  /** Socket of the daemon. */
  readonly socket: string
  /** Tells this driver's containers from others of the machine. One driver at a time may have it. */
  readonly owner: string
  /** Folder for builds, on the local store's file system and visible to the daemon under the same name. */
  readonly folder: string
  /** Static shell, shown as /bin/sh; by default the busybox on the PATH. */
  readonly shell?: string
  /** PEM file of authorities, shown to builds that download. */
  readonly certificates?: string
  /** Docker network of builds that download. Its default bridge keeps them from the machine's loopback, not from its other addresses. */
  readonly outsideNetwork?: string
  /** Largest hard limit of open files that the daemon may ask for: some machines let it raise none. */
  readonly openFiles?: number
}

const LABEL = 'org.firn.owner'
/** Podman's service lowers its own limit to this, and can't raise it again for a container. */
const PROCESSES = 32_768
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

/** Checks that the daemon answers and gives it the image. Throws FirnError 'missing-requirement' or 'unavailable'. */
export async function openDockerDriver(settings: DockerSettings): Promise<BuildDriver> {
  const shell = findShell(settings.shell)
  const docker = new Docker({ socketPath: settings.socket })
  await docker.ping().catch((cause: unknown) => {
    throw new FirnError('missing-requirement', `no Docker or Podman service answers at ${settings.socket}; start one, or set the runtime 'runc'`, { cause })
  })
  mkdirSync(settings.folder, { recursive: true })
  chmodSync(settings.folder, 0o711)
  return new DockerDriver(docker, settings, shell, await ensureImage(docker, shell), await seccompOption(docker, settings.folder))
}

/** Docker takes the profile itself, Podman the name of a file with it. */
async function seccompOption(docker: Docker, folder: string): Promise<string> {
  const profile = JSON.stringify(seccompProfile(process.arch))
  const { Components = [] } = await docker.version() as { Components?: { Name: string }[] }
  if (!Components.some(({ Name }) => /podman/i.test(Name))) return `seccomp=${profile}`
  const path = join(folder, 'kept', 'seccomp.json')
  mkdirSync(join(folder, 'kept'), { recursive: true, mode: 0o700 })
  writeFileSync(path, profile)
  return `seccomp=${path}`
}

/** Makes the image unless the daemon has it. Its name tells the shell that it holds. */
async function ensureImage(docker: Docker, shell: string): Promise<string> {
  const program = readFileSync(shell)
  // not in the tag, which Podman ignores on import
  const name = `localhost/firn-sandbox-${createHash('sha256').update(program).digest('hex').slice(0, 16)}`
  if (await docker.getImage(name).inspect().then(() => true, () => false)) return name
  const archive = pack()
  for (const folder of ['bin', 'build', 'dev', 'etc', 'nix', 'nix/store', 'proc', 'sys', 'tmp']) archive.entry({ name: folder, type: 'directory', mode: folder === 'tmp' ? 0o1777 : 0o755 })
  archive.entry({ name: 'bin/sh', mode: 0o555 }, program)
  archive.finalize()
  // the types say that nothing comes back; it is what the daemon says
  const answer = await docker.importImage(Readable.from(archive, { objectMode: false }), { repo: name, tag: 'latest' }) as unknown as AsyncIterable<Buffer>
  for await (const chunk of answer) if (/"error"/.test(String(chunk))) throw new FirnError('internal', `the image for builds could not be made: ${String(chunk)}`)
  return name
}

class DockerDriver implements BuildDriver {
  readonly name = 'docker'
  readonly #docker: Docker
  readonly #settings: DockerSettings
  readonly #shell: string
  readonly #image: string
  readonly #seccomp: string
  readonly #identity: Identity
  #number = 0

  constructor(docker: Docker, settings: DockerSettings, shell: string, image: string, seccomp: string) {
    this.#seccomp = seccomp
    this.#docker = docker
    this.#settings = settings
    this.#shell = shell
    this.#image = image
    // one who can't give files away builds as himself
    const [uid, gid] = isPrivileged() ? [BUILD_UID, BUILD_GID] : [process.getuid!(), process.getgid!()]
    this.#identity = { userNamespace: false, rootUid: 0, rootGid: 0, buildUid: uid, buildGid: gid }
  }

  async reap(): Promise<ReapReport> {
    const left = await this.#docker.listContainers({ all: true, filters: { label: [`${LABEL}=${this.#settings.owner}`] } })
    await Promise.all(left.map(async ({ Id }) => await this.#docker.getContainer(Id).remove({ force: true })))
    return { containers: left.length, cgroups: 0, folders: await reapFolders(this.#settings.folder) }
  }

  async close(): Promise<void> {
    // the daemon keeps nothing for us but the image
  }

  async run(request: BuildRequest, options: BuildOptions = {}): Promise<BuildResult> {
    options.signal?.throwIfAborted()
    const name = String(this.#number++)
    const folder = join(this.#settings.folder, name)
    const root = join(folder, 'root')
    mkdirSync(folder, { mode: 0o755 })
    try {
      const binds = makeRootFolder(root, request, this.#identity, { shell: this.#shell, certificates: this.#settings.certificates ?? CERTIFICATES, privileged: isPrivileged() })
      const started = performance.now()
      const container = await this.#docker.createContainer(this.#optionsOf(request, root, binds))
      const ran = await this.#runContainer(container, request, options)
      const outputs = new Map(request.outputs.map((output) => [output.name, join(root, STORE_DIRECTORY, output.storePath.baseName)] as const).filter(([, path]) => lstatSync(path, { throwIfNoEntry: false }) !== undefined))
      return {
        end: ran.end,
        outputs,
        durationSeconds: (performance.now() - started) / 1000,
        logBytes: ran.logBytes,
        owner: this.#identity.buildUid,
        buildFolder: join(root, BUILD_FOLDER),
        release: async ({ keep = false } = {}) => {
          const kept = keep ? join(this.#settings.folder, 'kept', `${request.name}-${process.pid}-${name}`) : undefined
          if (kept !== undefined) {
            mkdirSync(join(this.#settings.folder, 'kept'), { recursive: true, mode: 0o700 })
            renameSync(join(root, BUILD_FOLDER), kept)
          }
          await removeTree(folder)
          return kept
        },
      }
    } catch (error) {
      await removeTree(folder)
      throw asFault(error)
    }
  }

  #optionsOf(request: BuildRequest, root: string, binds: readonly BindMount[]): Docker.ContainerCreateOptions {
    const { openFiles, owner, outsideNetwork } = this.#settings
    // the store's folder first: inputs are mounted into it
    // the daemon adds files of its own to /etc, and name servers that fit its networks
    const etc = readdirSync(join(root, 'etc')).filter((name) => name !== 'resolv.conf').map((name) => `/etc/${name}`)
    const own = [STORE_DIRECTORY, BUILD_FOLDER, ...etc].map((target) => ({ Type: 'bind' as const, Source: join(root, target), Target: target, ReadOnly: etc.includes(target) }))
    const outside = request.network === 'outside'
    const files = openFiles ?? openFilesLimit()
    return {
      Image: this.#image,
      Entrypoint: [textOf(request.builder, 'builder')],
      Cmd: request.args.map((argument) => textOf(argument, 'argument')),
      Env: environmentText(request),
      User: `${this.#identity.buildUid}:${this.#identity.buildGid}`,
      WorkingDir: BUILD_FOLDER,
      Hostname: 'localhost',
      Labels: { [LABEL]: owner },
      AttachStdout: true,
      AttachStderr: true,
      NetworkDisabled: !outside,
      HostConfig: {
        Mounts: [...own, ...binds.map(({ source, target }) => ({ Type: 'bind' as const, Source: source, Target: target, ReadOnly: true }))],
        NetworkMode: outside ? outsideNetwork ?? 'bridge' : 'none',
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges', this.#seccomp],
        // explicit and no higher than what is: otherwise the daemon asks for limits that this machine may not let it have
        Ulimits: [{ Name: 'core', Soft: 0, Hard: 0 }, { Name: 'nofile', Soft: files, Hard: files }, { Name: 'nproc', Soft: PROCESSES, Hard: PROCESSES }],
        LogConfig: { Type: 'none', Config: {} },
        ...(request.limits.memoryBytes !== undefined && { Memory: request.limits.memoryBytes, MemorySwap: request.limits.memoryBytes }),
        ...(request.kvm && { Devices: [{ PathOnHost: '/dev/kvm', PathInContainer: '/dev/kvm', CgroupPermissions: 'rwm' }] }),
      },
    }
  }

  async #runContainer(container: Docker.Container, request: BuildRequest, options: BuildOptions): Promise<{ readonly end: BuildEnd; readonly logBytes: number }> {
    let watch: Watch | undefined
    try {
      const log = new PassThrough()
      watch = new Watch(request.limits, options, async () => void await container.kill({ signal: 'SIGKILL' }).catch(() => {}))
      const reading = watch.read(log)
      // Podman prepares the container, and so notices a missing builder, when somebody attaches
      const unexecutable = await this.#start(container, log).then(() => undefined, (error: unknown) => reasonNotExecuted(error))
      if (unexecutable !== undefined) {
        await options.onLog?.(Buffer.from(`error: executing '${request.builder}': ${unexecutable}\n`, 'latin1'))
        return { end: { kind: 'exited', exitCode: 1 }, logBytes: 0 }
      }
      // one that was cancelled before it started was not there to be killed
      if (watch.end !== undefined) await container.kill({ signal: 'SIGKILL' }).catch(() => {})
      const { StatusCode } = await container.wait() as { StatusCode: number }
      await reading
      const signal = signalOf(StatusCode)
      return { end: watch.end ?? { kind: 'exited', exitCode: StatusCode, ...(signal !== undefined && { signal }) }, logBytes: watch.bytes }
    } finally {
      await container.remove({ force: true, v: true }).catch(() => {})
      await watch?.close()
    }
  }

  async #start(container: Docker.Container, log: PassThrough): Promise<void> {
    const attached = await container.attach({ stream: true, stdout: true, stderr: true })
    this.#docker.modem.demuxStream(attached, log, log)
    for (const event of ['end', 'close', 'error']) attached.once(event, () => log.end())
    await container.start()
  }
}

/** Why the builder itself could not be executed; other failures to start are thrown. */
function reasonNotExecuted(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const reason = /(no such file or directory|permission denied|exec format error|not found)/i.exec(text)?.[1]
  const aboutProgram = /exec|executable|OCI runtime/i.test(text) && !/mount|cgroup|rlimit/i.test(text)
  if (reason === undefined || !aboutProgram) throw error
  return /not found/i.test(reason) ? 'no such file or directory' : reason.toLowerCase()
}

function openFilesLimit(): number {
  const match = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
  return match === null ? 1024 : Number(match[1])
}

function asFault(error: unknown): unknown {
  if (error instanceof FirnError || !(error instanceof Error) || !('statusCode' in error)) return error
  return new FirnError('internal', `Docker's API refused a build: ${error.message}`, { cause: error })
}
