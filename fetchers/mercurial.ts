/**
 * Ring: fetchers. Mercurial repositories, by `hg`. Upstream: libfetchers/mercurial.cc.
 */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { run, runText, type CommandOptions } from './command.ts'
import type { GitOptions } from './git.ts'

export interface MercurialCheckout {
  /** Files of the revision, in a folder that `remove` deletes. */
  readonly folder: string
  readonly revision: string
  readonly revisionCount: number
  remove(): Promise<void>
}

/** Gets a revision, branch or tag (`default` unless given) into a folder. Repositories are kept below `cache`. */
export async function checkOutMercurial(cache: string, source: { readonly url: string; readonly ref?: string; readonly revision?: string }, { signal }: GitOptions = {}): Promise<MercurialCheckout> {
  const address = source.url.replace(/^hg\+/, '')
  const options: CommandOptions = { url: source.url, install: 'mercurial', environment: { HGPLAIN: '1' }, ...(signal && { signal }) }
  const repository = join(cache, `hg-${createHash('sha256').update(source.url).digest('hex').slice(0, 40)}`)
  const wanted = source.revision ?? source.ref ?? 'default'
  await mkdir(cache, { recursive: true })
  if (await stat(join(repository, '.hg')).catch(() => undefined)) {
    const known = source.revision !== undefined && await runText('hg', ['log', '-R', repository, '-r', source.revision, '--template', '1'], options).catch(() => '') === '1'
    if (!known) await run('hg', ['pull', '-R', repository, '--', address], options)
  } else {
    await run('hg', ['clone', '--noupdate', '--', address, repository], options).catch(async (error: unknown) => {
      await rm(repository, { recursive: true, force: true })
      throw error
    })
  }
  const [revision, count] = (await runText('hg', ['log', '-R', repository, '-r', wanted, '--template', '{node} {rev}'], options)).split(' ')
  const folder = await mkdtemp(join(cache, 'hg-tree-'))
  const remove = async (): Promise<void> => await rm(folder, { recursive: true, force: true })
  try {
    await run('hg', ['archive', '-R', repository, '-r', revision!, '-X', join(repository, '.hg_archival.txt'), folder], options)
    await rm(join(folder, '.hg_archival.txt'), { force: true })
  } catch (error) {
    await remove()
    throw error
  }
  return { folder, revision: revision!, revisionCount: Number(count), remove }
}
