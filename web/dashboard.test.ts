/** The dashboard in Chromium, on the real API over a database with rows as workers write them. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { stopTemporal } from '../api/testing/api.ts'
import { addLogChunk } from '../state/logs.ts'
import { startBrowser, watchForErrors } from './testing/browser.ts'
import { type Rows, startFarmOfRows } from './testing/farm.ts'

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
    page.setDefaultTimeout(20_000)
    errors = watchForErrors(page)
  })
  after(async () => {
    assert.deepEqual(errors, [])
    await browser?.close()
    await rows?.farm.close()
    await stopTemporal()
  })

  it('leads from the overview to the failing line of the failing dependency in one click', async () => {
    await open('/')
    await page.getByRole('region', { name: 'What is broken' }).getByRole('link', { name: 'openssl-3.0.15' }).click()
    await page.locator('.notice.failed').waitFor()
    await page.locator('.log-line.here .ansi-red').filter({ hasText: 'error:' }).waitFor()
    assert.doesNotMatch(page.url(), /line=/)
  })

  it('finds in a log', async () => {
    await open(`/builds/${rows.leaf}`)
    await page.getByRole('searchbox', { name: 'Search in the log' }).fill('crypto/file42.c')
    await page.getByRole('button', { name: 'Next match' }).click()
    await page.locator('.log-line.here').filter({ hasText: 'crypto/file42.c' }).waitFor()
    assert.match(page.url(), /line=43/)
    await page.getByRole('button', { name: 'Failing line' }).click()
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
    await open(`/builds/${rows.running}`)
    const log = page.getByRole('region', { name: /^Log of/ })
    await log.getByText('checking whether it works... yes').waitFor()
    const { rows: [attempt] } = await sql<{ id: number; position: number }>`select a.id, (select max(position + length(content)) from log_chunk where attempt_id = a.id)::int as position from attempt a where node_id = ${rows.running}`.execute(db)
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

  it('leads from a project by its jobset and a job\'s history to a store path, and on along its references', async () => {
    await open('/')
    await page.getByRole('link', { name: 'Ice', exact: true }).click()
    await page.getByText('Everything that is cold.').waitFor()
    await page.getByRole('link', { name: 'trunk', exact: true }).click()
    await page.getByText('The newest of everything.').waitFor()
    await page.getByRole('region', { name: 'Definition' }).getByText('https://git.example.org/ice').waitFor()
    const evaluations = page.getByRole('region', { name: 'Evaluations' }).getByRole('listitem')
    await evaluations.nth(7).waitFor()
    assert.equal(await page.getByRole('list', { name: 'Evaluations over time' }).getByRole('link').count(), 8)
    await evaluations.nth(0).getByRole('link').click()
    await page.getByRole('row').filter({ hasText: 'firn-tools' }).waitFor()
    const history = page.getByRole('link', { name: 'History of curl' })
    await history.focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(/projects\/ice\/trunk\/jobs\/curl$/)
    await page.getByRole('heading', { name: 'curl', level: 1 }).waitFor()
    assert.deepEqual(await page.locator('main .rows .state').allTextContents(), Array.from({ length: 5 }, () => 'failed'))
    await page.locator('main .rows').getByRole('link', { name: 'curl', exact: true }).first().click()
    await page.locator('.notice.failed').getByRole('link', { name: 'openssl-3.0.15' }).waitFor()

    await open(`/evaluations/${rows.evaluation}?q=firn-tools`)
    await page.getByRole('link', { name: 'firn-tools', exact: true }).click()
    await page.locator('.outputs').getByRole('link', { name: /firn-tools/ }).click()
    await page.waitForURL(/\/store\//)
    await page.getByRole('link', { name: 'bin/' }).click()
    await page.getByRole('link', { name: 'firn-melt' }).click()
    await page.getByText('echo melting').waitFor()
    assert.match(page.url(), /at=bin%2Ffirn-melt/)
    await page.getByRole('list', { name: 'Paths of the closure by size' }).getByRole('link', { name: /glacier/ }).waitFor()
    await page.getByRole('region', { name: 'References (1)' }).getByRole('link', { name: /glacier/ }).click()
    await page.getByRole('region', { name: 'Referrers (1)' }).getByRole('link', { name: /firn-tools/ }).click()
    await page.getByRole('heading', { name: 'firn-tools-2.3', level: 1 }).waitFor()
    // who made it, and back to the build
    await page.locator('.facts').getByRole('link', { name: /firn-tools-2\.3 \(/ }).click()
    await page.waitForURL(/\/builds\//)
  })

  it('loads little, and asks for nothing while nothing happens', async (test) => {
    const own = await (await browser.newContext()).newPage()
    let scripts = 0
    let requests = 0
    own.on('requestfinished', (request) => {
      if (request.resourceType() === 'script') request.sizes().then(({ responseBodySize }) => { scripts += responseBodySize }, () => undefined)
    })
    await own.goto(`${rows.farm.api.url}/ui/`)
    await own.getByRole('region', { name: 'What is broken' }).getByRole('link', { name: 'openssl-3.0.15' }).waitFor()
    await own.waitForTimeout(300)
    test.diagnostic(`${Math.round(scripts / 1000)} KB of compressed script`)
    assert.ok(scripts > 10_000 && scripts < 250_000, `${scripts} bytes of compressed script`)
    // pages that were not opened yet come after two seconds; events would have come on a stream that is open already
    await own.waitForTimeout(2500)
    own.on('request', () => { requests++ })
    await own.waitForTimeout(3000)
    assert.equal(requests, 0, 'nothing is polled')
    await own.context().close()
  })

  it('is used by keys alone', async () => {
    await open('/')
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await page.keyboard.press('g')
    await page.keyboard.press('q')
    await page.getByRole('heading', { name: 'Queue' }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('openssl')
    await page.keyboard.press('Enter')
    await page.getByRole('region', { name: 'Builds' }).getByRole('link', { name: 'openssl-3.0.15', exact: true }).waitFor()
    await page.locator('main h1').click()
    await page.keyboard.press('?')
    const dialog = page.getByRole('dialog')
    await dialog.waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
  })
})
