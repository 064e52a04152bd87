/** What may become an output: canonical trees, rules broken in every way, references, and content addresses. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, lchownSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { isCached, type FailureCause } from '../contract/nodes.ts'
import type { Derivation, DerivationOutput } from '../nix/derivation.ts'
import type { DerivationOptions, OutputChecks, ReferenceSpecifier } from '../nix/derivation-options.ts'
import { hashBytes } from '../nix/hash.ts'
import { parseBaseName, type StorePath } from '../nix/store-path.ts'
import { canonicaliseOutputs } from './canonicalise.ts'
import { causeOfEnd, causeOfMissing, checkOutputs, orderOutputs, type BuiltOutput, type ClosurePath } from './check-outputs.ts'
import { addressOutputs } from './content-address.ts'
import { hashOfOutput, methodProblem, narOfLocalTree } from './local-nar.ts'

const folder = mkdtempSync(join(tmpdir(), 'firn-outputs-'))
after(() => rmSync(folder, { recursive: true }))
const ROOT = process.geteuid?.() === 0
let counter = 0
const place = (): string => join(folder, `output-${counter++}`)
const BUILDER = 61_234

describe('canonical outputs', () => {
  test('modes, times and owners, of whatever is in them', async () => {
    const out = place()
    mkdirSync(join(out, 'sub/secret'), { recursive: true })
    writeFileSync(join(out, 'file'), 'x', { mode: 0o640 })
    writeFileSync(join(out, 'run'), 'x')
    chmodSync(join(out, 'run'), 0o4711)
    writeFileSync(join(out, 'group-run'), 'x')
    chmodSync(join(out, 'group-run'), 0o674)
    writeFileSync(Buffer.concat([Buffer.from(`${out}/`), Buffer.from([0xff, 0xfe])]), 'not UTF-8')
    symlinkSync('/nowhere', join(out, 'link'))
    linkSync(join(out, 'file'), join(out, 'hard'))
    utimesSync(join(out, 'file'), 5, 1.5)
    chmodSync(join(out, 'sub/secret'), 0)
    const result = await canonicaliseOutputs(new Map([['out', out]]))
    assert.deepEqual(result, { ok: true, figures: { files: 5, folders: 3, links: 1, bytes: 13 } })
    const modes = Object.fromEntries(['.', 'sub', 'sub/secret', 'file', 'hard', 'run', 'group-run'].map((name) => [name, (lstatSync(join(out, name)).mode & 0o7777).toString(8)]))
    assert.deepEqual(modes, { '.': '555', 'sub': '555', 'sub/secret': '555', 'file': '444', 'hard': '444', 'run': '555', 'group-run': '444' })
    for (const name of readdirSync(out, 'buffer')) assert.equal(lstatSync(Buffer.concat([Buffer.from(`${out}/`), name])).mtimeMs, 1000, name.toString())
    assert.equal(lstatSync(out).mtimeMs, 1000)
  })

  const rejected = async (outputs: Record<string, string>, reason: RegExp, owner?: number): Promise<void> => {
    const result = await canonicaliseOutputs(new Map(Object.entries(outputs)), owner === undefined ? {} : { owner })
    assert.ok(!result.ok && result.cause.kind === 'output-rejected', JSON.stringify(result))
    assert.match(result.cause.reason, reason)
  }

  test('pipes and sockets are refused, and say where they are', async () => {
    const out = place()
    mkdirSync(join(out, 'run'), { recursive: true })
    execFileSync('mkfifo', [join(out, 'run/pipe')])
    await rejected({ out }, /'\/run\/pipe' has an unsupported type/)
  })

  test('a top level that others may write', async () => {
    for (const mode of [0o775, 0o757]) {
      const out = place()
      mkdirSync(out)
      chmodSync(out, mode)
      await rejected({ out }, /suspicious ownership or permission/)
    }
    const link = place()
    symlinkSync('x', link)
    assert.equal((await canonicaliseOutputs(new Map([['out', link]]))).ok, true)
  })

  describe('with an owner', { skip: !ROOT && 'only root can give files away' }, () => {
    const owned = (path: string): string => (lchownSync(path, BUILDER, BUILDER), path)

    test('everything must be the build\'s own, and is taken over', async () => {
      const out = place()
      mkdirSync(out)
      owned(out)
      writeFileSync(join(out, 'a'), '')
      owned(join(out, 'a'))
      symlinkSync('a', join(out, 'b'))
      owned(join(out, 'b'))
      assert.equal((await canonicaliseOutputs(new Map([['out', out]]), { owner: BUILDER })).ok, true)
      for (const name of ['.', 'a', 'b']) assert.equal(lstatSync(join(out, name)).uid, 0)
    })

    test('a link to a foreign file is refused before the file is touched', async () => {
      const foreign = place()
      writeFileSync(foreign, 'root\'s', { mode: 0o600 })
      const out = place()
      mkdirSync(out)
      owned(out)
      linkSync(foreign, join(out, 'stolen'))
      await rejected({ out }, /invalid ownership on '\/stolen'/, BUILDER)
      assert.equal(lstatSync(foreign).mode & 0o777, 0o600)
      const top = place()
      mkdirSync(top)
      await rejected({ out: top }, /suspicious ownership/, BUILDER)
    })

    test('hard links within and between outputs are fine', async () => {
      const [out, dev] = [place(), place()]
      for (const path of [out, dev]) owned((mkdirSync(path), path))
      writeFileSync(join(out, 'a'), '')
      chownSync(join(out, 'a'), BUILDER, BUILDER)
      linkSync(join(out, 'a'), join(out, 'b'))
      linkSync(join(out, 'a'), join(dev, 'c'))
      assert.equal((await canonicaliseOutputs(new Map([['out', out], ['dev', dev]]), { owner: BUILDER })).ok, true)
    })
  })

  test('others get their turn while a large tree is walked', async () => {
    const out = place()
    mkdirSync(out)
    for (let index = 0; index < 3000; index++) writeFileSync(join(out, String(index)), '')
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await canonicaliseOutputs(new Map([['out', out]]))
    clearInterval(timer)
    assert.ok(turns > 0)
  })
})

test('NARs and hashes of local trees', async () => {
  const out = place()
  mkdirSync(join(out, 'a.b'), { recursive: true })
  mkdirSync(join(out, 'a'))
  writeFileSync(join(out, 'a/large'), Buffer.alloc(1_000_000, 'x'))
  writeFileSync(join(out, 'a.b/run'), '', { mode: 0o755 })
  symlinkSync('a', join(out, 'link'))
  const chunks: Uint8Array[] = []
  for await (const chunk of narOfLocalTree(out)) chunks.push(chunk)
  const nar = Buffer.concat(chunks)
  try {
    assert.deepEqual(nar, execFileSync('nix-store', ['--dump', out], { maxBuffer: 1e8 }))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  assert.deepEqual(await hashOfOutput(out, 'nar', 'sha512'), { algorithm: 'sha512', bytes: Buffer.from(hashBytes('sha512', nar).bytes) })
  const file = join(out, 'a/large')
  assert.deepEqual((await hashOfOutput(file, 'flat', 'md5')).bytes, Buffer.from(hashBytes('md5', readFileSync(file)).bytes))
  assert.equal(await methodProblem(file, 'flat'), undefined)
  for (const wrong of [out, join(out, 'a.b/run'), join(out, 'link')]) assert.match(await methodProblem(wrong, 'flat') ?? '', /non-executable regular file/)
})

const path = (name: string, letter: string): StorePath => parseBaseName(`${letter.repeat(32)}-${name}`)
const OUT = path('x', 'a')
const DEV = path('x-dev', 'b')
const LIB = path('lib', 'c')
const LIBC = path('libc', 'd')
const VALID: readonly ClosurePath[] = [{ storePath: LIB, narSize: 100, references: [LIBC] }, { storePath: LIBC, narSize: 1000, references: [LIBC] }]
const closureOf = async (paths: readonly StorePath[]): Promise<readonly ClosurePath[]> => (paths.some(({ baseName }) => baseName === LIB.baseName) ? VALID : VALID.slice(1))

function derivationWith(outputs: Record<string, DerivationOutput>): Derivation {
  return { name: 'x', outputs: new Map(Object.entries(outputs)), inputDerivations: new Map(), inputSources: [], system: '', builder: '', args: [], env: new Map() }
}

describe('checks on outputs', () => {
  const addressed = derivationWith({ out: { kind: 'input-addressed', path: OUT.toString() }, dev: { kind: 'input-addressed', path: DEV.toString() } })
  const out: BuiltOutput = { name: 'out', storePath: OUT, narSize: 10, references: [OUT, LIB] }
  const dev: BuiltOutput = { name: 'dev', storePath: DEV, narSize: 5, references: [OUT] }
  const check = async (checks: Partial<OutputChecks>, outputs: readonly BuiltOutput[] = [out, dev], kind: 'all-outputs' | 'per-output' = 'per-output'): Promise<FailureCause | undefined> => {
    const complete: OutputChecks = { ignoreSelfReferences: false, disallowedReferences: [], disallowedRequisites: [], ...checks }
    const all: DerivationOptions['outputChecks'] = kind === 'all-outputs' ? { kind, checks: complete } : { kind, checks: new Map([['out', complete]]) }
    return await checkOutputs(addressed, all, outputs, closureOf)
  }
  const reasonOf = async (...args: Parameters<typeof check>): Promise<string> => {
    const cause = await check(...args)
    assert.ok(cause?.kind === 'output-rejected', JSON.stringify(cause))
    return cause.reason
  }
  const paths = (...list: StorePath[]): ReferenceSpecifier[] => list.map((storePath) => ({ kind: 'path', path: storePath.toString() }))
  const names = (...list: string[]): ReferenceSpecifier[] => list.map((name) => ({ kind: 'output', name }))

  test('nothing is asked, nothing is wrong', async () => {
    assert.equal(await check({}), undefined)
    assert.equal(await checkOutputs(addressed, { kind: 'per-output', checks: new Map() }, [out, dev], closureOf), undefined)
  })

  test('references, allowed and not', async () => {
    assert.equal(await check({ allowedReferences: [...paths(LIB), ...names('out')] }), undefined)
    assert.match(await reasonOf({ allowedReferences: paths(LIB) }), new RegExp(OUT.baseName))
    assert.match(await reasonOf({ allowedReferences: [] }), new RegExp(`${OUT.baseName}.*${LIB.baseName}`))
    assert.equal(await check({ disallowedReferences: paths(LIBC) }), undefined)
    assert.match(await reasonOf({ disallowedReferences: paths(LIB) }), new RegExp(LIB.baseName))
    assert.match(await reasonOf({ allowedReferences: names('doc') }), /output name 'doc'.*valid outputs are out, dev/)
    assert.match(await reasonOf({ disallowedReferences: names('out') }, [out, dev], 'all-outputs'), new RegExp(OUT.baseName))
  })

  test('requisites, over outputs that aren\'t valid yet', async () => {
    assert.equal(await check({ allowedRequisites: [...paths(LIB, LIBC), ...names('out')] }), undefined)
    assert.equal(await check({ allowedRequisites: paths(LIB, LIBC), ignoreSelfReferences: true }), undefined)
    assert.match(await reasonOf({ allowedRequisites: paths(LIB, LIBC) }), new RegExp(OUT.baseName))
    assert.match(await reasonOf({ disallowedRequisites: paths(LIBC) }), new RegExp(LIBC.baseName))
    const viaDev: BuiltOutput = { ...out, references: [DEV] }
    assert.match(await reasonOf({ disallowedRequisites: paths(LIBC) }, [viaDev, { ...dev, references: [LIB] }]), new RegExp(LIBC.baseName))
  })

  test('sizes', async () => {
    assert.equal(await check({ maximumSize: 10, maximumClosureSize: 1110 }), undefined)
    assert.match(await reasonOf({ maximumSize: 9 }), /too large at 10 bytes; limit is 9/)
    assert.match(await reasonOf({ maximumClosureSize: 1109 }), /closure is too large at 1110 bytes/)
  })

  test('cycles between outputs', async () => {
    assert.match(await reasonOf({}, [{ ...out, references: [DEV] }, dev]), /cycle/)
    assert.deepEqual(orderOutputs(new Map([['a', new Set(['b', 'c'])], ['b', new Set(['c'])], ['c', new Set<string>()]])), { order: ['c', 'b', 'a'] })
  })

  test('fixed outputs', async () => {
    const hash = hashBytes('sha256', 'right')
    const fixed = derivationWith({ out: { kind: 'fixed', path: OUT.toString(), method: 'flat', hash } })
    const none: DerivationOptions['outputChecks'] = { kind: 'per-output', checks: new Map() }
    const of = async (changes: Partial<BuiltOutput>): Promise<FailureCause | undefined> => await checkOutputs(fixed, none, [{ name: 'out', storePath: OUT, narSize: 1, references: [], hash, ...changes }], closureOf)
    assert.equal(await of({}), undefined)
    const wrong = await of({ hash: hashBytes('sha256', 'wrong'), references: [LIB] })
    assert.ok(wrong?.kind === 'hash-mismatch' && wrong.expected.startsWith('sha256-') && wrong.expected !== wrong.got && isCached(wrong))
    const refers = await of({ references: [LIB] })
    assert.match(refers?.kind === 'output-rejected' ? refers.reason : '', new RegExp(`must not reference store paths.*${LIB.baseName}`))
  })

  test('how the build ended', () => {
    assert.equal(causeOfEnd({ kind: 'exited', exitCode: 0 }), undefined)
    assert.deepEqual(causeOfEnd({ kind: 'exited', exitCode: 137, signal: 'SIGKILL' }), { kind: 'builder-failed', exitCode: 137, signal: 'SIGKILL' })
    assert.deepEqual(causeOfEnd({ kind: 'timed-out', seconds: 3, silent: true }), { kind: 'timed-out', seconds: 3, silent: true })
    assert.deepEqual(causeOfMissing(addressed, { outputs: new Map([['dev', '/x']]) }), { kind: 'output-missing', outputs: ['out'] })
    assert.equal(causeOfMissing(addressed, { outputs: new Map([['dev', '/x'], ['out', '/y']]) }), undefined)
  })
})

describe('content-addressed outputs', () => {
  const scratch = path('x', 'f')
  const floating = (method: 'nar' | 'flat' = 'nar') => derivationWith({ out: { kind: 'floating', method, algorithm: 'sha256' } })
  const make = (content: (place: string) => void): string => {
    const parent = place()
    mkdirSync(parent)
    const top = join(parent, scratch.baseName)
    content(top)
    return top
  }

  test('the scratch path leaves no trace, wherever it stood', async () => {
    const write = (self: StorePath) => (top: string): void => {
      mkdirSync(top)
      // across the edges of the pieces in which files are read
      writeFileSync(join(top, 'edge'), `${'-'.repeat((1 << 20) - 16)}${self.toString()}${self.hash}${self.hash}`)
      symlinkSync(`${self.toString()}/edge`, join(top, 'link'))
      writeFileSync(join(top, 'plain'), 'nothing')
    }
    const other = path('x', 'g')
    const first = await addressOutputs(floating(), new Map([['out', { storePath: scratch, localPath: make(write(scratch)), references: [scratch] }]]))
    const top = make(write(other))
    const moved = join(top, '..', other.baseName)
    renameSync(top, moved)
    const second = await addressOutputs(floating(), new Map([['out', { storePath: other, localPath: moved, references: [other] }]]))
    assert.ok(first.ok && second.ok)
    const [one, two] = [first.outputs.get('out')!, second.outputs.get('out')!]
    assert.equal(one.storePath.baseName, two.storePath.baseName)
    assert.deepEqual(await hashOfOutput(one.localPath, 'nar', 'sha256'), await hashOfOutput(two.localPath, 'nar', 'sha256'))
    assert.equal(readlinkSync(join(one.localPath, 'link')), `${one.storePath.toString()}/edge`)
    assert.equal(readFileSync(join(one.localPath, 'edge'), 'utf8').includes(scratch.hash), false)
    assert.equal(lstatSync(join(one.localPath, 'edge')).mtimeMs, 1000)
    assert.deepEqual(one.references.map(String), [one.storePath.toString()])
  })

  test('what can\'t be addressed is refused', async () => {
    const folderOut = make((top) => mkdirSync(top))
    const notFlat = await addressOutputs(floating('flat'), new Map([['out', { storePath: scratch, localPath: folderOut, references: [] }]]))
    assert.ok(!notFlat.ok && notFlat.cause.kind === 'output-rejected')
    const file = make((top) => writeFileSync(top, LIB.toString()))
    const refers = await addressOutputs(floating('flat'), new Map([['out', { storePath: scratch, localPath: file, references: [LIB] }]]))
    assert.ok(!refers.ok && refers.cause.kind === 'output-rejected' && refers.cause.reason.includes('not allowed to refer'))
  })

  test('a name that sorts differently under the final path is refused, as Nix does', async () => {
    let refused = 0
    for (const neighbour of ['0', '1', '5', '9', 'a', 'd', 'm', 's', 'z']) {
      const top = make((root) => {
        mkdirSync(root)
        writeFileSync(join(root, scratch.hash), '')
        writeFileSync(join(root, neighbour), '')
      })
      const result = await addressOutputs(floating(), new Map([['out', { storePath: scratch, localPath: top, references: [scratch] }]]))
      if (!result.ok) {
        refused++
        assert.match(result.cause.kind === 'output-rejected' ? result.cause.reason : '', /sorts differently/)
      }
    }
    assert.ok(refused > 0 && refused < 9, String(refused))
  })
})
