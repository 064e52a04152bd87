/**
 * The dashboard in Chromium on a whole farm: a log that arrives, a failing dependency found and run again, evaluations compared, every page,
 * tokens. With FIRN_DOCS_IMAGES=true it also takes the pictures of the docs.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import type { Evaluation, Job } from '../../contract/api.ts'
import { expectNoViolations } from '../../web/testing/axe.ts'
import { startBrowser, watchForErrors } from '../../web/testing/browser.ts'
import { everyPage, settled } from '../../web/testing/every-page.ts'
import { photographForDocs } from '../../web/testing/photograph.ts'
import { type RunningFirn, startFirn } from '../support/firn.ts'

const DOCS_PAGES = ['overview', 'build', 'evaluation', 'changes', 'store-path']
/** Nothing waits by then, the library that failed needs nothing, nothing refers to the program, and no token was made. */
const EMPTY_PAGES = ['queue', 'build-graph', 'store-path', 'store-file', 'tokens', 'missing']
const MIRRORED = 'what the mirror has\n'
const release = (mirror: string): string => `{ src, ... }:
let
  run = name: script: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; };
  library = run "library" (builtins.readFile ./library.sh);
  source = derivation {
    name = "source.txt"; system = "builtin"; builder = "builtin:fetchurl"; url = "${mirror}/source.txt";
    outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "${createHash('sha256').update(MIRRORED).digest('hex')}";
  };
in {
  inherit library;
  program = run "program" "echo program \${library} > $out";
  tests = run "tests" "echo tests \${library} > $out";
  archive = run "archive" "read line < \${source}; echo $line > $out";
  slow = run "slow" "for i in 0 1 2 3 4 5 6 7; do echo step $i; sleep 0.3; done; echo slow > $out";
}
`
const FINE = 'echo library > $out'
const BROKEN = `i=0; while [ $i -lt 1500 ]; do echo "cc -c file$i.c"; i=$((i+1)); done
echo "library.c:41: error: undefined reference to glacier"
i=0; while [ $i -lt 60 ]; do echo "cleaning up $i"; i=$((i+1)); done
echo "make: *** [all] Error 2"
exit 2
`

describe('the dashboard on a whole farm', { timeout: 240_000 }, () => {
  let firn: RunningFirn
  let browser: Browser
  let page: Page
  let errors: string[]
  let repository: string
  let mirror: Server
  let mirrorHasIt = false
  const open = async (path: string): Promise<void> => { await page.goto(`${firn.url}/ui${path}`) }
  const commit = (files: Readonly<Record<string, string>>): void => {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(repository, name), content)
    const git = (...words: string[]): void => { execFileSync('git', ['-c', 'user.name=Test', '-c', 'user.email=test@example.org', ...words], { cwd: repository }) }
    git('add', '--all')
    git('commit', '--quiet', '--message', 'a change')
  }
  const send = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(firn.url + path, { method, headers: { 'content-type': 'application/json' }, ...(body !== undefined && { body: JSON.stringify(body) }) })
    const text = await response.text()
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`)
    return JSON.parse(text) as unknown
  }
  const newestEvaluation = async (after: number): Promise<Evaluation> => {
    for (const until = Date.now() + 60_000; Date.now() < until; await sleep(100)) {
      const { items } = await send('GET', '/api/v1/evaluations?limit=1') as { items: Evaluation[] }
      if (items[0] && items[0].id > after) return items[0]
    }
    throw new Error(`no evaluation came after ${after}`)
  }

  before(async () => {
    [firn, browser] = await Promise.all([startFirn({ settings: { 'evaluator.allowedUris': 'file:///' } }), startBrowser()])
    page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage()
    page.setDefaultTimeout(30_000)
    errors = watchForErrors(page)
    repository = join(firn.home, 'repository')
    mkdirSync(repository)
    execFileSync('git', ['init', '--quiet', '--initial-branch=main'], { cwd: repository })
    mirror = createServer((_request, response) => { response.writeHead(mirrorHasIt ? 200 : 404).end(mirrorHasIt ? MIRRORED : 'no such file') })
    await new Promise<void>((resolve) => { mirror.listen(0, '127.0.0.1', resolve) })
  })
  after(async () => {
    await browser?.close()
    await firn?.stop()
    mirror?.close()
    mirror?.closeAllConnections()
  })

  it('an empty farm says what to do first', async () => {
    await open('/')
    await page.getByText('Nothing was evaluated yet.').waitFor()
    await page.getByText('firn build -f default.nix').waitFor()
    await expectNoViolations(page, 'the overview of an empty farm')
    await open('/queue')
    await page.locator('.empty-title').waitFor()
    await open('/workers')
    await page.getByText('Idle.').waitFor()
  })

  it('a log arrives line by line while its build runs', async () => {
    commit({ 'release.nix': release(`http://127.0.0.1:${(mirror.address() as AddressInfo).port}`), 'library.sh': FINE })
    await send('PUT', '/api/v1/projects/ice', { displayName: 'Ice' })
    await send('PUT', '/api/v1/projects/ice/jobsets/trunk', { source: { kind: 'expression', input: 'src', file: 'release.nix' }, inputs: { src: { kind: 'git', url: `file://${repository}`, ref: 'main' } } })
    await open('/projects/ice/trunk')
    await page.getByText('It was never evaluated.').or(page.getByRole('link', { name: /#1|ice:trunk/ })).first().waitFor()
    await page.getByRole('button', { name: 'Look for changes now' }).click()
    const { id } = await newestEvaluation(0)
    await open(`/evaluations/${id}?q=slow`)
    await page.getByRole('row').filter({ hasText: 'slow' }).getByRole('link', { name: 'slow', exact: true }).click()
    const log = page.getByRole('region', { name: 'Log of slow' })
    await log.getByText('step 0', { exact: true }).waitFor()
    await expectNoViolations(page, 'a build that runs')
    await page.getByText('running').or(page.getByText('succeeded')).first().waitFor()
    await log.getByText('step 7', { exact: true }).waitFor()
    await page.locator('.facts-line').getByText('succeeded').waitFor()
  })

  it('a failed dependency is run again from the page of what depends on it, and the dependents turn green', async () => {
    const { id } = await newestEvaluation(0)
    await open(`/evaluations/${id}`)
    const archive = page.getByRole('row').filter({ hasText: 'archive' })
    await archive.getByText('failed', { exact: true }).waitFor()
    await archive.getByRole('link', { name: 'source.txt', exact: true }).waitFor()
    const watching = await page.context().newPage()
    await watching.goto(page.url())
    await watching.getByRole('row').filter({ hasText: 'archive' }).getByText('failed', { exact: true }).waitFor()
    await archive.getByRole('link', { name: 'archive', exact: true }).click()
    await page.getByText('Its input').waitFor()
    await expectNoViolations(page, 'a build whose input failed')
    mirrorHasIt = true
    await page.getByRole('button', { name: 'Run the failed input again' }).click()
    await page.locator('.facts-line').getByText('succeeded').waitFor()
    // another tab hears of it by events
    await watching.getByRole('row').filter({ hasText: 'archive' }).getByText('succeeded').waitFor()
    await watching.locator('.facts-line').getByText('succeeded').waitFor()
    await watching.close()
  })

  it('leads from the overview to the line where the failing dependency failed in two clicks', async () => {
    const before = await newestEvaluation(0)
    commit({ 'library.sh': BROKEN })
    await send('POST', '/api/v1/projects/ice/jobsets/trunk/evaluate', {})
    const { id } = await newestEvaluation(before.id)
    await open(`/evaluations/${id}`)
    await page.locator('.facts-line').getByText('failed').waitFor()
    await open('/')
    let clicks = 0
    const click = async (name: string, place = page.locator('main')): Promise<void> => {
      clicks++
      await place.getByRole('link', { name, exact: true }).first().click()
    }
    await click('library', page.getByRole('region', { name: 'What is broken' }))
    const line = page.locator('.log-line[aria-current]')
    await line.waitFor()
    assert.equal(await line.locator('code').textContent(), 'library.c:41: error: undefined reference to glacier')
    assert.ok(await line.evaluate((element) => {
      const { top, bottom } = element.getBoundingClientRect()
      const around = element.closest('.log-lines')!.getBoundingClientRect()
      return top >= around.top && bottom <= around.bottom && around.top < innerHeight
    }), 'the line is on the screen')
    await expectNoViolations(page, 'a failed build at its line')
    assert.ok(clicks <= 3, `${clicks} clicks`)

    // by way of the job that somebody asks about: overview, evaluation, dependency
    await open('/')
    clicks = 0
    await page.locator(`main a[href="/ui/evaluations/${id}"]`).first().click()
    clicks++
    await page.getByRole('row').filter({ hasText: 'program' }).getByRole('link', { name: 'library', exact: true }).click()
    clicks++
    await line.waitFor()
    assert.match((await line.textContent())!, /undefined reference to glacier/)
    assert.ok(clicks <= 3, `${clicks} clicks`)
  })

  it('compares evaluations', async () => {
    const { id } = await newestEvaluation(0)
    await open(`/evaluations/${id}`)
    await page.getByRole('link', { name: 'Changes' }).click()
    await page.getByRole('button', { name: /^Newly failing\s*3$/ }).click()
    await page.waitForURL(/change=newly-failing/)
    await expectNoViolations(page, 'changes')
    for (const name of ['library', 'program', 'tests']) await page.locator('.change-row').filter({ hasText: name }).first().waitFor()
    await page.getByRole('button', { name: /^Still succeeding\s*2$/ }).click()
    await page.locator('.change-row').filter({ hasText: 'slow' }).waitFor()
  })

  it('shows the project, the jobset, the job and the store path', async () => {
    await open('/')
    await page.getByRole('link', { name: 'Ice', exact: true }).click()
    await page.getByRole('link', { name: 'trunk', exact: true }).click()
    await page.getByRole('region', { name: 'Evaluations' }).getByRole('listitem').nth(1).waitFor()
    await expectNoViolations(page, 'a jobset')
    const { items } = await send('GET', '/api/v1/evaluations?limit=10') as { items: Evaluation[] }
    await open(`/evaluations/${items[0]!.id}`)
    await page.getByRole('link', { name: 'History of program' }).focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/jobs\/program$/)
    await page.locator('main .rows .state').nth(1).waitFor()
    await expectNoViolations(page, 'a job')
    assert.deepEqual(await page.locator('main .rows .state').allTextContents(), ['failed', 'succeeded'])
    await page.getByRole('listitem').nth(1).getByRole('link', { name: 'program' }).click()
    await page.locator('.outputs').getByRole('link').click()
    await page.waitForURL(/\/store\/[0-9a-z]{32}-program$/)
    await page.getByRole('region', { name: 'References (1)' }).getByRole('link', { name: /library/ }).waitFor()
    await page.getByRole('list', { name: 'Paths of the closure by size' }).getByRole('link', { name: /library/ }).waitFor()
    await page.getByText(/^program \/nix\/store/).waitFor()
    await expectNoViolations(page, 'a store path')
    await page.getByRole('region', { name: 'References (1)' }).getByRole('link', { name: /library/ }).click()
    await page.getByRole('region', { name: /^Referrers/ }).getByRole('link', { name: /program/ }).waitFor()
  })

  it('every page shows what there is, and has no serious violation', async () => {
    const { id } = await newestEvaluation(0)
    const { items: failed } = await send('GET', '/api/v1/builds?state=failed&limit=10') as { items: { id: number; name: string }[] }
    const { items: jobs } = await send('GET', '/api/v1/evaluations/1/jobs?limit=10') as { items: Job[] }
    const path = jobs.find(({ attr }) => attr === 'program')!.outputs!['out']!.slice('/nix/store/'.length)
    const pages = everyPage({ evaluation: id, leaf: failed.find(({ name }) => name === 'library')!.id, path, job: 'program' })
    for (const { name, path } of pages) {
      const known = errors.length
      await open(path)
      await settled(page)
      await expectNoViolations(page, name)
      const empty = await page.locator('.empty-title').allTextContents()
      assert.equal(empty.length, EMPTY_PAGES.includes(name) ? 1 : 0, `${name} has something to show: ${empty.join(', ')}`)
      if (name === 'missing') errors.length = known
    }
    if (process.env['FIRN_DOCS_IMAGES'] === 'true') await photographForDocs(browser, firn.url, pages.filter(({ name }) => DOCS_PAGES.includes(name)), join(import.meta.dirname, '../../docs/images'))
  })

  it('makes a token, signs in with it and out, and revokes it', async () => {
    await open('/settings')
    await page.getByRole('link', { name: 'Tokens of this farm' }).click()
    await page.getByText('There is no token yet.').waitFor()
    await page.getByLabel('What it is for').fill('my laptop')
    await page.getByRole('checkbox', { name: /^restart/ }).check()
    await page.getByRole('button', { name: 'Make the token' }).click()
    const text = (await page.locator('.notice code').textContent())!
    assert.match(text, /^firn_[A-Za-z0-9_-]{43}$/)
    await page.locator('.token-row').getByText('read, restart').waitFor()
    await expectNoViolations(page, 'tokens')

    await open('/settings')
    await page.getByLabel('Token', { exact: true }).fill(text)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText(`…${text.slice(-4)}`).waitFor()
    const refused = errors.length
    await open('/tokens')
    await page.getByText('You may not see tokens.').waitFor()
    await page.getByText(/lacks the scope 'administer'/).waitFor()
    errors.length = refused
    await open('/settings')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Token', { exact: true }).waitFor()

    await send('PUT', '/api/v1/users/ada', { displayName: 'Ada', password: 'correct horse battery' })
    await open('/settings')
    await page.getByLabel('Name', { exact: true }).fill('ada')
    await page.getByLabel('Password', { exact: true }).fill('correct horse battery')
    await page.getByRole('button', { name: 'Sign in' }).first().click()
    await page.getByRole('link', { name: 'You are Ada' }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Password', { exact: true }).waitFor()

    await open('/tokens')
    await page.getByRole('button', { name: 'Revoke my laptop' }).click()
    await page.getByRole('button', { name: 'Revoke it' }).click()
    await page.getByText('There is no token yet.').waitFor()
    await page.getByRole('button', { name: /^Ended/ }).click()
    await page.locator('.token-row').getByText('my laptop').waitFor()
    assert.match(page.url(), /show=ended/)
    assert.deepEqual(errors, [])
  })
})
