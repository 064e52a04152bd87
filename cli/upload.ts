/** Ring: cli. A folder of this machine as a NAR stream, for a farm that can't read it. */
import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { FirnError } from '../contract/errors.ts'
import type { NarEvent } from '../nix/nar.ts'
import { writeNar } from '../nix/nar-writer.ts'
import type { FarmClient } from './client.ts'

/** Uploads a tree under a name, without version control's own folders; gives its store path. */
export async function uploadSource(client: FarmClient, folder: string, name: string): Promise<string> {
  const uploaded = await client.call('uploadSource', { query: { name } }, { upload: { type: 'application/x-nix-nar', content: writeNar(treeEvents(folder, '')) } })
  return uploaded.storePath
}

const LEFT_OUT = new Set(['.git', '.hg', '.svn', '.jj'])

/** Paths in NAR events are byte strings: file names are read as bytes and shown as latin1. */
async function *treeEvents(root: string, path: string): AsyncGenerator<NarEvent> {
  const absolute = Buffer.concat([Buffer.from(path === '' ? root : `${root}/`), Buffer.from(path, 'latin1')])
  const status = await lstat(absolute)
  if (status.isSymbolicLink()) {
    yield { kind: 'symlink', path, target: (await readlink(absolute, { encoding: 'buffer' })).toString('latin1') }
  } else if (status.isFile()) {
    yield { kind: 'file', path, executable: (status.mode & 0o100) !== 0, size: status.size, content: createReadStream(absolute) }
  } else if (status.isDirectory()) {
    yield { kind: 'directory-start', path }
    const names = (await readdir(absolute, { encoding: 'buffer' })).map((name) => name.toString('latin1')).filter((name) => path !== '' || !LEFT_OUT.has(name)).sort()
    for (const name of names) yield *treeEvents(root, path === '' ? name : `${path}/${name}`)
    yield { kind: 'directory-end', path }
  } else {
    throw new FirnError('invalid-input', `${join(root, path)} is neither a file, a folder nor a symbolic link, and can't be uploaded`)
  }
}
