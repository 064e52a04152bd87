/**
 * Screenshots of every page, light and dark, wide and narrow: `npm run screenshots [FOLDER] [NAME…]`. On a farm of rows, so that there is
 * something of everything. Those of the docs are taken by the test of the dashboard on a whole farm (test/farm/dashboard.test.ts).
 */
import { resolve } from 'node:path'
import { stopTemporal } from '../../api/testing/api.ts'
import { startBrowser } from './browser.ts'
import { everyPage } from './every-page.ts'
import { startFarmOfRows } from './farm.ts'
import { photographAll } from './photograph.ts'

const [folder = 'screenshots', ...names] = process.argv.slice(2)
const target = resolve(process.env['INIT_CWD'] ?? process.cwd(), folder)
const browser = await startBrowser()
const rows = await startFarmOfRows()
try {
  const pages = everyPage(rows).filter(({ name }) => names.length === 0 || names.includes(name))
  await photographAll(browser, rows.farm.api.url, pages, target)
  console.log(`${pages.length} pages are in ${target}`)
} finally {
  await browser.close()
  await rows.farm.close()
  await stopTemporal()
}
