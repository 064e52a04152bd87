/**
 * Ring: builder. The network of a build that may download: a namespace of its own, joined to the outside by slirp4netns,
 * a TCP/IP stack in user space that needs no privileges and leaves nothing on the machine's own interfaces.
 * Upstream counterpart: none that isolates; Nix lets fixed-output builds use the machine's network, through which they
 * could reach services on loopback and abstract unix sockets (CVE-2024-27297).
 *
 * What can't be reached from inside: the machine's loopback, its other addresses, and whatever addresses the farm's own
 * services have. Routes in the namespace say so, which the builder has no privileges to change.
 *
 * The runtime calls a hook once the namespace exists. It tells the container's process id through one named pipe and
 * waits on another, so that everything lasting is a child of this process and ends with it.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { isIP, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errorCode, FirnError } from '../../contract/errors.ts'

export interface OutsideNetworkSettings {
  /** Addresses or prefixes (IPv4) that builds must not reach besides the machine's own: the farm's services. */
  readonly blockedAddresses: readonly string[]
  /** Addresses that stay reachable though they are the machine's own: a mirror or a proxy on it. */
  readonly allowedAddresses: readonly string[]
  /** Shows the machine's loopback as 10.0.2.2. Only for tests and mirrors on the machine itself. */
  readonly allowHostLoopback: boolean
}

/** slirp4netns answers names here, by the machine's own resolver. */
export const OUTSIDE_NAME_SERVER = '10.0.2.3'
/** Where the machine's loopback is seen, if allowed. */
export const HOST_LOOPBACK_INSIDE = '10.0.2.2'
const HOOK_SECONDS = 60
/** Addresses of clouds' metadata services, which give out credentials. */
const LINK_LOCAL = '169.254.0.0/16'

export interface OutsideNetwork {
  readonly hook: { readonly path: string; readonly args: readonly string[]; readonly timeout: number }
  /** Rejects where the network could not be set up; the hook then fails and with it the container's start. */
  readonly ready: Promise<void>
  close(): Promise<void>
}

/** The folder is seen as `folderInside` by the runtime. */
export async function openOutsideNetwork(folder: string, folderInside: string, settings: OutsideNetworkSettings): Promise<OutsideNetwork> {
  const state = join(folder, 'network-state')
  const go = join(folder, 'network-go')
  await promisify(execFile)('mkfifo', ['-m', '600', state, go])
  // opened for both directions, so that neither end waits for the other
  const reader = new Socket({ fd: openSync(state, constants.O_RDWR | constants.O_NONBLOCK), readable: true, writable: false })
  const goDescriptor = openSync(go, constants.O_RDWR | constants.O_NONBLOCK)
  let slirp: ChildProcess | undefined
  let closed = false

  const ready = (async () => {
    const pid = await readPid(reader)
    slirp = await startSlirp(pid, settings)
    await blockAddresses(pid, settings)
    if (!closed) writeSync(goDescriptor, 'go\n')
  })()
  ready.catch(() => {
    if (!closed) writeSync(goDescriptor, 'failed\n')
  })

  return {
    hook: { path: '/bin/sh', args: ['sh', '-c', `cat >'${join(folderInside, 'network-state')}'; read answer <'${join(folderInside, 'network-go')}'; test "$answer" = go`], timeout: HOOK_SECONDS },
    ready,
    async close() {
      if (closed) return
      closed = true
      // a hook that still waits sees this end of file and fails
      closeSync(goDescriptor)
      reader.destroy()
      await ready.catch(() => {})
      if (slirp && slirp.exitCode === null && slirp.signalCode === null) {
        const ended = once(slirp, 'close')
        slirp.kill('SIGKILL')
        await ended
      }
    },
  }
}

/** The process id in the container state that the runtime gave the hook: one JSON value, whose end its braces tell. */
async function readPid(stream: Socket): Promise<number> {
  let text = ''
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8')
    const pid = pidOf(text)
    if (pid !== undefined) return pid
  }
  throw new FirnError('internal', `the container runtime gave no process id to its hook: ${text}`)
}

function pidOf(text: string): number | undefined {
  try {
    const state = JSON.parse(text) as { pid?: unknown }
    return typeof state.pid === 'number' ? state.pid : undefined
  } catch {
    return undefined
  }
}

async function startSlirp(pid: number, settings: OutsideNetworkSettings): Promise<ChildProcess> {
  const options = ['--configure', '--mtu=65520', '--ready-fd=3', '--exit-fd=4', ...(settings.allowHostLoopback ? [] : ['--disable-host-loopback'])]
  // descriptor 4 is never written: its end, when this process dies, ends slirp4netns too
  const child = spawn('slirp4netns', [...options, String(pid), 'tap0'], { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'], detached: true })
  let problem = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (problem += text))
  const [first] = await Promise.race([once(child.stdio[3]!, 'data'), once(child, 'close'), once(child, 'error')]) as [unknown]
  if (Buffer.isBuffer(first)) return child
  if (errorCode(first) === 'ENOENT') throw slirpMissing()
  throw new FirnError('internal', `slirp4netns could not join a build to the network: ${problem.trim()}`)
}

export function slirpMissing(): FirnError {
  return new FirnError('missing-requirement', 'a build that downloads needs slirp4netns, which is not installed; install it (Debian: apt-get install slirp4netns), or let such builds use the machine\'s own network (setting builder.outsideNetwork = "host")')
}

async function blockAddresses(pid: number, settings: OutsideNetworkSettings): Promise<void> {
  const addresses = blockedAddresses(settings)
  const script = addresses.map((address) => `ip route add unreachable ${address} || exit 1`).join('\n')
  try {
    await promisify(execFile)('nsenter', [`--net=/proc/${pid}/ns/net`, 'busybox', 'sh', '-c', script])
  } catch (cause) {
    throw new FirnError('internal', `could not keep a build from the machine's own addresses: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** IPv4 addresses and prefixes that are made unreachable; slirp4netns carries no IPv6 as it is called here. */
export function blockedAddresses(settings: OutsideNetworkSettings, interfaces = networkInterfaces()): string[] {
  const own = Object.values(interfaces).flatMap((list) => list ?? []).filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address)
  const wanted = [LINK_LOCAL, ...own, ...settings.blockedAddresses].filter((address) => isIP(address.split('/')[0]!) === 4)
  return [...new Set(wanted)].filter((address) => !settings.allowedAddresses.includes(address)).map((address) => (address.includes('/') ? address : `${address}/32`))
}
