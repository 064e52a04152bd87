/**
 * Ring: builder. A build request as an OCI runtime configuration (config.json): pure, no file is touched here.
 * Upstream: ChrootLinuxDerivationBuilder (libstore/linux/build/linux-derivation-builder.cc), whose sandbox this repeats.
 *
 * What the root folder holds (`/etc`, `/bin/sh`, the folders to mount on) is made by root-folder.ts; here it is only
 * said what is mounted where, in which namespaces, and as whom the builder runs.
 */
import { FirnError } from '../../contract/errors.ts'
import type { BuildRequest } from '../interface.ts'
import { seccompProfile, type SeccompProfile } from './seccomp.ts'

/** The build user inside, as Nix has it: `nixbld`. */
export const BUILD_UID = 1000
export const BUILD_GID = 100
export const BUILD_FOLDER = '/build'

/** Who the container's users are outside. */
export interface Identity {
  /** Without one, uid 1000 inside is uid 1000 of the machine. */
  readonly userNamespace: boolean
  /** Owners outside of what root and the build user own inside. */
  readonly rootUid: number
  readonly rootGid: number
  readonly buildUid: number
  readonly buildGid: number
}

/** A local file or folder to be seen in the container. */
export interface BindMount {
  readonly source: string
  /** Absolute, inside. It must exist in the root folder. */
  readonly target: string
}

/** What the machine adds to the request. */
export interface ContainerPlan {
  /** Root folder, as the runtime sees it. */
  readonly rootFolder: string
  readonly identity: Identity
  readonly binds: readonly BindMount[]
  /** Mount inputs read-only. Not needed where their owner isn't mapped: nobody inside could write to them. */
  readonly readOnlyBinds: boolean
  /** Hard limit of the core size, which can only be lowered without CAP_SYS_RESOURCE. */
  readonly coreHardLimit: number | 'unlimited'
  /** `process.arch` of Node. */
  readonly arch: string
  /** Cgroup of the container, from the root of the hierarchy; absent leaves it to the runtime. */
  readonly cgroup?: string
  /** The cgroup's part of the processors beside others', of which 1024 is an ordinary process's; absent where there is no cgroup to have one. */
  readonly cpuShares?: number
  /** Called with the container's state before the builder starts: sets up its network. */
  readonly networkHook?: { readonly path: string; readonly args: readonly string[]; readonly timeout: number }
  /** Use the machine's network, where the farm was told so. */
  readonly hostNetwork: boolean
  /** Program that becomes the builder (starter.ts); absent lets the runtime start the builder itself. */
  readonly starter?: string
}

interface IdMapping {
  readonly containerID: number
  readonly hostID: number
  readonly size: number
}

interface Mount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

/** The parts of an OCI runtime configuration that are used here. */
export interface OciSpec {
  readonly ociVersion: string
  readonly hostname: string
  readonly root: { readonly path: string; readonly readonly: boolean }
  readonly process: {
    readonly terminal: boolean
    readonly user: { readonly uid: number; readonly gid: number; readonly umask: number }
    readonly args: readonly string[]
    readonly env: readonly string[]
    readonly cwd: string
    readonly capabilities: Readonly<Record<'bounding' | 'effective' | 'inheritable' | 'permitted' | 'ambient', readonly string[]>>
    readonly rlimits: readonly { readonly type: string; readonly soft: number; readonly hard: number | 'unlimited' }[]
    readonly noNewPrivileges: boolean
  }
  readonly mounts: readonly Mount[]
  readonly hooks?: { readonly createRuntime: readonly { readonly path: string; readonly args: readonly string[]; readonly timeout: number }[] }
  readonly linux: {
    readonly namespaces: readonly { readonly type: string }[]
    readonly uidMappings?: readonly IdMapping[]
    readonly gidMappings?: readonly IdMapping[]
    readonly devices?: readonly { readonly path: string; readonly type: string; readonly major: number; readonly minor: number; readonly fileMode: number }[]
    readonly resources: {
      readonly memory?: { readonly limit: number }
      readonly cpu?: { readonly shares: number }
      readonly devices?: readonly { readonly allow: boolean; readonly type: string; readonly major: number; readonly minor: number; readonly access: string }[]
    }
    readonly cgroupsPath?: string
    readonly seccomp: SeccompProfile
    readonly maskedPaths: readonly string[]
    readonly readonlyPaths: readonly string[]
  }
}

/** Shares of a process that nobody made nice, and the least that a cgroup may have. */
const USUAL_SHARES = 1024
const LEAST_SHARES = 2

/** A niceness as shares of a cgroup: with each step a fifth less, as the kernel weighs processes. Niceness alone counts within a cgroup only. */
export function cpuSharesOf(niceness: number): number {
  return Math.max(LEAST_SHARES, Math.round(USUAL_SHARES / 1.25 ** niceness))
}

const KVM = { type: 'c', major: 10, minor: 232 }

/** The configuration. Throws FirnError 'invalid-input' for a text that JSON, and so OCI, can't carry. */
export function ociSpecOf(request: BuildRequest, plan: ContainerPlan): OciSpec {
  const namespaces = ['pid', 'mount', 'ipc', 'uts']
  if (!plan.hostNetwork) namespaces.push('network')
  if (plan.identity.userNamespace) namespaces.push('user')
  const none: readonly string[] = []

  return {
    ociVersion: '1.0.2',
    hostname: 'localhost',
    root: { path: plan.rootFolder, readonly: false },
    process: {
      terminal: false,
      user: { uid: BUILD_UID, gid: BUILD_GID, umask: 0o022 },
      args: commandOf(request, plan.starter).map((text) => textOf(text, 'argument')),
      env: environmentText(request),
      cwd: BUILD_FOLDER,
      capabilities: { bounding: none, effective: none, inheritable: none, permitted: none, ambient: none },
      rlimits: [{ type: 'RLIMIT_CORE', soft: 0, hard: plan.coreHardLimit }],
      noNewPrivileges: true,
    },
    mounts: mountsOf(plan),
    ...(plan.networkHook && { hooks: { createRuntime: [plan.networkHook] } }),
    linux: {
      namespaces: namespaces.map((type) => ({ type })),
      ...(plan.identity.userNamespace && mappingsOf(plan.identity)),
      ...(request.kvm && { devices: [{ path: '/dev/kvm', ...KVM, fileMode: 0o666 }] }),
      resources: {
        ...(request.limits.memoryBytes !== undefined && { memory: { limit: request.limits.memoryBytes } }),
        ...(plan.cpuShares !== undefined && { cpu: { shares: plan.cpuShares } }),
        ...(request.kvm && { devices: [{ allow: true, ...KVM, access: 'rwm' }] }),
      },
      ...(plan.cgroup !== undefined && { cgroupsPath: plan.cgroup }),
      seccomp: seccompProfile(plan.arch),
      // Nix shows all of /proc; nothing in it can be written without privileges
      maskedPaths: none,
      readonlyPaths: none,
    },
  }
}

export function environmentText(request: BuildRequest): string[] {
  return [...request.environment].map(([name, value]) => textOf(`${name}=${value}`, `environment variable '${name}'`))
}

/** argv[0] of the builder is its base name, where the runtime doesn't decide it. */
function commandOf(request: BuildRequest, starter: string | undefined): string[] {
  return starter === undefined ? [request.builder, ...request.args] : [starter, request.builder, request.builder.slice(request.builder.lastIndexOf('/') + 1), ...request.args]
}

/** The text of config.json. No limit is the largest 64-bit number, which JavaScript's numbers can't hold. */
export function printOciSpec(spec: OciSpec): string {
  return JSON.stringify(spec).replaceAll('"hard":"unlimited"', '"hard":18446744073709551615')
}

/** Mounts in order: the runtime makes /dev's nodes and links itself once a tmpfs is there. */
function mountsOf(plan: ContainerPlan): Mount[] {
  const bindOptions = plan.readOnlyBinds ? ['bind', 'ro'] : ['bind']
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: [] },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'] },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'nodev', 'mode=1777', 'size=50%'] },
    ...plan.binds.map(({ source, target }) => ({ destination: target, type: 'none', source, options: bindOptions })),
  ]
}

/** Two users are mapped: root, which the runtime needs to set things up, and the build user. All others are nobody. */
function mappingsOf(identity: Identity): { readonly uidMappings: IdMapping[]; readonly gidMappings: IdMapping[] } {
  const mapping = (containerID: number, hostID: number): IdMapping => ({ containerID, hostID, size: 1 })
  return {
    uidMappings: [mapping(0, identity.rootUid), mapping(BUILD_UID, identity.buildUid)],
    gidMappings: [mapping(0, identity.rootGid), mapping(BUILD_GID, identity.buildGid)],
  }
}

/** A byte string as the text whose UTF-8 form has these bytes. */
export function textOf(byteString: string, what: string): string {
  let ascii = true
  for (let index = 0; index < byteString.length && ascii; index++) {
    const code = byteString.charCodeAt(index)
    if (code === 0) throw new FirnError('invalid-input', `${what} contains a NUL character`)
    ascii = code < 0x80
  }
  if (ascii) return byteString
  if (byteString.includes('\0')) throw new FirnError('invalid-input', `${what} contains a NUL character`)
  const bytes = Uint8Array.from(byteString, (character) => character.charCodeAt(0))
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new FirnError('invalid-input', `${what} is not valid UTF-8, which the container runtime requires`, { cause })
  }
}
