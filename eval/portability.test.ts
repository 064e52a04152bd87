import assert from 'node:assert/strict'
import { test } from 'node:test'
import { build } from 'esbuild'

/** Everything of this ring that others use. */
const ENTRIES = ['eval/session.ts', 'eval/evaluator.ts', 'eval/memory-io.ts', 'eval/printing/print.ts', 'eval/printing/to-xml.ts', 'eval/printing/errors.ts']

test('the evaluator is bundled for a browser, with nothing of Node in it', async () => {
  const result = await build({
    entryPoints: ENTRIES, absWorkingDir: new URL('..', import.meta.url).pathname, bundle: true, write: false, outdir: 'unused', platform: 'browser', format: 'esm', metafile: true, logLevel: 'silent',
  })
  const external = Object.values(result.metafile.outputs).flatMap((output) => output.imports.filter((i) => i.external === true).map((i) => i.path))
  assert.deepEqual(external, [])
  const inputs = Object.keys(result.metafile.inputs)
  assert.ok(inputs.some((path) => path.endsWith('eval/evaluator.ts')))
  assert.deepEqual(inputs.filter((path) => !/^(eval|nix|contract)\/|^node_modules\/@noble\//.test(path)), [])
})

test('the bundle evaluates without Node', async () => {
  const result = await build({
    stdin: {
      contents: `
        import { Evaluator } from './eval/evaluator.ts'
        import { MemoryIO } from './eval/memory-io.ts'
        import { printAmbiguous } from './eval/printing/print.ts'
        const settings = { currentSystem: 'x86_64-linux', nixVersion: '2.26.3', mode: 'impure', allowedUris: [], allowedPaths: [], searchPath: [], allowImportFromDerivation: true, showTrace: false }
        const evaluator = new Evaluator({ io: new MemoryIO(), settings })
        result.text = printAmbiguous(evaluator.evaluateText('(derivation { name = "a"; system = "x"; builder = "/bin/sh"; }).drvPath', '/'))
      `,
      resolveDir: new URL('..', import.meta.url).pathname, loader: 'ts',
    },
    bundle: true, write: false, platform: 'browser', format: 'iife', logLevel: 'silent',
  })
  const world = { text: '' }
  // Only what browsers have as well; nothing of Node is in reach of the function's code.
  new Function('result', 'process', 'require', 'Buffer', 'global', result.outputFiles[0]!.text)(world, undefined, undefined, undefined, undefined)
  assert.equal(world.text, '"/nix/store/l9ldjc53ry43x24hvq73jx7dx0489mhj-a.drv"')
})
