/**
 * Derivation paths of a package set, by Firn and by stock Nix. Both are asked for each attribute: what stock Nix instantiates must have the same
 * path. What `tryEval` doesn't catch ends a process of stock Nix; the next goes on behind it.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const FIRN = join(import.meta.dirname, '../../compat/bin/nix-eval-jobs')
/** Attributes that one process of stock Nix is asked for. */
const BATCH = 1000

type AttributePath = readonly string[]

export interface Counts extends Readonly<Record<string, number>> {
  /** Attributes that both were asked for. */
  readonly asked: number
  readonly instantiated: number
  readonly equal: number
}

export interface Compared {
  /** Of the set's own attributes. */
  readonly top: Counts
  /** Of those in sets below, where they were asked for. */
  readonly below: Counts
  /** Whether all that stock Nix instantiates, something at least, has the same path. */
  readonly isSame: boolean
}

export interface PackageSet {
  /** A Nix expression that gives the set. */
  readonly expression: string
  /** The `nix-instantiate` to compare with. */
  readonly stock: string
  /** Also what `recurseForDerivations` leads to. */
  readonly all: boolean
}

/** Prints each attribute whose path differs, and the counts. Throws where the set itself can't be evaluated. */
export function compareSet(set: PackageSet): Compared {
  const firn = firnPaths(set)
  const names = stockNames(set)
  const below = [...firn.keys()].map((key) => JSON.parse(key) as string[]).filter((path) => path.length > 1)
  const paths: AttributePath[] = [...names.map((name) => [name]), ...below]
  const answers = stockPaths(set, paths)
  const counts = { top: { asked: 0, instantiated: 0, equal: 0 }, below: { asked: 0, instantiated: 0, equal: 0 } }
  paths.forEach((path, i) => {
    const answer = answers[i]!
    const counted = path.length === 1 ? counts.top : counts.below
    counted.asked++
    if (!answer.startsWith('/')) return
    counted.instantiated++
    const ours = firn.get(JSON.stringify(path))
    if (ours === answer) counted.equal++
    else console.log(`${path.join('.')}: stock ${answer}, Firn ${ours ?? 'nothing'}`)
  })
  const { top, below: deeper } = counts
  console.log(`${top.asked} attributes; stock Nix instantiates ${top.instantiated}; Firn gives the same path for ${top.equal}`)
  if (set.all) console.log(`below them ${deeper.asked} more; stock Nix instantiates ${deeper.instantiated}; the same path for ${deeper.equal}`)
  return { ...counts, isSame: top.instantiated > 0 && top.equal === top.instantiated && deeper.equal === deeper.instantiated }
}

/** Derivation paths by attribute path, as JSON. */
function firnPaths({ expression, all }: PackageSet): Map<string, string> {
  const only = all ? '' : 'builtins.mapAttrs (_: package: if builtins.isAttrs package && package ? drvPath then package else { })'
  const { status, stdout, stderr } = spawnSync(FIRN, ['--no-instantiate', '--expr', `${only} (${expression})`], { encoding: 'utf8', maxBuffer: 2 ** 30 })
  if (status !== 0) throw new Error(`nix-eval-jobs fails: ${stderr.slice(-2000)}`)
  const found = new Map<string, string>()
  for (const line of stdout.split('\n')) {
    if (line === '') continue
    const { attrPath, drvPath } = JSON.parse(line) as { attrPath: string[]; drvPath?: string }
    if (drvPath !== undefined) found.set(JSON.stringify(attrPath), drvPath)
  }
  return found
}

function stockNames({ expression, stock }: PackageSet): string[] {
  const { status, stdout, stderr } = nix(stock, ['-E', `builtins.attrNames (${expression})`])
  if (status !== 0) throw new Error(`stock Nix fails: ${stderr.slice(-2000)}`)
  return JSON.parse(stdout) as string[]
}

/** The attribute's path, `none` for what is no derivation, `fail` for what throws, `abort` for what ends the process. */
function stockPaths({ expression, stock }: PackageSet, paths: readonly AttributePath[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'firn-package-set-'))
  const asked = join(folder, 'paths.json')
  const ask = `
    let
      packages = ${expression};
      follow = builtins.foldl' (set: name: set.\${name}) packages;
      ask = path:
        let
          found = follow path;
          tried = builtins.tryEval (if builtins.isAttrs found && found ? drvPath then found.drvPath else "none");
        in
        if tried.success then tried.value else "fail";
    in
    map ask (builtins.fromJSON (builtins.readFile ${asked}))`
  try {
    const answers: string[] = []
    while (answers.length < paths.length) {
      writeFileSync(asked, JSON.stringify(paths.slice(answers.length, answers.length + BATCH)))
      const { status, stdout } = nix(stock, ['-E', ask])
      // it prints as it goes, so what was printed was fine
      const printed = status === 0 ? stdout.trim() : `[${stdout.trim().replace(/^\[/, '').replace(/,?\]?$/, '')}]`
      answers.push(...JSON.parse(printed) as string[], ...(status === 0 ? [] : ['abort']))
    }
    return answers
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function nix(stock: string, words: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(stock, ['--eval', '--strict', '--json', ...words], { encoding: 'utf8', maxBuffer: 2 ** 28 })
}
