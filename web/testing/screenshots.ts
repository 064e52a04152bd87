/**
 * Screenshots of every page, light and dark, wide and narrow: `npm run screenshots [FOLDER] [NAME…]`. On a farm of rows, so that there is
 * something of everything; what is committed for the docs was made by it.
 */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { stopTemporal } from '../../api/testing/api.ts'
import { startBrowser } from './browser.ts'
import { everyPage, settled } from './every-page.ts'
import { startFarmOfRows } from './farm.ts'

const [folder = 'screenshots', ...names] = process.argv.slice(2)
const target = resolve(process.env['INIT_CWD'] ?? process.cwd(), folder)
mkdirSync(target, { recursive: true })
const browser = await startBrowser()
const rows = await startFarmOfRows()
try {
  const pages = everyPage(rows).filter(({ name }) => names.length === 0 || names.includes(name))
  for (const [width, viewport] of Object.entries({ wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } })) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await browser.newContext({ viewport, colorScheme, reducedMotion: 'reduce' })
      const page = await context.newPage()
      for (const { name, path } of pages) {
        await page.goto(`${rows.farm.api.url}/ui${path}`)
        await settled(page)
        await page.screenshot({ path: join(target, `${name}-${colorScheme}-${width}.png`) })
      }
      await context.close()
    }
  }
  console.log(`${pages.length * 4} screenshots in ${target}`)
} finally {
  await browser.close()
  await rows.farm.close()
  await stopTemporal()
}
