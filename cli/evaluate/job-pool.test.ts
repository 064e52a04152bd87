/** Jobs found by several processes: the same as by one, each once, whatever becomes of a process. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const COMMAND = join(import.meta.dirname, '../../compat/bin/nix-eval-jobs')
const folder = mkdtempSync(join(tmpdir(), 'firn-job-pool-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Found { readonly code: number | null; readonly lines: readonly string[]; readonly errors: string }

function find(expression: string, ...flags: readonly string[]): Found {
  const { status, stdout, stderr } = spawnSync(COMMAND, ['--expr', expression, ...flags], { encoding: 'utf8', env: { ...process.env, FIRN_HOME: folder }, maxBuffer: 2 ** 26 })
  return { code: status, lines: stdout.split('\n').slice(0, -1), errors: stderr }
}

const sorted = ({ lines }: Found): string[] => [...lines].sort()
const occurrences = (text: string, part: string): number => text.split(part).length - 1
const attributes = ({ lines }: Found): string[] => lines.map((line) => (JSON.parse(line) as { attr: string }).attr).sort()

const TINY = 'tiny = name: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; } // more);'
const SET = `let ${TINY}
  many = prefix: builtins.listToAttrs (builtins.genList (i: { name = "\${prefix}\${toString i}"; value = tiny "\${prefix}\${toString i}" { meta.i = i; }; }) 40);
in { suffix ? "" }: many "top" // {
  recurseForDerivations = true;
  group = many "g" // { recurseForDerivations = true; deep = many "d" // { recurseForDerivations = true; }; };
  unmarked = many "u";
  "dotted.name" = tiny "dotted\${suffix}" { };
  "ünïcode" = many "ü" // { recurseForDerivations = true; };
  list = [ (tiny "first" { }) [ (tiny "second" { }) ] ];
  broken = throw "it is broken";
  imports = import (tiny "generated" { });
  function = { n ? 1 }: tiny "f\${toString n}" { };
}`

test('several processes find what one finds, each job once', () => {
  for (const flags of [['--meta', '--show-input-drvs', '--argstr', 'suffix', 'x'], ['--force-recurse'], ['--select', 'set: set.group']]) {
    const alone = find(SET, ...flags)
    const shared = find(SET, ...flags, '--workers', '3', '--max-memory-size', '2000')
    assert.deepEqual(sorted(shared), sorted(alone))
    assert.ok(alone.lines.length >= 80)
    assert.equal(shared.code, alone.code)
  }
})

test('an error of the whole is told once, with the exit code of one process', () => {
  const alone = find('{ a = 1; b = unknown; }')
  const shared = find('{ a = 1; b = unknown; }', '--workers', '2')
  assert.deepEqual(shared, alone)
  assert.equal(shared.code, 1)
})

test('aggregates are completed from what all processes found', () => {
  const set = `let ${TINY} in builtins.listToAttrs (builtins.genList (i: { name = "job\${toString i}"; value = tiny "job\${toString i}" { }; }) 30) // {
    all = tiny "all" { _hydraAggregate = true; _hydraGlobConstituents = true; constituents = [ "job*" "two" ]; };
    two = tiny "two" { _hydraAggregate = true; constituents = [ "job1" "job2" ]; };
    wrong = tiny "wrong" { _hydraAggregate = true; constituents = [ "nothing" ]; };
  }`
  const alone = find(set, '--constituents')
  assert.equal(alone.lines.length, 33)
  assert.deepEqual(sorted(find(set, '--constituents', '--workers', '2')), sorted(alone))
  assert.deepEqual(sorted(find(set, '--constituents', '--no-instantiate', '--workers', '2')), sorted(alone))
})

test('a process over its memory is replaced, and no job is lost or told twice', () => {
  // each job's list stays, because the value as a whole holds it
  const set = `let ${TINY}
    lists = builtins.genList (i: builtins.genList (x: "\${toString i} and \${toString x}") 150000) 16;
  in builtins.trace "begun" (builtins.listToAttrs (builtins.genList (i: { name = "job\${toString i}"; value = tiny "job\${toString i}" { n = builtins.length (builtins.deepSeq (builtins.elemAt lists i) (builtins.elemAt lists i)); }; }) 16))`
  const shared = find(set, '--workers', '2', '--max-memory-size', '200')
  assert.equal(shared.code, 0)
  assert.ok(occurrences(shared.errors, 'trace: begun') > 2, `${occurrences(shared.errors, 'trace: begun')} processes`)
  assert.deepEqual(sorted(shared), sorted(find(set)))
})

test('an attribute that needs more memory than there may be fails alone', () => {
  const set = `let ${TINY} in builtins.listToAttrs (builtins.genList (i: { name = "job\${toString i}"; value = tiny "job\${toString i}" { }; }) 20) // {
    hungry = tiny "hungry" { n = builtins.length (builtins.foldl' (list: i: list ++ [ (list ++ [ i ]) ]) [ ] (builtins.genList (i: i) 100000)); };
  }`
  const shared = find(set, '--workers', '2', '--max-memory-size', '130')
  assert.deepEqual(attributes(shared), ['hungry', ...Array.from({ length: 20 }, (_, i) => `job${i}`)].sort())
  assert.match(shared.lines.find((line) => line.includes('"hungry"'))!, /the evaluator used more memory than it may/)
  assert.equal(shared.code, 0)
})

test('firn jobs shares its work too, and fails when a job does', () => {
  const file = join(folder, 'set.nix')
  writeFileSync(file, SET)
  const jobs = (...flags: readonly string[]): Found => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, '../main.ts'), 'jobs', file, ...flags], { encoding: 'utf8', env: { ...process.env, FIRN_HOME: folder } })
    return { code: status, lines: stdout.split('\n').slice(0, -1), errors: stderr }
  }
  const alone = jobs()
  const shared = jobs('--workers', '2')
  assert.deepEqual(sorted(shared), sorted(alone))
  assert.deepEqual([alone.code, shared.code], [1, 1])
  assert.equal(jobs('--workers', 'many').code, 2)
})
