/**
 * Screenshots of every page, light and dark, wide and narrow: `npm run screenshots [FOLDER] [NAME…]`. On a farm of rows, so that there is
 * something of everything. `npm run screenshots -- --docs` makes those of the docs instead, small ones in docs/images/.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { stopTemporal } from '../../api/testing/api.ts'
import { startBrowser } from './browser.ts'
import { everyPage, settled } from './every-page.ts'
import { startFarmOfRows } from './farm.ts'

const WIDE = { width: 1280, height: 800 }
const NARROW = { width: 390, height: 844 }
const DOCS = ['overview', 'build', 'evaluation', 'changes', 'store-path']
const DOCS_FOLDER = resolve(import.meta.dirname, '../../docs/images')

const { values: { docs }, positionals: [folder = 'screenshots', ...names] } = parseArgs({ allowPositionals: true, options: { docs: { type: 'boolean', default: false } } })
const target = docs ? DOCS_FOLDER : resolve(process.env['INIT_CWD'] ?? process.cwd(), folder)
const wanted = docs ? DOCS : names
mkdirSync(target, { recursive: true })
const browser = await startBrowser()
const rows = await startFarmOfRows()
const pages = everyPage(rows).filter(({ name }) => wanted.length === 0 || wanted.includes(name))
try {
  if (docs) {
    await photograph({ viewport: { width: 1120, height: 700 }, colorScheme: 'light' }, async (page, name) => {
      // Playwright knows no format that is as small
      const debuggerOf = await page.context().newCDPSession(page)
      const { data } = await debuggerOf.send('Page.captureScreenshot', { format: 'webp', quality: 80 })
      writeFileSync(join(target, `${name}.webp`), Buffer.from(data, 'base64'))
    })
  } else {
    for (const [width, viewport] of [['wide', WIDE], ['narrow', NARROW]] as const) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await photograph({ viewport, colorScheme }, async (page, name) => { await page.screenshot({ path: join(target, `${name}-${colorScheme}-${width}.png`) }) })
      }
    }
  }
  console.log(`${pages.length} pages are in ${target}`)
} finally {
  await browser.close()
  await rows.farm.close()
  await stopTemporal()
}

async function photograph(options: BrowserContextOptions, take: (page: Page, name: string) => Promise<void>): Promise<void> {
  const context = await browser.newContext({ ...options, reducedMotion: 'reduce' })
  const page = await context.newPage()
  for (const { name, path } of pages) {
    await page.goto(`${rows.farm.api.url}/ui${path}`)
    await settled(page)
    await take(page, name)
  }
  await context.close()
}
