/**
 * Ring: builder. The root folder of a build's container: what of Nix's sandbox is plain files and folders.
 * Upstream: setupBuildChroot (libstore/unix/build/chroot.cc).
 *
 * Everything is made with synchronous calls: they are a few dozen system calls on a warm file system, less than one
 * round through the thread pool for each would cost. /nix/store is a plain folder in it, not a mount, so that outputs
 * end on this file system and can be renamed into the local store.
 */
import { chmodSync, chownSync, copyFileSync, existsSync, linkSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FirnError } from '../../contract/errors.ts'
import { STORE_DIRECTORY } from '../../nix/store-path.ts'
import type { BuildRequest } from '../interface.ts'
import { BUILD_FOLDER, BUILD_GID, BUILD_UID, type BindMount, type Identity } from './oci-spec.ts'

export interface RootFolderSettings {
  /** A static shell, on the same file system where a hard link is to save the copy. */
  readonly shell: string
  /** Certificate authorities for builds that download. */
  readonly certificates?: string
  /** Name server to put into resolv.conf in place of the machine's. */
  readonly nameServer?: string
  /** Whether ownership can be given away. */
  readonly privileged: boolean
}

const PASSWD = `root:x:0:0:Nix build user:${BUILD_FOLDER}:/noshell\n`
  + `nixbld:x:${BUILD_UID}:${BUILD_GID}:Nix build user:${BUILD_FOLDER}:/noshell\n`
  + 'nobody:x:65534:65534:Nobody:/:/noshell\n'
const GROUP = `root:x:0:\nnixbld:!:${BUILD_GID}:\nnogroup:x:65534:\n`
const HOSTS = '127.0.0.1 localhost\n::1 localhost\n'
const NSSWITCH = 'hosts: files dns\nservices: files\n'

/** Makes the root folder at `root`, which must not exist, and tells what is to be mounted into it. */
export function makeRootFolder(root: string, request: BuildRequest, identity: Identity, settings: RootFolderSettings): BindMount[] {
  for (const folder of ['', 'bin', 'dev', 'etc', 'nix', 'proc']) mkdirSync(join(root, folder), { mode: 0o755 })
  mkdirSync(join(root, 'tmp'))
  chmodSync(join(root, 'tmp'), 0o1777)
  installShell(settings.shell, join(root, 'bin/sh'))
  fillEtc(join(root, 'etc'), request.network === 'outside', settings)
  fillBuildFolder(join(root, BUILD_FOLDER), request, identity, settings)
  return fillStore(join(root, STORE_DIRECTORY), request, identity, settings)
}

function installShell(shell: string, target: string): void {
  try {
    linkSync(shell, target)
  } catch {
    copyFileSync(shell, target)
    chmodSync(target, 0o555)
  }
}

function fillEtc(folder: string, outside: boolean, settings: RootFolderSettings): void {
  writeFileSync(join(folder, 'passwd'), PASSWD)
  writeFileSync(join(folder, 'group'), GROUP)
  if (!outside) {
    writeFileSync(join(folder, 'hosts'), HOSTS)
  } else {
    writeFileSync(join(folder, 'nsswitch.conf'), NSSWITCH)
    for (const name of ['hosts', 'services']) if (existsSync(`/etc/${name}`)) copyFileSync(`/etc/${name}`, join(folder, name))
    if (existsSync('/etc/resolv.conf')) writeFileSync(join(folder, 'resolv.conf'), resolvConf(readFileSync('/etc/resolv.conf', 'utf8'), settings.nameServer))
    if (settings.certificates !== undefined && existsSync(settings.certificates)) {
      mkdirSync(join(folder, 'ssl/certs'), { recursive: true })
      copyFileSync(settings.certificates, join(folder, 'ssl/certs/ca-certificates.crt'))
    }
  }
  chmodSync(folder, 0o555)
}

/**
 * The machine's resolv.conf. In a network of its own a build asks the given name server instead, which asks the machine's: those
 * may be on its loopback, or at an address that builds must not reach.
 */
export function resolvConf(text: string, nameServer: string | undefined): string {
  if (nameServer === undefined) return text
  return [`nameserver ${nameServer}`, ...text.split('\n').filter((line) => !/^\s*nameserver\s/.test(line))].join('\n')
}

function fillBuildFolder(folder: string, request: BuildRequest, identity: Identity, settings: RootFolderSettings): void {
  mkdirSync(folder, { mode: 0o700 })
  for (const [name, content] of request.files) {
    if (name === '' || name === '.' || name === '..' || name.includes('/')) throw new FirnError('invalid-input', `'${name}' is no name for a file in ${BUILD_FOLDER}`)
    const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')])
    writeFileSync(path, Buffer.from(content, 'latin1'), { mode: 0o644, flag: 'wx' })
    if (settings.privileged) chownSync(path, identity.buildUid, identity.buildGid)
  }
  if (settings.privileged) chownSync(folder, identity.buildUid, identity.buildGid)
}

/**
 * As Nix does: a file is linked where that is possible, since a mount of its own costs the runtime far more. Its owner
 * isn't mapped, or it is root's: the build can't change it either way.
 */
function linkedInto(localPath: string, place: string): boolean {
  try {
    linkSync(localPath, place)
    return true
  } catch {
    // another file system, or as many links as it allows
    return false
  }
}

function fillStore(folder: string, request: BuildRequest, identity: Identity, settings: RootFolderSettings): BindMount[] {
  mkdirSync(folder)
  const binds: BindMount[] = []
  for (const { storePath, localPath } of request.inputs) {
    const stat = lstatSync(localPath, { throwIfNoEntry: false })
    if (stat === undefined) throw new FirnError('not-found', `input ${storePath.toString()} is not laid out at ${localPath}`)
    const place = join(folder, storePath.baseName)
    if (stat.isSymbolicLink()) {
      // a link can't be mounted, and what it names may lie elsewhere in the store
      symlinkSync(readlinkSync(localPath, 'buffer'), place)
      continue
    }
    if (stat.isDirectory()) mkdirSync(place)
    else if (linkedInto(localPath, place)) continue
    else writeFileSync(place, '')
    binds.push({ source: localPath, target: `${STORE_DIRECTORY}/${storePath.baseName}` })
  }
  if (settings.privileged) chownSync(folder, 0, identity.buildGid)
  // sticky, so that the build can make its outputs but not remove an input's mount point
  chmodSync(folder, 0o1775)
  return binds
}
