/**
 * Ring: store. A store composed of others, described in a TOML file: where blobs lie, what stands in front of it, and which upstream
 * caches are asked. docs/reference/store-composition.md is the manual.
 */
import { readFileSync } from 'node:fs'
import { parse } from 'smol-toml'
import { z } from 'zod'

import { FirnError } from '../contract/errors.ts'
import { parseBytes } from '../config/settings.ts'
import { CachingObjectStore } from './objects/caching.ts'
import { FallbackObjectStore } from './objects/fallback.ts'
import type { ObjectStore } from './objects/interface.ts'
import { openObjects } from './objects/open.ts'
import type { S3Options } from './objects/s3.ts'
import type { SubstituterSettings } from './settings.ts'

/** A tree of object stores. */
export type ObjectTree =
  | { readonly kind: 'objects'; readonly address: string }
  /** `near` in front of `far`, bound by bytes. */
  | { readonly kind: 'cache'; readonly bytes: number; readonly near: ObjectTree; readonly far: ObjectTree }
  /** Written to `first`; read from `second` what isn't there. */
  | { readonly kind: 'fallback'; readonly first: ObjectTree; readonly second: ObjectTree }

export interface Composition {
  readonly blobs: ObjectTree
  readonly substituters: readonly SubstituterSettings[]
  /** `name:base64` */
  readonly trustedPublicKeys: readonly string[]
}

const bytes = z.preprocess((value) => typeof value === 'string' ? parseBytes(value) ?? value : value, z.number({ error: 'a number of bytes, or a text such as "20 GiB"' }).int().positive())
const objectTree: z.ZodType<ObjectTree> = z.lazy(() => z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('objects'), address: z.string() }),
  z.strictObject({ kind: z.literal('cache'), bytes, near: objectTree, far: objectTree }),
  z.strictObject({ kind: z.literal('fallback'), first: objectTree, second: objectTree }),
], { error: 'a table whose kind is "objects", "cache" or "fallback"' }))
const composition = z.strictObject({
  blobs: objectTree,
  substituters: z.array(z.strictObject({ url: z.string(), priority: z.number().int().optional(), keys: z.array(z.string()).default([]) })).default([]),
})

/** Errors: 'invalid-input' that names the file and the place in it. */
export function parseComposition(text: string, file: string): Composition {
  let table: unknown
  try {
    table = parse(text)
  } catch (cause) {
    throw new FirnError('invalid-input', `${file}: ${(cause as Error).message}`, { cause })
  }
  const result = composition.safeParse(table)
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`)
    throw new FirnError('invalid-input', `${file}: ${problems.join('; ')}`)
  }
  const { blobs, substituters } = result.data
  return {
    blobs,
    substituters: substituters.map(({ url, priority }) => ({ url, ...(priority === undefined ? {} : { priority }) })),
    trustedPublicKeys: [...new Set(substituters.flatMap(({ keys }) => keys))],
  }
}

/** As `parseComposition`, of a file; read once, at the start of a process. */
export function readComposition(file: string): Composition {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new FirnError('invalid-input', `the store composition ${file} can't be read: ${(cause as Error).message}`, { cause })
  }
  return parseComposition(text, file)
}

/** Opens a tree from its leaves up; what was opened is closed again where a part fails. */
export async function openObjectTree(tree: ObjectTree, options: Pick<S3Options, 'credentials' | 'onRequest'> & { readonly onWarning?: (message: string) => void } = {}): Promise<ObjectStore> {
  const { onWarning, ...s3 } = options
  switch (tree.kind) {
    case 'objects': return await openObjects(tree.address, s3)
    case 'cache': {
      const [near, far] = await openBoth(tree.near, tree.far, options)
      return new CachingObjectStore({ near, far, bytes: tree.bytes, ...(onWarning === undefined ? {} : { onWarning }) })
    }
    case 'fallback': return new FallbackObjectStore(...await openBoth(tree.first, tree.second, options))
  }
}

async function openBoth(one: ObjectTree, two: ObjectTree, options: Parameters<typeof openObjectTree>[1]): Promise<[ObjectStore, ObjectStore]> {
  const first = await openObjectTree(one, options)
  try {
    return [first, await openObjectTree(two, options)]
  } catch (error) {
    await first.close()
    throw error
  }
}
