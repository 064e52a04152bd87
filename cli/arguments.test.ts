import assert from 'node:assert/strict'
import { Command } from 'commander'
import { describe, it } from 'node:test'
import { addEvaluationOptions, evaluationSettings, type EvaluationOptions, joinPairs, localSource } from './arguments.ts'

async function parse(...words: string[]): Promise<{ files: string[], options: EvaluationOptions }> {
  let found: { files: string[], options: EvaluationOptions } | undefined
  const command = addEvaluationOptions(new Command().argument('[file...]')).exitOverride().action((files: string[], options: EvaluationOptions) => {
    found = { files, options }
  })
  await command.parseAsync(joinPairs(words), { from: 'user' })
  return found!
}

describe('options of an evaluation', () => {
  it('takes two words for --arg and --argstr, whatever is in them', async () => {
    const { files, options } = await parse('--argstr', 'a', '--weird = text', 'x.nix', '--arg', 'b', '{ c = 1; }', '-A', 'p', '-A', 'q.r')
    assert.deepEqual(options.arg, { a: { kind: 'string', value: '--weird = text' }, b: { kind: 'expression', value: '{ c = 1; }' } })
    assert.deepEqual(options.attr, ['p', 'q.r'])
    assert.deepEqual(files, ['x.nix'])
    assert.throws(() => joinPairs(['--arg', 'name']), { kind: 'invalid-input', message: '--arg takes two words: --arg NAME EXPRESSION' })
    assert.deepEqual(joinPairs(['--', '--arg', 'x']), ['--', '--arg', 'x'])
  })

  it('evaluates as nix-build does on a farm of this machine, and as the farm says elsewhere', async () => {
    const { options } = await parse('-I', 'nixpkgs=/pkgs', '-I', 'https://example.org/x.tar.gz')
    assert.deepEqual(evaluationSettings(options, true, { NIX_PATH: 'a=/b:/c' }), {
      mode: 'impure',
      searchPath: [{ prefix: 'nixpkgs', path: '/pkgs' }, { prefix: '', path: 'https://example.org/x.tar.gz' }, { prefix: 'a', path: '/b' }, { prefix: '', path: '/c' }],
    })
    assert.deepEqual(evaluationSettings((await parse()).options, false, { NIX_PATH: 'a=/b' }), {})
    const strict = (await parse('--pure', '--system', 'x-linux', '--no-import-from-derivation', '--show-trace')).options
    assert.deepEqual(evaluationSettings(strict, true, {}), { mode: 'pure', currentSystem: 'x-linux', allowImportFromDerivation: false, showTrace: true })
  })

  it('says what is wrong with files', async () => {
    const { options } = await parse('-E', '1')
    assert.deepEqual(localSource([], options), { kind: 'expression', text: '1' })
    assert.throws(() => localSource(['a.nix'], options), /either a file or -E/)
    const none = (await parse()).options
    assert.throws(() => localSource(['nowhere.nix'], none), { kind: 'not-found', message: 'there is no file \'nowhere.nix\'' })
    assert.throws(() => localSource(['a.nix', 'b.nix'], none), /'b.nix' is too many/)
    assert.deepEqual(localSource(['/nix/store/x.drv', 'y.drv'], none), { kind: 'derivations', drvPaths: ['/nix/store/x.drv', 'y.drv'] })
  })
})
