/**
 * Derivation paths of ekala-project/corepkgs: every attribute that stock Nix instantiates must give the same path. Needs a checkout of
 * it and one of ekala-project/nix-lib, which its pins would fetch.
 *
 *   npm run conformance corepkgs COREPKGS NIX-LIB [--all] [--stock PROGRAM]
 *
 * `--all` compares also what is found in sets below (perlPackages and their like: some ten thousand more). `--stock` is the
 * `nix-instantiate` to compare with; by default that on the PATH.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { meetsExpectations } from './expected.ts'

const FIRN = join(import.meta.dirname, '../../compat/bin/nix-eval-jobs')

/** The attribute's path, `none` for what is no derivation, `fail` for what throws. */
const ASK = `
{ paths }:
let
  packages = import ./default.nix { system = "x86_64-linux"; };
  follow = builtins.foldl' (set: name: set.\${name}) packages;
  ask = path:
    let
      found = follow path;
      tried = builtins.tryEval (if builtins.isAttrs found && found ? drvPath then found.drvPath else "none");
    in
    if tried.success then tried.value else "fail";
in
map ask (builtins.fromJSON (builtins.readFile paths))
`

type AttributePath = readonly string[]

class Comparison {
  private readonly folder: string
  private readonly stock: string

  constructor(folder: string, stock: string) {
    this.folder = folder
    this.stock = stock
  }

  names(): string[] {
    const { status, stdout, stderr } = this.nix(['-E', 'builtins.attrNames (import ./default.nix { system = "x86_64-linux"; })'])
    if (status !== 0) throw new Error(`stock Nix fails: ${stderr.slice(-2000)}`)
    return JSON.parse(stdout) as string[]
  }

  /** What stock Nix says of each path. What isn't caught by tryEval ends its process: the next goes on behind it. */
  stockPaths(paths: readonly AttributePath[]): string[] {
    const answers: string[] = []
    const file = join(this.folder, 'paths.json')
    while (answers.length < paths.length) {
      writeFileSync(file, JSON.stringify(paths.slice(answers.length, answers.length + 1000)))
      const { status, stdout } = this.nix(['ask.nix', '--arg', 'paths', './paths.json'])
      // it prints as it goes, so what was printed was fine
      const printed = stdout.trim()
      const done = JSON.parse(status === 0 ? printed : `${printed.replace(/,?\]?$/, '')}]`) as string[]
      answers.push(...done, ...(status === 0 ? [] : ['abort']))
    }
    return answers
  }

  private nix(words: readonly string[]): { status: number | null; stdout: string; stderr: string } {
    return spawnSync(this.stock, ['--eval', '--strict', '--json', ...words], { cwd: this.folder, encoding: 'utf8', maxBuffer: 2 ** 28 })
  }

  /** Attribute paths and derivation paths that Firn finds. */
  firnPaths(all: boolean): Map<string, string> {
    const only = all ? '' : 'builtins.mapAttrs (_: package: if builtins.isAttrs package && package ? drvPath then package else { })'
    const expression = `${only} (import ./default.nix { system = "x86_64-linux"; })`
    const { status, stdout, stderr } = spawnSync(FIRN, ['--no-instantiate', '--expr', expression], { cwd: this.folder, encoding: 'utf8', maxBuffer: 2 ** 30 })
    if (status !== 0) throw new Error(`nix-eval-jobs fails: ${stderr.slice(-2000)}`)
    const found = new Map<string, string>()
    for (const line of stdout.split('\n')) {
      if (line === '') continue
      const { attrPath, drvPath } = JSON.parse(line) as { attrPath: string[]; drvPath?: string }
      if (drvPath !== undefined) found.set(JSON.stringify(attrPath), drvPath)
    }
    return found
  }
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { all: { type: 'boolean', default: false }, stock: { type: 'string', default: 'nix-instantiate' } } })
const [corepkgs, library] = positionals
if (corepkgs === undefined || library === undefined) {
  console.error('usage: npm run conformance corepkgs COREPKGS NIX-LIB [--all] [--stock PROGRAM]')
  process.exit(2)
}
const scratch = mkdtempSync(join(tmpdir(), 'firn-corepkgs-'))
try {
  const folder = join(scratch, 'corepkgs')
  cpSync(resolve(corepkgs), folder, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('/.git') })
  writeFileSync(join(folder, 'pins.nix'), `{ lib = ${resolve(library)}; }\n`)
  writeFileSync(join(folder, 'ask.nix'), ASK)
  const comparison = new Comparison(folder, values.stock)
  const firn = comparison.firnPaths(values.all)
  const names = comparison.names()
  const below = [...firn.keys()].map((key) => JSON.parse(key) as string[]).filter((path) => path.length > 1)
  const paths: AttributePath[] = [...names.map((name) => [name]), ...(values.all ? below : [])]
  const answers = comparison.stockPaths(paths)
  const count = { attributes: names.length, instantiated: 0, equal: 0 }
  const more = { asked: 0, instantiated: 0, equal: 0 }
  paths.forEach((path, i) => {
    const answer = answers[i]!
    const counted = path.length === 1 ? count : more
    if (path.length > 1) more.asked++
    if (!answer.startsWith('/')) return
    counted.instantiated++
    const ours = firn.get(JSON.stringify(path))
    if (ours === answer) counted.equal++
    else console.log(`${path.join('.')}: stock ${answer}, Firn ${ours ?? 'nothing'}`)
  })
  console.log(`${count.attributes} attributes; stock Nix instantiates ${count.instantiated}; Firn gives the same path for ${count.equal}`)
  if (values.all) console.log(`below them ${more.asked} more; stock Nix instantiates ${more.instantiated}; the same path for ${more.equal}`)
  const met = [meetsExpectations('corepkgs', count), !values.all || meetsExpectations('corepkgs-below', more)]
  process.exitCode = met.every((one) => one) && count.equal === count.instantiated && more.equal === more.instantiated ? 0 : 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
