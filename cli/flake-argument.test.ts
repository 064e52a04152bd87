import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFlakeArgument, readFlakeArgument } from './flake-argument.ts'

test('flakes as people name them', () => {
  const root = mkdtempSync(join(tmpdir(), 'firn-flake-argument-'))
  try {
    for (const folder of ['plain/below', 'repository/.git', 'repository/inner/deeper', 'empty', 'with blank']) mkdirSync(join(root, folder), { recursive: true })
    for (const folder of ['plain', 'repository/inner', 'with blank']) writeFileSync(join(root, folder, 'flake.nix'), '{ outputs = _: { }; }')
    const read = (argument: string, folder = 'plain'): unknown => readFlakeArgument(argument, join(root, folder))
    assert.deepEqual(read('.#hello'), { reference: `path:${root}/plain`, attribute: 'hello' })
    assert.deepEqual(read('.#hello', 'plain/below'), { reference: `path:${root}/plain`, attribute: 'hello' })
    assert.deepEqual(read('.#', 'repository/inner'), { reference: `git+file://${root}/repository?dir=inner`, attribute: '' })
    assert.deepEqual(read('..#a.b', 'repository/inner/deeper'), { reference: `git+file://${root}/repository?dir=inner`, attribute: 'a.b' })
    assert.deepEqual(read('../with blank#x'), { reference: `path:${root}/with%20blank`, attribute: 'x' })
    assert.deepEqual(read('./flake.nix?lastModified=1#x'), { reference: `path:${root}/plain?lastModified=1`, attribute: 'x' })
    assert.deepEqual(read('github:a/b/c?dir=d#x'), { reference: 'github:a/b/c?dir=d', attribute: 'x' })
    assert.deepEqual(read('nixpkgs/23.05#hello'), { reference: 'nixpkgs/23.05', attribute: 'hello' })
    assert.throws(() => read('.#x', 'empty'), /is not part of a flake/)
    assert.throws(() => read('.#x', 'repository'), /is not part of a flake/)
    assert.throws(() => read('./missing#x'), /there is no folder/)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})

test('what is a flake and what a file', () => {
  for (const flake of ['.#x', 'github:a/b', 'git+https://x/y', 'path:/x', 'nixpkgs#hello']) assert.ok(isFlakeArgument(flake), flake)
  for (const file of ['.', './release.nix', '/x/y', 'default.nix', 'x.drv', 'https://x/y.tar.gz']) assert.ok(!isFlakeArgument(file), file)
})
