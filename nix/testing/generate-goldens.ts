/**
 * Writes nix/testing/golden/ by running the stock Nix on the PATH: `node nix/testing/generate-goldens.ts`. Only needed
 * when a case is added. What the files hold is what Nix 2.8 said; tests compare with them where no Nix is installed.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStockNix, writeSampleTree } from './stock-nix.ts'
import { formatKey } from '../signature.ts'
import { TEST_SECRET_KEY } from './test-key.ts'

const golden = join(import.meta.dirname, 'golden')
const nix = openStockNix()
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')

try {
  const work = join(nix.root, 'work')
  mkdirSync(work)
  const expressions = join(work, 'expressions')
  cpSync(join(golden, 'expressions'), expressions, { recursive: true })

  // Derivations
  rmSync(join(golden, 'derivations'), { recursive: true, force: true })
  mkdirSync(join(golden, 'derivations'))
  nix.run('nix-instantiate', [join(expressions, 'derivations.nix')])
  const attributes = JSON.parse(nix.run('nix-instantiate', ['--eval', '--strict', '--json', '-E', `builtins.mapAttrs (n: d: d.drvPath) (import ${join(expressions, 'derivations.nix')})`])) as Record<string, string>
  for (const path of Object.values(attributes)) writeFileSync(join(golden, 'derivations', path.slice('/nix/store/'.length)), readFileSync(nix.localPath(path)))
  writeFileSync(join(golden, 'derivations.json'), `${JSON.stringify(attributes, null, 2)}\n`)

  // Builds
  const built: Record<string, unknown> = {}
  const read = (path: string): string => readFileSync(nix.localPath(path), 'latin1')
  for (const attribute of ['selfReferent', 'dependent', 'floatingDependent', 'structured', 'graph', 'passed']) {
    const drvPath = lines(nix.run('nix-instantiate', [join(expressions, 'built.nix'), '-A', attribute]))[0]!
    const outputs = lines(nix.run('nix-store', ['--realise', drvPath]))
    const information = JSON.parse(nix.run('nix', ['path-info', '--json', ...outputs])) as unknown
    built[attribute] = { drvPath, derivation: read(drvPath), outputs, information }
    if (attribute === 'graph' || attribute === 'passed') Object.assign(built[attribute] as object, { content: read(outputs[0]!) })
    if (attribute === 'structured') {
      const folder = outputs.find((path) => path.endsWith('-structured'))!
      Object.assign(built[attribute] as object, { shell: read(`${folder}/sh`), json: read(`${folder}/json`) })
    }
    if (['selfReferent', 'floatingDependent'].includes(attribute)) Object.assign(built[attribute] as object, { nar: Buffer.from(nix.run('nix-store', ['--dump', nix.localPath(outputs[0]!)]), 'latin1').toString('base64') })
  }
  const resolved = readdirSync(nix.localPath('/nix/store')).filter((name) => /-(floating-)?dependent\.drv$/.test(name)).map((name) => `/nix/store/${name}`)
  built['resolved'] = Object.fromEntries(resolved.map((path) => [path, read(path)]))
  const texts = JSON.parse(nix.run('nix', ['path-info', '--json', '--closure-size', '--recursive', ...lines(nix.run('nix-instantiate', ['--eval', '--json', join(expressions, 'built.nix'), '-A', 'text'])).map((line) => JSON.parse(line) as string)])) as unknown
  built['texts'] = texts
  writeFileSync(join(golden, 'built.json'), `${JSON.stringify(built, null, 2)}\n`)

  // A tree: its NAR, its hashes, its paths
  const tree = join(work, 'tree')
  writeSampleTree(tree)
  writeFileSync(join(golden, 'tree.nar'), Buffer.from(nix.run('nix-store', ['--dump', tree]), 'latin1'))
  const file = join(work, 'file.txt')
  writeFileSync(file, 'the content of a file\n')
  const fixed = Object.fromEntries(['md5', 'sha1', 'sha256', 'sha512'].flatMap((algorithm) => {
    const hash = lines(nix.run('nix-hash', ['--type', algorithm, '--base32', '--flat', file]))[0]!
    return [['flat', []], ['nar', ['--recursive']]].map(([method, flags]) => [`${method as string}:${algorithm}:${hash}`, lines(nix.run('nix-store', [...flags as string[], '--print-fixed-path', algorithm, hash, 'some-name']))[0]!])
  }))
  const hashes = Object.fromEntries(['md5', 'sha1', 'sha256', 'sha512'].map((type) => [type, Object.fromEntries([['base16', '--to-base16'], ['nix32', '--to-base32'], ['base64', '--to-base64'], ['sri', '--to-sri']].map(([format, flag]) => {
    const base16 = lines(nix.run('nix-hash', ['--type', type, '--flat', file]))[0]!
    return [format, lines(nix.run('nix', ['hash', flag!.slice(2), '--type', type, base16]))[0]!]
  }))]))
  const treePath = lines(nix.run('nix-store', ['--add', tree]))[0]!
  const filePath = lines(nix.run('nix-store', ['--add-fixed', 'sha1', file]))[0]!

  // A cache with signatures
  const keyFile = join(work, 'secret-key')
  writeFileSync(keyFile, formatKey(TEST_SECRET_KEY))
  const cached = [treePath, filePath, ...lines(nix.run('nix-store', ['--query', '--requisites', ...(built['dependent'] as { outputs: string[] }).outputs])), ...Object.values(texts as { path: string }[]).map(({ path }) => path)]
  const cache = join(work, 'cache')
  nix.run('nix', ['copy', '--to', `file://${cache}?secret-key=${keyFile}&compression=none`, ...cached])
  const narinfos = Object.fromEntries(readdirSync(cache).filter((name) => name.endsWith('.narinfo')).sort().map((name) => [name, readFileSync(join(cache, name), 'utf8')]))

  // An export
  writeFileSync(join(golden, 'export.bin'), Buffer.from(nix.run('nix-store', ['--export', ...lines(nix.run('nix-store', ['--query', '--requisites', ...Object.values(texts as { path: string }[]).map(({ path }) => path), filePath]))]), 'latin1'))

  // Versions and names
  const versions = ['', '1', '1.0', '1.0.0', '1.0pre1', '1.0a', '1.0.1', '2.3', '2.3a', '2.3.1', '2.3pre1', '2.3prefix', '10', '9', '1-2', '1.-2', 'a', 'pre', '0001', '4294967296', '4294967297', '1.2.']
  const names = ['hello', 'hello-2.12', 'a-b-c', 'a-b-1c-d', 'x-', '-1', 'foo-.', 'foo--1', 'a-é', 'ends-with-9']
  const expression = `{ compared = map (a: map (b: builtins.compareVersions a b) vs) vs; split = map builtins.splitVersion vs; parsedNames = map builtins.parseDrvName ns; }`
  const compared = JSON.parse(Buffer.from(nix.run('nix-instantiate', ['--eval', '--strict', '--json', '-E', Buffer.from(`let vs = builtins.fromJSON ''${JSON.stringify(versions)}''; ns = builtins.fromJSON ''${JSON.stringify(names)}''; in ${expression}`).toString('utf8')]), 'latin1').toString('utf8')) as object
  const placeholders = JSON.parse(nix.run('nix-instantiate', ['--eval', '--strict', '--json', '-E', 'builtins.listToAttrs (map (name: { inherit name; value = builtins.placeholder name; }) [ "out" "dev" "bin-1" ])'])) as object

  writeFileSync(join(golden, 'values.json'), `${JSON.stringify({ file: 'the content of a file\n', fixed, hashes, treePath, filePath, narinfos, versions, names, ...compared, placeholders }, null, 2)}\n`)
} finally {
  nix.close()
}
