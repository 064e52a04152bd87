/**
 * What the store costs: requests and bytes to S3 for a path of 20,000 small files and for one file of 500 MB, and the speed of taking
 * in, rendering and laying out, beside `nix-store --dump` and `--restore` on the same machine. Run: `node bench/store.ts [s3|file] [scale]`.
 * Needs versitygw for `s3` and stock Nix for the comparison.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { makeSourcePath } from '../nix/store-path.ts'
import { PackedBlobStore } from '../store/blobs/packed.ts'
import { ingest } from '../store/ingest/ingest.ts'
import { entriesOfLocalTree } from '../store/ingest/local-tree.ts'
import { FolderLocalStore } from '../store/local/local-store.ts'
import { MemoryPathInfoStore } from '../store/path-info/memory.ts'
import { renderNar } from '../store/render-nar.ts'
import { BLOB_BACKENDS } from '../store/testing/backends.ts'
import { largeBytes } from '../store/testing/trees.ts'

const [kind = 's3', scaleText = '1'] = process.argv.slice(2)
const scale = Number(scaleText)
const folder = await mkdtemp(join(tmpdir(), 'firn-bench-store-'))

function smallFiles(path: string): void {
  for (let index = 0; index < 20_000 * scale; index++) {
    if (index % 100 === 0) mkdirSync(join(path, `folder-${index / 100}`), { recursive: true })
    writeFileSync(join(path, `folder-${Math.floor(index / 100)}`, `file-${index}.txt`), `${index} ${'some text of a source file\n'.repeat(20 + index % 200)}`)
  }
}

function largeFile(path: string): void {
  mkdirSync(path)
  writeFileSync(join(path, 'large'), largeBytes(500_000_000 * scale))
}

async function seconds(work: () => unknown): Promise<number> {
  const begun = performance.now()
  await work()
  return (performance.now() - begun) / 1000
}

const backend = await (kind === 's3' ? BLOB_BACKENDS['S3 and Postgres'] : BLOB_BACKENDS['files and Postgres'])!()
const blobs = new PackedBlobStore(backend.objects, backend.index)
const rows: Record<string, unknown>[] = []
try {
  for (const [name, make] of [['20,000 small files', smallFiles], ['one file of 500 MB', largeFile]] as const) {
    const path = join(folder, name.replaceAll(/[ ,]/g, '-'))
    make(path)
    const pathInfos = new MemoryPathInfoStore()
    const local = await FolderLocalStore.open({ directory: join(folder, 'local'), maximumBytes: 1e12, blobs, pathInfos })
    const count = () => ({ requests: backend.requests.length, bytes: backend.requests.reduce((sum, { bytes }) => sum + bytes, 0) })
    const measure = async (step: string, work: () => Promise<unknown>, nix?: () => unknown) => {
      const before = count()
      const time = await seconds(work)
      const after = count()
      const nixTime = nix === undefined ? undefined : await seconds(nix)
      const megabytes = narSize / 1e6
      rows.push({ path: name, step, 'MB': Math.round(megabytes), 's': time.toFixed(2), 'MB/s': Math.round(megabytes / time), 'nix-store s': nixTime?.toFixed(2) ?? '', 'S3 requests': after.requests - before.requests, 'S3 MB': Math.round((after.bytes - before.bytes) / 1e6) })
    }
    let narSize = Number(execFileSync('sh', ['-c', `nix-store --dump ${path} | wc -c`], { encoding: 'utf8' }))
    const dump = () => spawnSync('sh', ['-c', `nix-store --dump ${path} | sha256sum`])
    let ingested: Awaited<ReturnType<typeof ingest>> | undefined
    await measure('take in', async () => { ingested = await ingest(entriesOfLocalTree(path), blobs, { candidates: ['0c0lhbkyy2mcz2i2rmcxxqmgkybavc3s'] }) }, dump)
    const { root, narHash } = ingested!
    narSize = ingested!.narSize
    await measure('take in again', () => ingest(entriesOfLocalTree(path), blobs))
    await measure('render NAR', async () => { for await (const chunk of renderNar(root, blobs)) void chunk }, dump)
    const storePath = makeSourcePath('bench', narHash)
    await pathInfos.put([{ storePath, root, narHash, narSize, references: [], signatures: [], registeredAt: new Date(), ultimate: true }])
    await measure('lay out', () => local.layOut([storePath]), () => spawnSync('sh', ['-c', `nix-store --dump ${path} | nix-store --restore ${join(folder, 'restored')}; rm -rf ${join(folder, 'restored')}`]))
    await local.close()
    execFileSync('rm', ['-rf', join(folder, 'local'), path])
  }
  console.table(rows)
} finally {
  await blobs.close()
  await backend.close()
  await rm(folder, { recursive: true, force: true })
}
