/** Where tests keep what is made once for a version of the source, such as the bundle of workflows: shared by all farms of this machine's tests. */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export function testCacheFolder(): string {
  const folder = join(tmpdir(), `firn-test-cache-${process.getuid?.() ?? 0}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}
