/** Each page of the dashboard, and each in trouble: accessible, nothing that sticks out, and a sentence that helps where there is nothing to see. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import type { Browser, Page } from 'playwright-core'
import { startTestApi, stopTemporal, type TestApi } from '../api/testing/api.ts'
import { addEvaluation } from '../api/testing/farm-rows.ts'
import { hashPassword } from '../api/access/passwords.ts'
import { createToken } from '../api/tokens.ts'
import { putUser } from '../state/users.ts'
import { PAGES } from '../infra/setup/pages.ts'
import { expectNoViolations } from './testing/axe.ts'
import { startBrowser, watchForErrors } from './testing/browser.ts'
import { everyPage, settled } from './testing/every-page.ts'
import { type Rows, startFarmOfRows } from './testing/farm.ts'
import { startWire, type Wire } from './testing/wire.ts'

const WIDE = { width: 1280, height: 800 }
const NARROW = { width: 390, height: 844 }

describe('each page of the dashboard', () => {
  let browser: Browser
  let page: Page
  let rows: Rows
  let closed: TestApi
  const opened = async (): Promise<Page> => {
    const one = await (await browser.newContext({ viewport: WIDE })).newPage()
    one.setDefaultTimeout(10_000)
    return one
  }
  before(async () => {
    [browser, rows] = await Promise.all([startBrowser(), startFarmOfRows()])
    closed = await startTestApi({ pages: PAGES, settings: { api: { access: 'token' } }, motion: rows.farm.dependencies.motion })
    page = await opened()
  })
  after(async () => {
    await browser?.close()
    await closed?.close()
    await rows?.farm.close()
    await stopTemporal()
  })

  it('has no serious violation, and nothing that sticks out: light and dark, wide and narrow', async () => {
    const errors = watchForErrors(page)
    for (const { name, path } of everyPage(rows)) {
      await page.emulateMedia({ colorScheme: 'light' })
      await page.setViewportSize(WIDE)
      await page.goto(`${rows.farm.api.url}/ui${path}`)
      await settled(page)
      await expectNoViolations(page, `${name}, light and wide`)
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `nothing sticks out of ${name}`)
      await page.emulateMedia({ colorScheme: 'dark' })
      await page.setViewportSize(NARROW)
      await expectNoViolations(page, `${name}, dark and narrow`)
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `nothing sticks out of ${name} on a phone`)
      if (name !== 'missing') assert.match(await page.title(), /. · Firn$/, `${name} has a title of its own`)
    }
    await page.setViewportSize(WIDE)
    assert.deepEqual(errors.filter((error) => !/evaluations\/99999/.test(error)), [])
  })

  it('says what to do on an empty farm', async () => {
    const empty = await startTestApi({ pages: PAGES, motion: rows.farm.dependencies.motion })
    try {
      for (const [path, sentence] of Object.entries({
        '/': /firn build -f default\.nix/,
        '/evaluations': /Nothing was evaluated yet\. Submit an expression/,
        '/queue': /Nothing waits\. Whatever is wanted runs already/,
        '/workers': /No worker has ever joined\. firn up starts one/,
        '/search': /Search everything that has a name/,
        '/search?q=snow': /Nothing is called “snow”/,
        '/tokens': /There is no token yet\. Make one above/,
        '/projects/ice': /There is no such project/,
        '/projects/ice/trunk': /There is no such jobset/,
        '/builds/1': /There is no such build/,
        '/store/00000000000000000000000000000000-x': /There is no such store path/,
        '/nowhere': /There is no such page/,
      })) {
        await page.goto(`${empty.api.url}/ui${path}`)
        await settled(page)
        assert.match(await sentences(page), sentence, path)
        await expectNoViolations(page, `${path} of an empty farm`)
      }
      assert.match(await (async () => {
        await page.goto(`${empty.api.url}/ui/`)
        await settled(page)
        return (await page.locator('.notice').textContent())!
      })(), /No worker is alive, so nothing is built/)
    } finally {
      await empty.close()
    }
  })

  it('says what is missing of an evaluation that failed as a whole', async () => {
    const { db } = rows.farm.dependencies.database
    const id = await addEvaluation(db, 'failed')
    await sql`update evaluation set error = 'error: syntax error, unexpected end of file', started_at = now(), ended_at = now() where id = ${id}`.execute(db)
    for (const [tab, sentence] of Object.entries({
      jobs: /This evaluation has no jobs\. It failed before it found one/,
      changes: /There is nothing to compare with/,
      errors: /No job failed: the evaluation did not get that far/,
      graph: /There is nothing to draw/,
      timeline: /Nothing has run/,
    })) {
      await page.goto(`${rows.farm.api.url}/ui/evaluations/${id}?tab=${tab}`)
      await settled(page)
      assert.match((await page.getByRole('alert').first().textContent())!, /The evaluation failed as a whole\.error: syntax error, unexpected end of file/)
      assert.match(await sentences(page), sentence, tab)
      await expectNoViolations(page, `${tab} of a failed evaluation`)
    }
  })

  describe('without a connection', () => {
    let wire: Wire
    let watched: Page
    before(async () => {
      wire = await startWire(rows.farm.api.url)
      watched = await opened()
    })
    after(() => wire.close())
    const banner = () => watched.getByText('The farm can’t be heard.')

    it('says so, keeps what it shows, opens others with a sentence, and goes on by itself', async () => {
      const { db } = rows.farm.dependencies.database
      await watched.goto(`${wire.url}/ui/evaluations/${rows.evaluation}`)
      const row = watched.getByRole('row').filter({ hasText: 'linux.arm' })
      await row.getByText('queued').waitFor()
      // pages that were not looked at yet are fetched when there is time
      await watched.waitForTimeout(2500)
      wire.cut()
      await banner().waitFor()
      assert.ok(await row.isVisible(), 'what was there stays')
      await expectNoViolations(watched, 'an evaluation without a connection')

      await watched.getByRole('link', { name: 'Workers', exact: true }).click()
      await watched.getByText('The farm does not answer. This page fills itself as soon as it does.').or(watched.getByText('The farm does not answer.')).first().waitFor()
      await expectNoViolations(watched, 'workers without a connection')
      await watched.goBack()
      await row.getByText('queued').waitFor()

      // what happens meanwhile is heard afterwards
      const { rows: [node] } = await sql<{ id: number }>`update node set state = 'running', started_at = now() where name = 'linux-6.6' returning id`.execute(db)
      await sql`insert into event (node_id, kind, data) values (${node!.id}, 'build.started', '{"name": "linux-6.6"}')`.execute(db)
      await wire.mend()
      await row.getByText('running').waitFor()
      await banner().waitFor({ state: 'detached' })
    })

    it('fills a page that was opened meanwhile', async () => {
      wire.cut()
      await banner().waitFor()
      await watched.getByRole('link', { name: 'Queue', exact: true }).click()
      await watched.getByText('The farm does not answer.').waitFor()
      await wire.mend()
      await watched.getByText('waits for gcc-13.3.0 (running)').waitFor()
      await banner().waitFor({ state: 'detached' })
    })

    it('says that a button did nothing', async () => {
      await watched.goto(`${wire.url}/ui/builds/${rows.leaf}`)
      await watched.getByRole('button', { name: 'Run again' }).waitFor()
      wire.cut()
      await banner().waitFor()
      await watched.getByRole('button', { name: 'Run again' }).click()
      await watched.locator('.action-error').getByText('The farm does not answer.').waitFor()
      await wire.mend()
      await banner().waitFor({ state: 'detached' })
    })

    it('goes on with a log where it was', async () => {
      const { db } = rows.farm.dependencies.database
      await watched.goto(`${wire.url}/ui/builds/${rows.running}`)
      const log = watched.getByRole('region', { name: /^Log of/ })
      await log.getByText('checking whether it works... yes').waitFor()
      wire.cut()
      await banner().waitFor()
      const { rows: [attempt] } = await sql<{ id: number; position: number }>`select a.id, (select max(position + length(content)) from log_chunk where attempt_id = a.id)::int as position from attempt a where node_id = ${rows.running}`.execute(db)
      await sql`insert into log_chunk (attempt_id, seq, position, content) values (${attempt!.id}, 1, ${attempt!.position}, ${Buffer.from('written while nobody could hear\n')})`.execute(db)
      await wire.mend()
      await log.getByText('written while nobody could hear').waitFor()
      assert.equal(await log.getByText('checking whether it works... yes').count(), 1, 'nothing twice')
    })
  })

  describe('without permission', () => {
    let wire: Wire
    before(async () => { wire = await startWire(closed.api.url) })
    after(() => wire.close())

    it('asks who you are, and shows itself to who says so', async () => {
      const { db } = closed.dependencies.database
      const { text } = await createToken(db, { name: 'reader', scopes: ['read'] })
      const stranger = await opened()
      for (const path of ['/', '/evaluations', '/evaluations/1', '/builds/1', '/queue', '/workers', '/search?q=x', '/projects/ice', '/projects/ice/trunk', '/projects/ice/trunk/jobs/x', '/store/00000000000000000000000000000000-x', '/tokens']) {
        await stranger.goto(`${closed.api.url}/ui${path}`)
        await stranger.getByText('This farm asks who you are.').first().waitFor()
        await expectNoViolations(stranger, `${path} for a stranger`)
      }
      await stranger.goto(`${closed.api.url}/ui/evaluations`)
      await stranger.getByLabel('Token', { exact: true }).fill('firn_wrong')
      await stranger.getByRole('button', { name: 'Sign in' }).click()
      await stranger.getByRole('alert').getByText(/token/).first().waitFor()
      await stranger.getByLabel('Token', { exact: true }).fill(text)
      await stranger.getByRole('button', { name: 'Sign in' }).click()
      await stranger.getByText('Nothing was evaluated yet.').waitFor()
    })

    it('says what a token lacks, where it is looked at and where a button is pressed', async () => {
      const { db } = closed.dependencies.database
      const { text } = await createToken(db, { name: 'another reader', scopes: ['read'] })
      const evaluation = await addEvaluation(db, 'building')
      const reader = await opened()
      await reader.goto(`${wire.url}/ui/settings`)
      await reader.getByLabel('Token', { exact: true }).fill(text)
      await reader.getByRole('button', { name: 'Sign in' }).click()
      await reader.getByText(`…${text.slice(-4)}`).waitFor()
      await reader.goto(`${wire.url}/ui/tokens`)
      await reader.getByText('You may not see tokens.').waitFor()
      assert.match(await sentences(reader), /lacks the scope 'administer'.*Ask an administrator of the farm/)
      await reader.goto(`${wire.url}/ui/evaluations/${evaluation}`)
      await reader.getByRole('button', { name: 'Cancel' }).click()
      await reader.getByRole('alert').getByText(/You may not do that: .*'restart'/).waitFor()

      // a farm that knows the token no more, as after it was revoked; the one before would believe it for ten seconds
      wire.cut()
      await wire.mend(rows.farm.api.url)
      await reader.getByText('The farm knows you no more: your token was ended').waitFor()
      await reader.getByText('This farm asks who you are.').first().waitFor()
      await expectNoViolations(reader, 'a page whose token is taken no more')
    })

    it('is signed in to with a name and a password, and out of', async () => {
      const { db } = closed.dependencies.database
      await putUser(db, 'ada', { displayName: 'Ada', email: null, administrator: true, disabled: false, password: await hashPassword('correct horse battery') })
      const ada = await opened()
      await ada.goto(`${closed.api.url}/ui/tokens`)
      await ada.getByText('This farm asks who you are.').waitFor()
      await expectNoViolations(ada, 'a farm with users for a stranger')
      await ada.getByLabel('Name', { exact: true }).fill('ada')
      await ada.getByLabel('Password', { exact: true }).fill('wrong')
      const signIn = ada.getByRole('button', { name: 'Sign in' })
      await signIn.click()
      await ada.getByRole('alert').getByText(/password/).waitFor()
      await ada.getByLabel('Password', { exact: true }).fill('correct horse battery')
      await signIn.click()
      await ada.getByRole('heading', { name: 'Tokens', level: 1 }).waitFor()
      await ada.getByRole('link', { name: 'You are Ada' }).click()
      await ada.getByText('You may do everything.').waitFor()
      await ada.getByText('Change your password').click()
      await ada.getByLabel('The one you have').fill('correct horse battery')
      await ada.getByLabel(/^The new one/).fill('another horse battery')
      await ada.getByRole('button', { name: 'Change it' }).click()
      await ada.getByText('It is changed.').waitFor()
      await expectNoViolations(ada, 'the settings of who signed in')
      // a session is the browser's, not the tab's
      await ada.reload()
      await ada.getByText('You are signed in as').waitFor()
      await ada.getByRole('button', { name: 'Sign out' }).click()
      await ada.getByLabel('Password', { exact: true }).waitFor()
      await ada.goto(`${closed.api.url}/ui/evaluations`)
      await ada.getByText('This farm asks who you are.').waitFor()
    })
  })
})

async function sentences(page: Page): Promise<string> {
  return (await page.locator('main .empty').allInnerTexts()).join(' ').replace(/\s+/g, ' ')
}
