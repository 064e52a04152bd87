/** Fetches into a real store from real servers and repositories, and what stock Nix makes of the same where it is installed. */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { programOnPath } from '../builder/container/runtime.ts'
import { FirnError } from '../contract/errors.ts'
import type { FetchRequest } from '../contract/fetch.ts'
import { formatHash, parseHash } from '../nix/hash.ts'
import { parseDerivation } from '../nix/derivation.ts'
import { FormatError } from '../nix/errors.ts'
import { openStore, type Store } from '../store/open.ts'
import { renderNar } from '../store/render-nar.ts'
import { openFetchers, type Fetchers } from './open.ts'
import { fetchRequestOf } from './request.ts'
import { startServer, type TestServer } from './testing/servers.ts'

const CONTENT = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31 + (index >> 8)) & 0xff)
const sri = (content: Uint8Array, algorithm = 'sha256'): string => `${algorithm}-${createHash(algorithm).update(content).digest('base64')}`
const isInstalled = (name: string): boolean => programOnPath(name) !== undefined
const HAS = { nix: isInstalled('nix-prefetch-url'), git: isInstalled('git'), hg: isInstalled('hg'), xz: isInstalled('xz'), zip: isInstalled('zip'), bzip2: isInstalled('bzip2') }

describe('fetches', () => {
  const folder = mkdtempSync(join(tmpdir(), 'firn-fetch-'))
  let server: TestServer
  let store: Store
  let fetchers: Fetchers
  before(async () => {
    server = await startServer()
    store = await openStore({ blobs: 'memory:', substituters: [], trustedPublicKeys: [] })
    fetchers = openFetchers({ folder: join(folder, 'cache'), pauseSeconds: 0.01, tries: 3, stallSeconds: 2 }, store)
  })
  after(async () => {
    await fetchers.close()
    await store.close()
    await server.close()
    rmSync(folder, { recursive: true })
  })

  const urlRequest = (changes: Partial<FetchRequest & { kind: 'url' }>): FetchRequest => ({ kind: 'url', name: 'source', urls: [], unpack: false, executable: false, hash: sri(CONTENT), method: 'flat', ...changes })
  const narOf = async (request: FetchRequest, by = fetchers): Promise<{ path: string; nar: Buffer }> => {
    const fetched = await by.fetch(request)
    assert.ok(fetched.ok, JSON.stringify(fetched))
    const chunks: Uint8Array[] = []
    for await (const chunk of renderNar(fetched.pathInfo.root, store.blobs)) chunks.push(chunk)
    const nar = Buffer.concat(chunks)
    assert.equal(formatHash(fetched.pathInfo.narHash, 'sri'), sri(nar))
    assert.equal(fetched.pathInfo.narSize, nar.length)
    return { path: fetched.pathInfo.storePath.toString(), nar }
  }
  /** A tree to pack: `top/` with a file, an executable, a link and a folder. */
  const tree = join(folder, 'top')
  mkdirSync(join(tree, 'sub/deep'), { recursive: true })
  writeFileSync(join(tree, 'file'), 'content\n')
  writeFileSync(join(tree, 'run'), '#!/bin/sh\n')
  chmodSync(join(tree, 'run'), 0o755)
  writeFileSync(join(tree, 'sub/deep/data'), CONTENT)
  symlinkSync('sub/deep', join(tree, 'link'))

  test('a file by its own hash, with every algorithm, though the connection breaks', async () => {
    for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512']) {
      const url = server.file(`/file-${algorithm}`, { content: CONTENT, ranges: true, breaks: 2, breakAfter: 70_000 })
      const { nar } = await narOf(urlRequest({ urls: [url], hash: sri(CONTENT, algorithm) }))
      assert.ok(nar.includes(Buffer.from(CONTENT)))
    }
  })

  test('the size is not needed, and one that is a lie does no harm', async () => {
    await narOf(urlRequest({ urls: [server.file('/chunked', { content: CONTENT, chunked: true })] }))
  })

  test('a wrong hash is a result; a mirror with a wrong file is passed over', async () => {
    const wrong = server.file('/wrong/file', { content: CONTENT.subarray(1) })
    const right = server.file('/right/file', { content: CONTENT })
    const failed = await fetchers.fetch(urlRequest({ urls: [wrong] }))
    assert.deepEqual(failed, { ok: false, cause: { kind: 'hash-mismatch', path: '/nix/store/' + (await narOf(urlRequest({ urls: [right] }))).path.slice(11), expected: sri(CONTENT), got: sri(CONTENT.subarray(1)) } })
    await narOf(urlRequest({ urls: [wrong, right] }))
    const mirroring = openFetchers({ folder, pauseSeconds: 0.01, tries: 2, mirrors: { 'http://ftp.invalid/': [`${server.url}/missing/`, `${server.url}/wrong/`, `${server.url}/right/`] } }, store)
    await narOf(urlRequest({ urls: ['http://ftp.invalid/file'] }), mirroring)
    await mirroring.close()
  })

  test('hashed mirrors, for hashes of files', async () => {
    const hex = createHash('sha256').update(CONTENT).digest('hex')
    server.file(`/hashed/sha256/${hex}`, { content: CONTENT })
    const mirroring = openFetchers({ folder, pauseSeconds: 0.01, hashedMirrors: [`${server.url}/hashed`] }, store)
    await narOf(urlRequest({ urls: ['http://gone.invalid/file'] }), mirroring)
    await mirroring.close()
  })

  test('nothing there is another result, with every address', async () => {
    const failed = await fetchers.fetch(urlRequest({ urls: [`${server.url}/none`, 'http://user:secret@gone.invalid/x'] }))
    assert.ok(!failed.ok && failed.cause.kind === 'unreachable')
    assert.deepEqual(failed.cause.urls, [`${server.url}/none`, 'http://user:***@gone.invalid/x'])
    assert.match(failed.cause.reason, /404.*gone\.invalid/)
    assert.equal(failed.cause.reason.includes('secret'), false)
  })

  test('an executable, by the hash of its NAR', { skip: !HAS.nix && 'stock Nix is not installed' }, async () => {
    const path = join(folder, 'program')
    writeFileSync(path, '#!/bin/sh\n')
    chmodSync(path, 0o755)
    const hash = (await promisify(execFile)('nix-hash', ['--type', 'sha256', '--base32', path])).stdout.trim()
    const url = server.file('/program', { content: readFileSync(path) })
    await narOf(urlRequest({ urls: [url], executable: true, method: 'nar', hash: formatHash(parseHash(hash, 'sha256'), 'sri') }))
    const failed = await fetchers.fetch(urlRequest({ urls: [url], executable: true }))
    assert.ok(!failed.ok && failed.cause.kind === 'invalid-derivation')
  })

  test('archives of every kind unpack to the same tree, as stock Nix unpacks them', { skip: !HAS.nix && 'stock Nix is not installed' }, async () => {
    const plain = execFileSync('tar', ['-C', folder, '-cf', '-', 'top'])
    const archives: Record<string, Buffer> = { 'a.tar': plain, 'a.tar.gz': gzipSync(plain) }
    if (HAS.xz) archives['a.tar.xz'] = execFileSync('xz', ['-c'], { input: plain })
    if (HAS.bzip2) archives['a.tar.bz2'] = execFileSync('bzip2', ['-c'], { input: plain })
    if (HAS.zip) archives['a.zip'] = (execFileSync('zip', ['-qry', join(folder, 'a.zip'), 'top'], { cwd: folder }), readFileSync(join(folder, 'a.zip')))
    const hash = execFileSync('nix-hash', ['--type', 'sha256', '--base32', tree]).toString().trim()
    const paths = new Set<string>()
    for (const [name, content] of Object.entries(archives)) {
      const url = server.file(`/${name}`, { content, ranges: true, breaks: 1, breakAfter: 10_000 })
      paths.add((await narOf(urlRequest({ urls: [url], unpack: true, method: 'nar', hash: formatHash(parseHash(hash, 'sha256'), 'sri') }))).path)
    }
    assert.equal(paths.size, 1)
    const sha512 = execFileSync('nix-hash', ['--type', 'sha512', '--base32', tree]).toString().trim()
    await narOf(urlRequest({ urls: [`${server.url}/a.tar.gz`], unpack: true, method: 'nar', hash: formatHash(parseHash(sha512, 'sha512'), 'sri') }))
  })

  test('garbage in place of an archive', async () => {
    const garbage = server.file('/garbage.tar.gz', { content: Buffer.from('<html>we are closed</html>'.repeat(100)) })
    const broken = server.file('/broken.tar.gz', { content: gzipSync(CONTENT).subarray(0, 1000) })
    for (const url of [garbage, broken]) {
      const failed = await fetchers.fetch(urlRequest({ urls: [url], unpack: true, method: 'nar' }))
      assert.ok(!failed.ok && failed.cause.kind === 'unreachable', JSON.stringify(failed))
      await assert.rejects(fetchers.fetchUnlocked({ kind: 'tarball', name: 'source', url }), (error) => error instanceof FirnError && error.message.includes(url))
    }
  })

  test('a NAR, compressed, is restored', { skip: !HAS.nix && 'stock Nix is not installed' }, async () => {
    const nar = execFileSync('nix-store', ['--dump', tree])
    const request = { method: 'nar' as const, isNar: true, hash: sri(nar) }
    assert.deepEqual((await narOf(urlRequest({ ...request, urls: [server.file('/x.nar', { content: nar })] }))).nar, nar)
    if (HAS.xz) assert.deepEqual((await narOf(urlRequest({ ...request, urls: [server.file('/x.nar.xz', { content: execFileSync('xz', ['-c'], { input: nar }) })] }))).nar, nar)
  })

  test('without a hash: a file, and a tarball with its time and lasting address', async () => {
    const url = server.file('/unlocked', { content: CONTENT, tag: '"1"' })
    const file = await fetchers.fetchUnlocked({ kind: 'url', name: 'data', url })
    assert.equal(file.storePath, (await narOf(urlRequest({ name: 'data', urls: [url] }))).path)
    assert.ok((await store.pathInfos.has([file.storePath.slice(11, 43)])).size === 1, 'it is valid')

    const tarball = execFileSync('tar', ['-C', folder, '--mtime=@1700000000', '-czf', '-', 'top'])
    server.file('/latest.tar.gz', { content: tarball, headers: { link: `<${server.url}/v1.tar.gz>; rel="immutable"` } })
    const unlocked = await fetchers.fetchUnlocked({ kind: 'tarball', name: 'source', url: `${server.url}/latest.tar.gz` })
    assert.equal(unlocked.lastModified, 1700000000)
    assert.equal(unlocked.lockedUrl, `${server.url}/v1.tar.gz`)
    const locked = await narOf(urlRequest({ urls: [`${server.url}/latest.tar.gz`], unpack: true, method: 'nar', hash: unlocked.narHash }))
    assert.equal(locked.path, unlocked.storePath)
  })

  describe('from git', { skip: !HAS.git && 'git is not installed' }, () => {
    const repository = join(folder, 'repository')
    const git = (args: readonly string[], cwd = repository): string => execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], {
      cwd,
      env: { ...process.env, GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b', GIT_AUTHOR_DATE: '1700000000 +0000', GIT_COMMITTER_DATE: '1700000000 +0000' },
      stdio: ['ignore', 'pipe', 'pipe'],
    }).toString().trim()
    const gitRequest = (revision: string, changes: Partial<FetchRequest & { kind: 'git' }> = {}): FetchRequest => ({ kind: 'git', name: 'source', url: repository, revision, submodules: false, shallow: false, exportIgnore: false, lfs: false, ...changes })
    const namesIn = async (request: FetchRequest): Promise<string[]> => {
      const { nar } = await narOf(request)
      const place = mkdtempSync(join(folder, 'restored-'))
      execFileSync('nix-store', ['--restore', join(place, 'x')], { input: nar })
      return execFileSync('find', ['.', '-mindepth', '1'], { cwd: join(place, 'x') }).toString().split('\n').filter((name) => name !== '').map((name) => name.slice(2)).sort()
    }
    let first = ''
    let second = ''
    before(() => {
      const library = join(folder, 'library')
      for (const place of [library, repository]) {
        mkdirSync(place)
        git(['init', '--quiet', '--initial-branch=main'], place)
      }
      writeFileSync(join(library, 'lib.c'), 'int x;\n')
      git(['add', '.'], library)
      git(['commit', '--quiet', '-m', 'library'], library)

      mkdirSync(join(repository, 'src.d'))
      mkdirSync(join(repository, 'src'))
      writeFileSync(join(repository, 'src/main.c'), CONTENT)
      writeFileSync(join(repository, 'src.d/x'), 'dos\r\n')
      writeFileSync(join(repository, 'src-x'), '')
      writeFileSync(join(repository, 'run'), '#!/bin/sh\n', { mode: 0o755 })
      symlinkSync('src/main.c', join(repository, 'link'))
      writeFileSync(join(repository, 'näme with space'), 'x')
      writeFileSync(join(repository, '.gitattributes'), 'src.d export-ignore\n*.c text eol=crlf\n')
      git(['add', '.'])
      git(['commit', '--quiet', '-m', 'first'])
      first = git(['rev-parse', 'HEAD'])
      git(['submodule', '--quiet', 'add', '../library', 'vendor/library'])
      git(['commit', '--quiet', '-m', 'second'])
      second = git(['rev-parse', 'HEAD'])
      git(['branch', 'old', first])
    })

    test('a revision\'s tree, as it is in the repository', { skip: !HAS.nix && 'stock Nix is not installed' }, async () => {
      assert.deepEqual(await namesIn(gitRequest(first)), ['.gitattributes', 'link', 'näme with space', 'run', 'src', 'src-x', 'src.d', 'src.d/x', 'src/main.c'].sort())
      assert.ok((await narOf(gitRequest(first))).nar.includes(Buffer.from(CONTENT)), 'contents are not converted')
      assert.ok((await namesIn(gitRequest(second))).includes('vendor/library'))
      assert.ok((await namesIn(gitRequest(second, { submodules: true }))).includes('vendor/library/lib.c'))
      const exported = await namesIn(gitRequest(second, { exportIgnore: true }))
      assert.equal(exported.includes('src.d'), false)
      assert.ok(exported.includes('src-x'))
    })

    test('what stock Nix fetches has the same hash', { skip: !HAS.nix && 'stock Nix is not installed' }, async () => {
      // 2.8 exports with git archive, which converts line ends; without attributes both agree
      const plain = join(folder, 'plain')
      execFileSync('git', ['clone', '--quiet', '--branch=old', repository, plain])
      git(['rm', '--quiet', '.gitattributes'], plain)
      git(['commit', '--quiet', '-m', 'plain'], plain)
      rmSync(join(plain, 'src/main.c'))
      git(['checkout', '--quiet', 'src/main.c'], plain)
      const expression = `let t = builtins.fetchGit { url = "${plain}"; }; in { inherit (t) narHash rev revCount lastModified; path = builtins.unsafeDiscardStringContext t.outPath; }`
      const stock = JSON.parse(execFileSync('nix-instantiate', ['--eval', '--strict', '--json', '-E', expression], {
        env: { ...process.env, HOME: folder, NIX_REMOTE: `local?root=${join(folder, 'nix-root')}` }, stdio: ['ignore', 'pipe', 'ignore'],
      }).toString()) as Record<string, unknown>
      const own = await fetchers.fetchUnlocked({ kind: 'git', name: 'source', url: plain })
      assert.deepEqual({ narHash: own.narHash, rev: own.revision, revCount: own.revisionCount, lastModified: own.lastModified, path: own.storePath }, stock)
    })

    test('the hash is held to, and the revision must be there', async () => {
      const right = formatHash((await fetchers.fetch(gitRequest(first)) as { pathInfo: { narHash: Parameters<typeof formatHash>[0] } }).pathInfo.narHash, 'sri')
      assert.equal((await fetchers.fetch(gitRequest(first, { hash: right }))).ok, true)
      const wrong = await fetchers.fetch(gitRequest(first, { hash: sri(CONTENT) }))
      assert.ok(!wrong.ok && wrong.cause.kind === 'hash-mismatch' && wrong.cause.got === right)
      const none = await fetchers.fetch(gitRequest('1'.repeat(40)))
      assert.ok(!none.ok && none.cause.kind === 'unreachable', JSON.stringify(none))
      const nowhere = await fetchers.fetch(gitRequest(first, { url: join(folder, 'nowhere') }))
      assert.ok(!nowhere.ok && nowhere.cause.kind === 'unreachable' && /does not (appear|exist)/.test(nowhere.cause.reason), JSON.stringify(nowhere))
    })

    test('a branch, with count and time; shallow without the count', async () => {
      const old = await fetchers.fetchUnlocked({ kind: 'git', name: 'source', url: repository, ref: 'old' })
      assert.deepEqual({ revision: old.revision, revisionCount: old.revisionCount, lastModified: old.lastModified }, { revision: first, revisionCount: 1, lastModified: 1700000000 })
      const head = await fetchers.fetchUnlocked({ kind: 'git', name: 'source', url: `file://${repository}` })
      assert.deepEqual([head.revision, head.revisionCount], [second, 2])
      const shallow = await fetchers.fetchUnlocked({ kind: 'git', name: 'source', url: `git+file://${repository}`, ref: 'refs/heads/main', shallow: true })
      assert.deepEqual([shallow.revision, shallow.revisionCount], [second, undefined])
      await assert.rejects(fetchers.fetchUnlocked({ kind: 'git', name: 'source', url: repository, ref: 'none' }), /none/)
      await assert.rejects(fetchers.fetchUnlocked({ kind: 'git', name: 'source', url: repository, lfs: true }), /LFS/)
      await assert.rejects(fetchers.fetchUnlocked({ kind: 'git', name: 'source', url: repository, revision: 'abc' }), /full git revision/)
    })

    test('many at once share the cache', async () => {
      const results = await Promise.all(Array.from({ length: 8 }, async (_, index) => await fetchers.fetch(gitRequest(index % 2 === 0 ? first : second))))
      assert.ok(results.every(({ ok }) => ok))
    })

    test('a working tree with changes is taken as it is', async () => {
      const dirty = join(folder, 'dirty')
      execFileSync('git', ['clone', '--quiet', repository, dirty])
      const clean = await fetchers.fetchUnlocked({ kind: 'git', name: 'source', url: dirty })
      assert.equal(clean.revision, second)
      writeFileSync(join(dirty, 'run'), 'changed\n')
      writeFileSync(join(dirty, 'untracked'), 'not taken\n')
      const changed = await fetchers.fetchUnlocked({ kind: 'git', name: 'source', url: dirty })
      assert.equal(changed.revision, undefined)
      assert.notEqual(changed.narHash, clean.narHash)
    })
  })

  describe('from Mercurial', () => {
    test('without hg, it says what to install', { skip: HAS.hg && 'hg is installed' }, async () => {
      await assert.rejects(fetchers.fetchUnlocked({ kind: 'mercurial', name: 'source', url: '/nowhere' }), (error) => error instanceof FirnError && error.kind === 'missing-requirement' && error.message.includes('mercurial'))
    })

    test('a branch and a revision', { skip: !HAS.hg && 'hg is not installed' }, async () => {
      const repository = join(folder, 'mercurial')
      mkdirSync(repository)
      const hg = (...args: string[]): string => execFileSync('hg', args, { cwd: repository, env: { ...process.env, HGPLAIN: '1', HGUSER: 'a' } }).toString().trim()
      hg('init')
      writeFileSync(join(repository, 'file'), 'one\n')
      hg('commit', '-A', '-m', 'one')
      const result = await fetchers.fetchUnlocked({ kind: 'mercurial', name: 'source', url: repository })
      assert.deepEqual([result.revision, result.revisionCount], [hg('log', '-r', 'tip', '--template', '{node}'), 0])
      writeFileSync(join(repository, 'file'), 'two\n')
      hg('commit', '-m', 'two')
      const older = await fetchers.fetchUnlocked({ kind: 'mercurial', name: 'source', url: repository, revision: result.revision! })
      assert.equal(older.narHash, result.narHash)
      assert.equal((await fetchers.fetchUnlocked({ kind: 'mercurial', name: 'source', url: repository })).revisionCount, 1)
    })
  })
})

test('builtin:fetchurl derivations are fetches', () => {
  const aterm = (env: string, output = '"r:sha256","' + '0'.repeat(64) + '"', builder = 'builtin:fetchurl', path = '/nix/store/0c0hrc6c4zfnqzdpqyw1bz8gyz1kxrhm-x'): string =>
    `Derive([("out","${path}",${output})],[],[],"builtin","${builder}",[],[${env}])`
  const parse = (text: string) => parseDerivation(text.replace(/"\/nix\/store\/[^"]*"/, `"${pathFor(text)}"`), 'x')
  const env = '("executable","1"),("unpack",""),("url","https://a/b"),("urls","https://a/b https://c/d")'
  assert.deepEqual(fetchRequestOf(parse(aterm(env))), {
    kind: 'url', name: 'x', urls: ['https://a/b', 'https://c/d'], unpack: false, executable: true, hash: `sha256-${Buffer.alloc(32).toString('base64')}`, method: 'nar',
  })
  assert.equal(fetchRequestOf(parse(aterm('("unpack","1"),("url","u")')))?.kind === 'url' && (fetchRequestOf(parse(aterm('("unpack","1"),("url","u")'))) as { isNar?: boolean }).isNar, true)
  assert.equal(fetchRequestOf(parse(aterm(env, undefined, '/bin/sh'))), undefined)
  assert.throws(() => fetchRequestOf(parse(aterm('("x","y")'))), FormatError)
})

/** The path that follows from the hash, by the parser's own message. */
function pathFor(text: string): string {
  try {
    parseDerivation(text, 'x')
    return /"(\/nix\/store\/[^"]*)"/.exec(text)![1]!
  } catch (error) {
    return /\('(\/nix\/store\/[^']*)'\)/.exec((error as Error).message)![1]!
  }
}
