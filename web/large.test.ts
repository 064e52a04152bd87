/** Large things in the dashboard: 20,000 jobs, thousands of events a second, logs of which only a part is ever fetched. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { stopTemporal } from '../api/testing/api.ts'
import { startBrowser, watchForErrors } from './testing/browser.ts'
import { addManyJobs, type Rows, startFarmOfRows } from './testing/farm.ts'
import { addFinishedLog, addGrowingLog } from './testing/logs.ts'
import { mebibytes, watchTraffic } from './testing/measure.ts'
import { readLargeLog, sendEvents, useLargeTable } from './testing/scenarios.ts'

const JOBS = 20_000
const RUNNING = 5000

describe('large things in the dashboard', () => {
  let browser: Browser
  let rows: Rows
  let page: Page
  let errors: string[]
  let evaluation: number
  before(async () => {
    [browser, rows] = await Promise.all([startBrowser(), startFarmOfRows()])
    page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage()
    page.setDefaultTimeout(60_000)
    errors = watchForErrors(page)
    evaluation = await addManyJobs(rows, JOBS, RUNNING)
  })
  after(async () => {
    await browser?.close()
    await rows?.farm.close()
    await stopTemporal()
  })

  it('of 20,000 jobs, only those on the screen are in the document', async (test) => {
    const figures = await useLargeTable(page, `${rows.farm.api.url}/ui/evaluations/${evaluation}`, JOBS)
    test.diagnostic(`first paint ${Math.round(figures.paint)} ms; tasks over 50 ms: scrolling ${figures.scrolling.join(', ') || 'none'}, filtering ${figures.filtering.join(', ') || 'none'}`)
    assert.ok(figures.rows < 100, `${figures.rows} rows at once`)
    await page.goto(`${rows.farm.api.url}/ui/evaluations/${evaluation}?tab=timeline`)
    const bars = page.getByRole('group', { name: 'Builds over time' }).getByRole('link')
    await bars.first().waitFor()
    assert.ok(await bars.count() < 100)
  })

  it('a page costs the same after thousands of events as after one', async (test) => {
    await page.goto(`${rows.farm.api.url}/ui/evaluations/${evaluation}`)
    await page.getByLabel('20,000 jobs').getByText('pkgs.package000001').waitFor()
    const { events, seconds, requests, before: first, after: last } = await sendEvents(rows, page, evaluation, 6)
    test.diagnostic(`${events} events in ${seconds.toFixed(1)} s: ${requests} requests; heap ${mebibytes(first.heap)}, then ${mebibytes(last.heap)}; nodes ${first.nodes}, then ${last.nodes}`)
    assert.ok(requests < seconds * 4, `${requests} requests in ${seconds} s: answers are asked for about once a second, however many events come`)
    assert.ok(last.nodes < first.nodes * 1.3 + 500, `${first.nodes} nodes before, ${last.nodes} after`)
    assert.ok(last.heap < first.heap + 12 * 2 ** 20, `${first.heap} bytes before, ${last.heap} after`)
  })

  it('of a finished log, what is looked at is fetched: its failing line, what was searched for, its end', async (test) => {
    const log = await addFinishedLog(rows.farm, 80_000_000)
    const figures = await readLargeLog(page, rows.farm.api.url, log)
    for (const [what, { bytes, milliseconds }] of Object.entries(figures)) {
      test.diagnostic(`${what}: ${mebibytes(bytes)} of ${mebibytes(log.bytes)} in ${Math.round(milliseconds)} ms`)
      assert.ok(bytes > 0 || what === 'ended', `${what}: something was counted`)
      assert.ok(bytes < 1_000_000, `${what}: ${bytes} bytes were fetched`)
    }
    // lines are linked by number, also in the other half
    await page.goto(`${rows.farm.api.url}/ui/builds/${log.build}?line=${log.needle + 1}`)
    await page.locator('.log-line.here').filter({ hasText: 'the needle in the haystack' }).waitFor()
  })

  it('a growing log is followed at its end without the rest of it', async () => {
    const log = await addGrowingLog(rows.farm, 20_000_000)
    const traffic = watchTraffic(page)
    await page.goto(`${rows.farm.api.url}/ui/builds/${log.build}`)
    const region = page.getByRole('region', { name: /^Log of/ })
    await region.getByText(`[${log.lines - 1}]`).waitFor()
    for (let line = 0; line < 5; line++) {
      await log.append(`a new line, number ${line}\n`)
      await region.getByText(`a new line, number ${line}`).waitFor()
    }
    await page.waitForTimeout(300)
    assert.ok(traffic.bytes > 0 && traffic.bytes < 1_000_000, `${traffic.bytes} of ${log.bytes} bytes were fetched`)
    assert.deepEqual(errors, [])
  })
})
