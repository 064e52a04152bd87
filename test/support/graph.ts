/**
 * Derivations written by hand, for tests and benchmarks of the farm that need no evaluator: a static busybox as their only source, one
 * shell command each. What Nix would instantiate: output paths follow from the inputs by hash modulo.
 */
import { readFileSync } from 'node:fs'
import { type Derivation, derivationPath, derivationReferences } from '../../nix/derivation.ts'
import { printDerivation } from '../../nix/derivation-printer.ts'
import { derivationHash, type DerivationHash, fillOutputPaths } from '../../nix/derivation-hash.ts'
import { hashBytes, parseHash } from '../../nix/hash.ts'
import { narOfFile } from '../../nix/nar-writer.ts'
import { hashPlaceholder } from '../../nix/placeholder.ts'
import { makeFixedOutputPath, makeSourcePath, parseStorePath, type StorePath } from '../../nix/store-path.ts'
import type { Store } from '../../store/open.ts'

export const SHELL_SOURCE = '/usr/bin/busybox'

export interface TestDerivation {
  readonly drvPath: string
  readonly derivation: Derivation
  readonly aterm: string
  /** Output name → absolute path. */
  readonly outputs: Readonly<Record<string, string>>
}

export interface DerivationSpec {
  readonly name: string
  /** A script for the sandbox's /bin/sh, which has busybox' applets built in. */
  readonly script: string
  readonly inputs?: readonly TestDerivation[]
  readonly outputs?: readonly string[]
  readonly system?: string
  /** SRI: makes it a fixed output (flat). */
  readonly fixed?: string
  /** Makes its outputs content-addressed. */
  readonly floating?: boolean
  readonly env?: Readonly<Record<string, string>>
}

/** A package universe: derivations in the order they were made, each after its inputs. */
export class TestGraph {
  readonly derivations: TestDerivation[] = []
  readonly shell: { readonly path: StorePath; readonly content: Uint8Array }
  readonly #hashes = new Map<string, DerivationHash>()
  /** Makes all derivations of one graph differ from those of others. */
  readonly salt: string

  constructor(salt = '') {
    this.salt = salt
    const content = readFileSync(SHELL_SOURCE)
    const narHash = hashBytes('sha256', Buffer.concat(narOfFile(content, true)))
    this.shell = { path: makeSourcePath('busybox', narHash), content }
  }

  add(spec: DerivationSpec): TestDerivation {
    const shell = this.shell.path.toString()
    const inputs = spec.inputs ?? []
    const names = spec.outputs ?? ['out']
    const system = spec.system ?? 'x86_64-linux'
    const lookup = (drvPath: string): DerivationHash => this.#hashes.get(drvPath)!
    const env = new Map(Object.entries({
      ...spec.env, name: spec.name, system, builder: '/bin/sh', shell, salt: this.salt, ...(names.length > 1 || names[0] !== 'out' ? { outputs: names.join(' ') } : {}),
      inputs: inputs.map((input) => Object.values(input.outputs).join(' ')).join(' '),
      ...(spec.floating ? { outputHashMode: 'recursive', outputHashAlgo: 'sha256', __contentAddressed: '1' } : {}),
    }))
    for (const name of names) env.set(name, spec.floating ? hashPlaceholder(name) : '')
    const unfilled: Derivation = {
      name: spec.name, system, builder: '/bin/sh', args: ['-c', spec.script],
      env, inputSources: [shell],
      inputDerivations: new Map([...inputs].sort((a, b) => (a.drvPath < b.drvPath ? -1 : 1)).map((input) => [input.drvPath, Object.keys(input.outputs).sort()])),
      outputs: new Map([...names].sort().map((name) => [name, spec.fixed !== undefined
        ? fixed(spec.name, spec.fixed)
        : spec.floating ? { kind: 'floating' as const, method: 'nar' as const, algorithm: 'sha256' as const } : { kind: 'deferred' as const }])),
    }
    const derivation = fillOutputPaths(unfilled, lookup)
    const aterm = printDerivation(derivation)
    const drvPath = derivationPath(derivation, aterm).toString()
    this.#hashes.set(drvPath, derivationHash(derivation, lookup))
    const made: TestDerivation = {
      drvPath, derivation, aterm,
      outputs: Object.fromEntries([...derivation.outputs].map(([name, output]) => [name, 'path' in output ? output.path : ''])),
    }
    this.derivations.push(made)
    return made
  }

  /** Puts all derivations and the shell into a store; twice is once. */
  async store(store: Pick<Store, 'blobs' | 'pathInfos'>): Promise<void> {
    const valid = await store.pathInfos.has([this.shell.path.hash, ...this.derivations.map((one) => one.drvPath.slice(11, 43))])
    const upload = store.blobs.upload()
    const registeredAt = new Date()
    const infos = []
    if (!valid.has(this.shell.path.hash)) {
      const archive = Buffer.concat(narOfFile(this.shell.content, true))
      const narHash = hashBytes('sha256', archive)
      const { digest, size } = await upload.add(this.shell.content)
      infos.push({ storePath: this.shell.path, root: { kind: 'file', digest, size, executable: true } as const, narHash, narSize: archive.length, references: [], contentAddress: { method: 'nar', hash: narHash } as const, signatures: [], registeredAt, ultimate: true })
    }
    for (const one of this.derivations) {
      const storePath = derivationPath(one.derivation, one.aterm)
      if (valid.has(storePath.hash)) continue
      const content = Buffer.from(one.aterm, 'latin1')
      const archive = Buffer.concat(narOfFile(content))
      const { digest, size } = await upload.add(content)
      infos.push({
        storePath, root: { kind: 'file', digest, size, executable: false } as const, narHash: hashBytes('sha256', archive), narSize: archive.length,
        references: derivationReferences(one.derivation).map((path) => parseStorePath(path)), contentAddress: { method: 'text', hash: hashBytes('sha256', content) } as const, signatures: [], registeredAt, ultimate: true,
      })
    }
    await upload.finish()
    await store.pathInfos.put(infos, { allowMissingReferences: true })
  }
}

function fixed(name: string, sri: string) {
  const hash = parseHash(sri)
  return { kind: 'fixed' as const, path: makeFixedOutputPath(name, { method: 'flat', hash }).toString(), method: 'flat' as const, hash }
}

/** A layered graph: `layers` times `width` nodes, each with up to `fan` inputs of the layer before; and one node on top. */
export function layeredGraph(graph: TestGraph, { layers, width, fan }: { readonly layers: number; readonly width: number; readonly fan: number }): TestDerivation {
  let before: TestDerivation[] = []
  for (let layer = 0; layer < layers; layer++) {
    const current: TestDerivation[] = []
    for (let index = 0; index < width; index++) {
      const inputs = new Set<TestDerivation>()
      for (let k = 0; k < fan && before.length > 0; k++) inputs.add(before[(index * 7 + k * 11 + layer) % before.length]!)
      current.push(graph.add({ name: `node-${layer}-${index}`, script: 'echo $inputs > $out', inputs: [...inputs] }))
    }
    before = current
  }
  return graph.add({ name: 'top', script: 'echo $inputs > $out', inputs: before })
}
