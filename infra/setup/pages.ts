/**
 * Ring: infra. Makes the web pages: `web/dist/` holds the dashboard and, below `playground/`, a page that needs no server. Each
 * text file lies there compressed as well, so that the API compresses nothing while it answers.
 *
 *   node infra/setup/pages.ts      builds where sources changed since the last time
 */
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

const ROOT = resolve(import.meta.dirname, '../..')
/** What the pages are made of. */
const SOURCES = ['infra/setup/pages.ts', 'web/**/*.{ts,tsx,css,html,svg}', 'contract/*.ts', 'eval/**/*.ts', 'nix/**/*.ts', 'package.json', 'package-lock.json']
const COMPRESSED = /\.(js|css|html|svg|json)$/

/** Where the built pages lie. */
export const PAGES = join(ROOT, 'web/dist')
const STAMP = join(PAGES, 'built-from')

/** Whether they can be built here: a published package has them built, and none of what builds them. */
export function canBuildPages(): boolean {
  return existsSync(join(ROOT, 'node_modules/vite')) && existsSync(join(ROOT, 'web/index.html'))
}

/** Builds the pages unless those that lie there came from these sources. Says whether it built. */
export async function buildPages(options: { readonly say?: (text: string) => void } = {}): Promise<boolean> {
  const digest = digestOfSources()
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === digest) return false
  const started = performance.now()
  options.say?.('building the web pages')
  // beside the place where they go, so that nobody ever reads half of them
  const folder = await mkdtemp(join(ROOT, 'web/.dist-'))
  try {
    await chmod(folder, 0o755)
    await bundle(folder)
    await compress(folder)
    await writeFile(join(folder, 'built-from'), digest)
    await rm(PAGES, { recursive: true, force: true })
    await rename(folder, PAGES).catch((error: unknown) => {
      // another process was quicker, with the same pages
      if (!existsSync(STAMP)) throw error
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  options.say?.(`built the web pages in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  return true
}

function digestOfSources(): string {
  const hash = createHash('sha256')
  const files = globSync(SOURCES, { cwd: ROOT, exclude: (path) => /(^|\/)(dist|\.dist-[^/]*|testdata|goldens|testing)$|\.test\.ts$/.test(path) }).sort()
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(join(ROOT, file))).update('\0')
  return hash.digest('hex')
}

async function bundle(folder: string): Promise<void> {
  const { build } = await import('vite')
  await build({
    root: join(ROOT, 'web'),
    configFile: false,
    // relative, so that the playground works from any folder; the dashboard's page has a <base>
    base: './',
    logLevel: 'error',
    publicDir: false,
    worker: { format: 'es' },
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: 'es2023',
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
      chunkSizeWarningLimit: 1000,
      rolldownOptions: { input: { index: join(ROOT, 'web/index.html'), playground: join(ROOT, 'web/playground/index.html') } },
    },
  })
}

async function compress(folder: string): Promise<void> {
  const files = (await readdir(folder, { recursive: true })).filter((name) => COMPRESSED.test(name))
  await Promise.all(files.map(async (name) => {
    const file = join(folder, name)
    const content = await readFile(file)
    const [brotli, gzipped] = await Promise.all([
      promisify(brotliCompress)(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }),
      promisify(gzip)(content, { level: 9 }),
    ])
    await Promise.all([writeFile(`${file}.br`, brotli), writeFile(`${file}.gz`, gzipped)])
  }))
}

if (import.meta.main) {
  const built = await buildPages({ say: (text) => console.error(`firn: ${text}`) })
  if (!built) console.error('firn: the web pages are as their sources')
}
