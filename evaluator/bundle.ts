/**
 * Ring: evaluator. Makes the one file that launch.ts runs a program from: all modules that it imports in one scope, in the order in which they would run.
 * What it imports later, by `import()`, stays a file of its own.
 */
import { readFileSync } from 'node:fs'
import { dirname, extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, stop, type Loader, type Plugin } from 'esbuild'
import type { Stamp } from './launch.ts'

const LOADERS: Readonly<Record<string, Loader>> = { '.ts': 'ts', '.json': 'json' }
/** What modules ask of `import.meta`: variables of their own, which are renamed where all share a scope. */
const META = { 'import.meta.url': 'moduleUrl_', 'import.meta.filename': 'moduleFile_', 'import.meta.dirname': 'moduleFolder_', 'import.meta.main': 'false' }

/** `stampOf` looks at each source before it is read. */
export async function makeBundle(program: string, stampOf: (path: string) => Stamp): Promise<{ readonly code: string; readonly sources: readonly Stamp[] }> {
  const sources: Stamp[] = []
  try {
    const { outputFiles: [output] } = await build({
      entryPoints: [program], plugins: [modules(sources, stampOf)], define: META, write: false, bundle: true, format: 'cjs', platform: 'node', target: `node${process.versions.node}`,
      banner: { js: '(function (require, module) {' }, footer: { js: '})' }, legalComments: 'none', logLevel: 'silent',
      // as Node runs it: fields as the language defines them, imports as they are written
      tsconfigRaw: { compilerOptions: { useDefineForClassFields: true, verbatimModuleSyntax: true, target: 'esnext' } },
    })
    return { code: output!.text, sources }
  } finally {
    await stop()
  }
}

/** Tells of each module what file it is, and notes it. */
function modules(sources: Stamp[], stampOf: (path: string) => Stamp): Plugin {
  return {
    name: 'modules',
    setup: (bundler) => {
      bundler.onResolve({ filter: /^\./ }, ({ kind, path, importer }) => (kind === 'dynamic-import' ? { path: new URL(path, pathToFileURL(importer)).href, external: true } : undefined))
      bundler.onLoad({ filter: /./, namespace: 'file' }, ({ path }) => {
        sources.push(stampOf(path))
        const text = readFileSync(path, 'utf8')
        const told = `const moduleUrl_ = ${JSON.stringify(pathToFileURL(path).href)}, moduleFile_ = ${JSON.stringify(path)}, moduleFolder_ = ${JSON.stringify(dirname(path))};`
        return { contents: text.includes('import.meta.') ? told + text : text, loader: LOADERS[extname(path)] ?? 'js' }
      })
    },
  }
}
