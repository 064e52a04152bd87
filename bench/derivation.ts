/**
 * How fast derivations are made: `node bench/derivation.ts [COUNT]`. The expression has the shape of a package set's: four in five are downloads,
 * the others have scripts and a dozen inputs among what came before. Evaluated in this process (the first time, and the best of five) and with
 * stock Nix, for both less the time of the same expression with no derivations; then completed alone, from drafts that lie in memory.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import type { EvaluationSettings } from '../contract/evaluations.ts'
import { Evaluator, isolated } from '../eval/evaluator.ts'
import type { AddedDerivation } from '../eval/io.ts'
import { MemoryIO } from '../eval/memory-io.ts'
import { useNodeHashes } from '../evaluator/hashes.ts'
import { byteStringOfBytes } from '../nix/bytes.ts'
import { completeDerivation } from '../nix/derivation-completion.ts'
import type { DerivationHash } from '../nix/derivation-hash.ts'
import { printable, type PrintableDerivation } from '../nix/derivation-printer.ts'
import { parseDerivation } from '../nix/derivation.ts'
import { derivationName, parseStorePath } from '../nix/store-path.ts'

const EXPRESSION = `count: with builtins; let
  script = concatStringsSep "\\n" (genList (i: ''echo "phase \${toString i}" && test -n "$out" || exit 1'') 20);
  flags = genList (i: "--with-feature-\${toString i}=yes") 8;
  common = listToAttrs (genList (i: { name = "setting\${toString i}"; value = if i / 3 * 3 == i then "" else i; }) 24);
  first = derivation (common // { name = "first"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; });
  download = i: derivation (common // {
    name = "source-\${toString i}.tar.gz"; system = "x86_64-linux"; builder = "\${first}/bin/sh"; args = [ "-e" "\${first}/builder.sh" ];
    outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = hashString "sha256" (toString i);
    urls = [ "https://example.org/\${toString i}.tar.gz" "https://mirror.example.org/\${toString i}.tar.gz" ]; preferLocalBuild = true; nativeBuildInputs = [ first ];
  });
  package = i: derivation (common // {
    name = "package-\${toString i}"; system = "x86_64-linux"; outputs = [ "out" "dev" ]; builder = "\${first}/bin/sh"; args = [ "-e" "\${first}/builder.sh" ];
    src = elemAt downloads (i * 4); patches = map (k: elemAt downloads (i * 4 + k)) [ 1 2 3 ]; configureFlags = flags; buildPhase = script; installPhase = "\${first}\\n" + script;
    buildInputs = genList (k: (elemAt packages (i - k - 1)).dev) (if i < 8 then i else 8); doCheck = true; strictDeps = true;
  });
  downloads = genList download (count / 5 * 4);
  packages = genList package (count / 5);
in concatStringsSep "\\n" (map (made: unsafeDiscardStringContext made.drvPath) (downloads ++ packages))
`

const SETTINGS: EvaluationSettings = { mode: 'impure', currentSystem: 'x86_64-linux', nixVersion: '2.26.3', searchPath: [], allowedUris: [], allowedPaths: [], allowImportFromDerivation: false, showTrace: false }
const ROUNDS = 5
const count = Number(process.argv[2] ?? 2000)

/** Keeps what an evaluation made and prints nothing, as an evaluation that writes nothing. */
class KeepingIO extends MemoryIO {
  readonly made: AddedDerivation[] = []
  override addDerivation(derivation: AddedDerivation): void {
    this.made.push(derivation)
  }
}

/** Milliseconds; `work` gives what it made. */
function timed<T>(work: () => T): { readonly time: number; readonly result: T } {
  const start = performance.now()
  const result = work()
  return { time: performance.now() - start, result }
}

function evaluate(size: number): { readonly paths: string; readonly made: readonly AddedDerivation[] } {
  const io = new KeepingIO()
  const paths = isolated(() => new Evaluator({ io, settings: SETTINGS }).evaluateText(`(${EXPRESSION}) ${size}`, '/'))
  return { paths: String(paths), made: io.made }
}

function evaluateWithStock(size: number): string {
  const { status, stdout, stderr } = spawnSync('nix-instantiate', ['--eval', '--strict', '--json', '-E', `(${EXPRESSION}) ${size}`], { encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (status !== 0) throw new Error(`stock Nix: ${stderr}`)
  return JSON.parse(stdout) as string
}

/** What an expression said of a derivation, from its text: outputs whose path follows from the rest have none. */
function draftOf({ drvPath, aterm }: { readonly drvPath: string; readonly aterm: string }): PrintableDerivation {
  const { env, ...derivation } = parseDerivation(aterm, derivationName(parseStorePath(drvPath)))
  const follows = (name: string): boolean => derivation.outputs.get(name)?.kind === 'input-addressed'
  return printable({
    ...derivation,
    outputs: new Map([...derivation.outputs].map(([name, output]) => [name, follows(name) ? { kind: 'deferred' } : output])),
    env: new Map([...env].map(([name, value]) => [name, follows(name) ? '' : value])),
  })
}

/** Completes them in the order in which they were made: inputs come first. */
function complete(drafts: readonly PrintableDerivation[]): readonly string[] {
  const hashes = new Map<string, DerivationHash>()
  return drafts.map((draft) => {
    const { drvPath, hash } = completeDerivation(draft, (path) => hashes.get(path)!)
    hashes.set(drvPath, hash)
    return drvPath
  })
}

const best = <T>(work: () => T): number => Math.min(...Array.from({ length: ROUNDS }, () => timed(work).time))

useNodeHashes()
evaluate(0)
const first = timed(() => evaluate(count))
const { made, paths } = first.result
const again = best(() => evaluate(count)) - best(() => evaluate(0))
const texts = made.map((derivation) => ({ drvPath: derivation.drvPath, aterm: byteStringOfBytes(derivation.aterm()) }))
const drafts = texts.map(draftOf)
const alone = best(() => complete(drafts))
assert.deepEqual(complete(drafts), made.map(({ drvPath }) => drvPath))
const bytes = texts.reduce((sum, { aterm }) => sum + aterm.length, 0)

const row = (what: string, time: number, rest = ''): void => console.log(`${what.padEnd(44)} ${time.toFixed(0).padStart(5)} ms ${(made.length / time * 1000).toFixed(0).padStart(7)} a second${rest}`)
console.log(`${made.length} derivations, ${(bytes / made.length / 1000).toFixed(1)} kB each; ${cpus().length} × ${cpus()[0]!.model}, Node ${process.version}`)
if (spawnSync('nix-instantiate', ['--version'], { stdio: 'ignore' }).status === 0) {
  assert.equal(paths, evaluateWithStock(count), 'derivation paths differ from those of stock Nix')
  const stock = best(() => evaluateWithStock(count)) - best(() => evaluateWithStock(0))
  row('stock Nix evaluates them', stock)
  row('Firn evaluates them, the first time', first.time, `   ratio ${(first.time / stock).toFixed(2)}`)
  row('Firn evaluates them, the best of five', again, `   ratio ${(again / stock).toFixed(2)}`)
} else row('Firn evaluates them, the best of five', again)
row('of that: text, hashes, paths, .drv', alone)
