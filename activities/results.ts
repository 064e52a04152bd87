/**
 * Ring: activities. What outputs of jobs say in nix-support/: products, release name, metrics; and their sizes. Read from the store, without laying
 * anything out. Upstream counterpart: Hydra's getBuildOutput (nix-build-result.cc, now Rust), whose formats these are.
 */
import { createHash } from 'node:crypto'
import pLimit from 'p-limit'
import type { Node } from '../castore/nodes.ts'
import type { BuildMetric, BuildProduct } from '../contract/comparison.ts'
import { parseBaseName, STORE_DIRECTORY } from '../nix/store-path.ts'
import { recordResults, type ReadResult, type UnreadNode } from '../state/results.ts'
import { findNode, readTextAt } from '../store/tree.ts'
import type { PathInfo } from '../store/path-info/interface.ts'
import type { Dependencies } from './dependencies.ts'

type Parts = Pick<Dependencies, 'database' | 'store'>

/** A file of nix-support that is larger is none that Hydra would read. */
const TEXT_BYTES = 1024 * 1024
/** Nodes looked into at a time. */
const AT_ONCE = 4
const PRODUCTS = 250

/** Reads and records results of these nodes; one whose outputs are gone gets none. */
export async function readResults(parts: Parts, nodes: readonly UnreadNode[]): Promise<void> {
  const bases = nodes.flatMap((node) => Object.values(node.outputs).flatMap((base) => (base === null ? [] : [base])))
  const infos = await parts.store.pathInfos.get(bases.map((base) => parseBaseName(base).hash))
  const limit = pLimit(AT_ONCE)
  const results = await Promise.all(nodes.map((node) => limit(() => readOne(parts, node, infos))))
  await recordResults(parts.database.db, results)
}

async function readOne({ store }: Parts, node: UnreadNode, infos: ReadonlyMap<string, PathInfo>): Promise<ReadResult> {
  const outputs = Object.entries(node.outputs).flatMap(([name, base]) => {
    const info = base === null ? undefined : infos.get(parseBaseName(base).hash)
    return info ? [{ name, info }] : []
  })
  const closure = await store.pathInfos.closure(outputs.map(({ info }) => info.storePath.baseName))
  const inClosure = await store.pathInfos.get(closure.paths.map((base) => base.slice(0, 32)))
  let releaseName: string | null = null
  let failedWithOutput = false
  const products: BuildProduct[] = []
  const metrics: BuildMetric[] = []
  for (const { info } of outputs) {
    const support = await findNode(info.root, 'nix-support', store.blobs)
    if (support?.kind !== 'directory') continue
    const text = (name: string): Promise<string | undefined> => readTextAt(support, name, store.blobs, TEXT_BYTES)
    failedWithOutput ||= (await findNode(support, 'failed', store.blobs)) !== undefined
    releaseName ??= firstLine(await text('hydra-release-name'))
    metrics.push(...parseMetrics(await text('hydra-metrics') ?? ''))
    for (const line of parseProducts(await text('hydra-build-products') ?? '')) {
      const product = await describeProduct(store.blobs, inClosure, line, products.length + 1)
      if (product && products.length < PRODUCTS) products.push(product)
    }
  }
  if (products.length === 0) products.push(...outputs.filter(({ info }) => info.root.kind === 'directory').map(({ name, info }, index): BuildProduct => ({
    number: index + 1, type: 'nix-build', subtype: name === 'out' ? '' : name, name: info.storePath.name, path: info.storePath.toString(), defaultPath: '', fileSize: null, sha256: null,
  })))
  return {
    nodeId: node.nodeId, releaseName, failedWithOutput, products, metrics,
    outputBytes: outputs.length === 0 ? null : outputs.reduce((sum, { info }) => sum + info.narSize, 0),
    closureBytes: outputs.length === 0 || closure.missing.length > 0 ? null : [...inClosure.values()].reduce((sum, info) => sum + info.narSize, 0),
  }
}

interface ProductLine { readonly type: string; readonly subtype: string; readonly path: string; readonly defaultPath: string }

/** `type subtype path [default]`, the path in quotes where it has blanks. Lines that are none are passed over, as Hydra does. */
export function parseProducts(text: string): ProductLine[] {
  return text.split('\n').flatMap((line) => {
    const match = /^([a-zA-Z0-9_-]+)\s+([a-zA-Z0-9_-]+)\s+("[^"]+"|[^"\s]\S*)(?:\s+(\S+))?\s*$/.exec(line)
    return match ? [{ type: match[1]!, subtype: match[2] === 'none' ? '' : match[2]!, path: match[3]!.replace(/^"|"$/g, ''), defaultPath: match[4] ?? '' }] : []
  })
}

/** `name value [unit]`. */
export function parseMetrics(text: string): BuildMetric[] {
  const found = new Map<string, BuildMetric>()
  for (const line of text.split('\n')) {
    const [name, value, unit] = line.trim().split(/\s+/)
    if (name === undefined || !/^[a-zA-Z0-9._-]+$/.test(name) || value === undefined || !/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value)) continue
    found.set(name, { name, value: Number(value), unit: unit !== undefined && /^[a-zA-Z0-9%_/-]+$/.test(unit) ? unit : '' })
  }
  return [...found.values()]
}

/** A product whose file is in the closure; what points elsewhere is none. */
async function describeProduct(blobs: Dependencies['store']['blobs'], infos: ReadonlyMap<string, PathInfo>, line: ProductLine, number: number): Promise<BuildProduct | undefined> {
  if (!line.path.startsWith(`${STORE_DIRECTORY}/`) || line.path.split('/').includes('..')) return undefined
  const [base, ...rest] = line.path.slice(STORE_DIRECTORY.length + 1).split('/')
  const info = infos.get(base!.slice(0, 32))
  if (!info || info.storePath.baseName !== base) return undefined
  const node: Node | undefined = await findNode(info.root, Buffer.from(rest.join('/'), 'utf8').toString('latin1'), blobs)
  if (!node) return undefined
  const name = rest.at(-1) ?? info.storePath.name
  if (node.kind !== 'file') return { number, ...line, name, fileSize: null, sha256: null }
  const hash = createHash('sha256')
  for await (const chunk of blobs.open(node.digest)) hash.update(chunk)
  return { number, ...line, name, fileSize: node.size, sha256: hash.digest('hex') }
}

function firstLine(text: string | undefined): string | null {
  const line = text?.split('\n')[0]?.trim()
  return line === undefined || line === '' ? null : line
}
