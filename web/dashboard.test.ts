/** The dashboard in Chromium, on the real API over a database with rows as workers write them. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { stopTemporal } from '../api/testing/api.ts'
import { addLogChunk } from '../state/logs.ts'
import { expectNoViolations } from './testing/axe.ts'
import { startBrowser, watchForErrors } from './testing/browser.ts'
import { addManyJobs, type Rows, startFarmOfRows } from './testing/farm.ts'

describe('the dashboard', () => {
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let rows: Rows
  let errors: string[]
  const open = async (path: string): Promise<void> => { await page.goto(`${rows.farm.api.url}/ui${path}`) }
  before(async () => {
    browser = await startBrowser()
    rows = await startFarmOfRows()
    context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    page = await context.newPage()
    page.setDefaultTimeout(60_000)
    errors = watchForErrors(page)
  })
  after(async () => {
    await browser?.close()
    await rows?.farm.close()
    await stopTemporal()
  })

  it('leads from the overview to the failing line of the failing dependency in two clicks', async () => {
    await open('/')
    await page.getByRole('region', { name: 'What is broken' }).getByRole('link', { name: 'openssl-3.0.15' }).click()
    await page.locator('.notice.failed').waitFor()
    await page.getByRole('region', { name: /^Log of/ }).getByText('make: *** [all] Error 2').waitFor()
    await page.getByRole('searchbox', { name: 'Search in the log' }).fill('undefined reference')
    await page.getByRole('button', { name: 'Next match' }).click()
    await page.locator('.log-line.here .ansi-red').filter({ hasText: 'error:' }).waitFor()
    assert.match(page.url(), /line=2701/)
  })

  it('names the dependency at fault on the page of what depends on it', async () => {
    await open(`/builds/${rows.top}`)
    const notice = page.locator('.notice.failed')
    await notice.getByRole('link', { name: 'openssl-3.0.15' }).waitFor()
    assert.match((await notice.textContent())!, /make: \*\*\* \[all\] Error 2/)
  })

  it('shows what a build writes as it writes it', async () => {
    const { db } = rows.farm.dependencies.database
    await open(`/builds/${rows.leaf}`)
    const log = page.getByRole('region', { name: /^Log of/ })
    await log.getByText('make: *** [all] Error 2').waitFor()
    const { rows: [attempt] } = await sql<{ id: number; position: number }>`select a.id, (select max(position + length(content)) from log_chunk where attempt_id = a.id)::int as position from attempt a where node_id = ${rows.leaf}`.execute(db)
    await addLogChunk(db, attempt!.id, 1, attempt!.position, Buffer.from('one more line\n'))
    await log.getByText('one more line').waitFor()
  })

  it('changes as events come, without being asked', async () => {
    const { db } = rows.farm.dependencies.database
    await open(`/evaluations/${rows.evaluation}`)
    const row = page.getByRole('row').filter({ hasText: 'linux.arm' })
    await row.getByText('queued').waitFor()
    await page.waitForTimeout(500)
    const { rows: [node] } = await sql<{ id: number }>`update node set state = 'running', started_at = now() where name = 'linux-6.6' returning id`.execute(db)
    await sql`insert into event (node_id, kind, data) values (${node!.id}, 'build.started', '{"name": "linux-6.6"}')`.execute(db)
    await sql`notify firn_event`.execute(db)
    await row.getByText('running').waitFor()
  })

  it('keeps what it shows in the address', async () => {
    await open(`/evaluations/${rows.evaluation}`)
    await page.getByRole('button', { name: /^Failed/ }).click()
    await page.waitForURL(/state=failed/)
    await page.getByRole('row').filter({ hasText: 'curl' }).waitFor()
    await page.reload()
    await page.getByRole('row').filter({ hasText: 'curl' }).waitFor()
    assert.deepEqual(await page.getByRole('navigation', { name: 'Parts of the evaluation' }).locator('[aria-current]').allTextContents(), [await page.getByRole('link', { name: /^Jobs/ }).textContent()])
    await page.getByRole('row').filter({ hasText: 'curl' }).waitFor()
    assert.equal(await page.getByRole('row').filter({ hasText: 'hello' }).count(), 0)
  })

  it('says why something is queued, and what to do about it', async () => {
    await open('/queue')
    await page.getByText('waits for gcc-13.3.0 (running)').waitFor()
  })

  it('says so when the farm can\'t be heard, and goes on by itself', async () => {
    const known = errors.length
    await page.route('**/api/v1/events', (route) => route.abort())
    await open('/')
    const banner = page.getByText('The farm can’t be heard.')
    await banner.waitFor()
    await page.unroute('**/api/v1/events')
    await banner.waitFor({ state: 'detached' })
    errors.length = known
  })

  it('is quick with 20,000 jobs of which 5,000 run', async () => {
    const id = await addManyJobs(rows, 20_000, 5000)
    await open(`/evaluations/${id}`)
    const table = page.getByLabel('20,000 jobs')
    await table.getByText('pkgs.package000001').waitFor()
    const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]!.startTime)
    await page.evaluate(() => {
      const long: number[] = []
      Object.assign(window, { long })
      new PerformanceObserver((list) => long.push(...list.getEntries().map((entry) => entry.duration))).observe({ entryTypes: ['longtask'] })
    })
    await table.evaluate(async (element) => {
      for (let step = 1; step <= 40; step++) {
        element.scrollTop = step * 4000
        await new Promise((resolve) => { setTimeout(resolve, 30) })
      }
      element.scrollTop = element.scrollHeight
    })
    await table.getByText('pkgs.package020000').waitFor()
    await page.getByRole('searchbox', { name: 'Filter by name' }).fill('package01999')
    await page.getByText('pkgs.package019999').waitFor()
    const long = await page.evaluate(() => (window as unknown as { long: number[] }).long)
    console.log(`first contentful paint ${Math.round(paint)} ms, long tasks ${JSON.stringify(long.map(Math.round))}`)
    assert.ok(await page.getByRole('row').count() < 100, 'only what is on the screen is in the document')
    await open(`/evaluations/${id}?tab=timeline`)
    await page.getByRole('group', { name: 'Builds over time' }).getByRole('link').first().waitFor()
  })

  it('has helpful empty pages, no serious violation, and nothing that sticks out: light and dark, wide and narrow', async () => {
    const pages: readonly (readonly [string, string])[] = [
      ['overview', '/'], ['evaluations', '/evaluations'], ['evaluation', `/evaluations/${rows.evaluation}`], ['failures', `/evaluations/${rows.evaluation}?tab=errors`], ['graph', `/evaluations/${rows.evaluation}?tab=graph`],
      ['timeline', `/evaluations/${rows.evaluation}?tab=timeline`], ['changes', `/evaluations/${rows.evaluation}?tab=changes&against=2`], ['inputs', `/evaluations/${rows.evaluation}?tab=inputs`], ['build', `/builds/${rows.leaf}`], ['attempts', `/builds/${rows.leaf}?tab=details`],
      ['queue', '/queue'], ['workers', '/workers'], ['search', '/search?q=curl'], ['settings', '/settings'], ['missing', '/evaluations/99999'],
    ]
    for (const [name, path] of pages) {
      await page.emulateMedia({ colorScheme: 'light' })
      await page.setViewportSize({ width: 1280, height: 800 })
      await open(path)
      await page.getByRole('heading', { level: 1 }).or(page.getByText('There is no such evaluation.')).first().waitFor()
      await page.waitForTimeout(350)
      await expectNoViolations(page, name)
      await page.emulateMedia({ colorScheme: 'dark' })
      await page.setViewportSize({ width: 390, height: 844 })
      await expectNoViolations(page, `${name}-dark-narrow`)
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `nothing sticks out of ${name}`)
    }
    assert.deepEqual(errors.filter((error) => !/404/.test(error)), [])
  })
})
