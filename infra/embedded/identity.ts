/**
 * Ring: infra. As whom a server that refuses to be root is run. Started by an ordinary user: as that user. Started by root: as
 * `postgres` or `nobody` where these can reach the files, else as root seen through a user namespace in which it isn't root
 * (a clone below /root, say, which nobody else may enter).
 */
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'

import { FirnError } from '../../contract/errors.ts'

export type ServerIdentity =
  | { readonly kind: 'self' }
  | { readonly kind: 'user'; readonly uid: number; readonly gid: number }
  | { readonly kind: 'namespace'; readonly uid: number; readonly gid: number }

/** `directory` decides if it is there already: its owner runs the server. */
export async function identityFor(directory: string, program: string): Promise<ServerIdentity> {
  if (process.getuid?.() !== 0) return { kind: 'self' }
  const users = await passwd()
  const nobody = users.get('nobody') ?? { uid: 65534, gid: 65534 }
  const owner = await stat(directory).catch(() => undefined)
  if (owner?.uid === 0) return { kind: 'namespace', ...nobody }
  if (owner !== undefined) return { kind: 'user', uid: owner.uid, gid: owner.gid }
  for (const name of ['postgres', 'nobody']) {
    const user = users.get(name)
    if (user !== undefined && await canEnter(user.uid, dirname(program)) && await canEnter(user.uid, dirname(directory))) return { kind: 'user', ...user }
  }
  return { kind: 'namespace', ...nobody }
}

/** The command as it must be called to run under this identity; on Linux the process gets SIGINT when ours ends. */
export function wrapCommand(command: readonly string[], identity: ServerIdentity): [string, ...string[]] {
  const setpriv = findProgram('setpriv')
  const unshare = findProgram('unshare')
  const follow = setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'INT']
  switch (identity.kind) {
    case 'self': return [...follow, ...command] as [string, ...string[]]
    case 'user':
      if (setpriv === undefined) throw new FirnError('missing-requirement', 'Postgres does not run as root and setpriv is missing: install util-linux, or start Firn as another user')
      return [setpriv, `--reuid=${identity.uid}`, `--regid=${identity.gid}`, '--clear-groups', '--pdeathsig', 'INT', ...command]
    case 'namespace':
      if (unshare === undefined) throw new FirnError('missing-requirement', 'Postgres does not run as root and unshare is missing: install util-linux, or start Firn as another user')
      return [unshare, '--user', `--map-user=${identity.uid}`, `--map-group=${identity.gid}`, ...follow, ...command]
  }
}

function findProgram(name: string): string | undefined {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/bin']) {
    const path = join(folder, name)
    if (folder !== '' && existsSync(path)) return path
  }
  return undefined
}

async function canEnter(uid: number, folder: string): Promise<boolean> {
  for (let path = folder; ; path = dirname(path)) {
    const status = await stat(path).catch(() => undefined)
    if (status !== undefined && (status.mode & 0o001) === 0 && !(status.uid === uid && (status.mode & 0o100) !== 0)) return false
    if (path === dirname(path)) return true
  }
}

async function passwd(): Promise<Map<string, { uid: number; gid: number }>> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '')
  return new Map(text.split('\n').map((line) => line.split(':')).filter((fields) => fields.length >= 4)
    .map(([name, , uid, gid]) => [name ?? '', { uid: Number(uid), gid: Number(gid) }]))
}
