/** The playground in Chromium, served as files only, beside stock Nix. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { expectNoViolations } from '../testing/axe.ts'
import { serveStatically, startBrowser, watchForErrors } from '../testing/browser.ts'
import { fragmentOf } from './share.ts'

/** A library as nixpkgs' is made: a fixpoint of itself, extensible, whose parts refer to each other through the result. */
const LIBRARY = `let
  fix = f: let x = f x; in x;
  makeExtensible = f: let self = f self // { extend = overlay: makeExtensible (final: let prev = f final; in prev // overlay final prev); }; in self;
  lib = makeExtensible (self: {
    trivial = { id = x: x; const = x: _: x; pipe = builtins.foldl' (x: f: f x); };
    lists = { range = first: last: builtins.genList (n: first + n) (last - first + 1); sum = builtins.foldl' (a: b: a + b) 0; };
    strings = { concat = builtins.concatStringsSep ""; optional = condition: text: if condition then text else ""; };
    attrsets = { mapNames = f: set: builtins.listToAttrs (map (name: { name = f name; value = set.\${name}; }) (builtins.attrNames set)); };
    inherit (self.lists) range sum;
    inherit (self.trivial) pipe;
    version = "\${self.codename}-1";
    codename = "firn";
  });
  extended = lib.extend (final: prev: { codename = "névé"; was = prev.codename; });
in`
const VALUE = `${LIBRARY} { inherit (extended) version was; total = extended.pipe 10 [ (extended.range 1) extended.sum ]; names = extended.attrsets.mapNames (n: "the-\${n}") { a = 1; b = 2; }; fixed = fix (x: { a = 1; b = x.a + 1; }); }`
const DERIVATION = `${LIBRARY} derivation { name = "lib-\${lib.version}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo \${toString (lib.range 1 20)} \${extended.version} > $out" ]; inherit (extended) version; source = builtins.toFile "source" (builtins.toJSON extended.lists.range.x or (lib.range 1 3)); }`

describe('the playground', () => {
  let browser: Browser
  let page: Page
  let errors: string[]
  let host: Awaited<ReturnType<typeof serveStatically>>
  before(async () => {
    host = await serveStatically()
    browser = await startBrowser()
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    page.setDefaultTimeout(10_000)
    errors = watchForErrors(page)
  })
  after(async () => {
    await browser?.close()
    await host?.close()
  })

  const open = async (text: string, system = 'x86_64-linux'): Promise<void> => {
    await page.goto('about:blank')
    await page.goto(`${host.url}/playground/${await fragmentOf({ files: { 'default.nix': text }, system })}`)
    await page.getByRole('status').filter({ hasText: / in [\d.]+ ms/ }).waitFor()
  }

  it('evaluates the fixpoint of a library', async () => {
    await open(VALUE)
    const shown = (await page.getByLabel('Value', { exact: true }).textContent())!
    const stock = execFileSync('nix-instantiate', ['--eval', '--strict', '--json', '-E', VALUE], { encoding: 'utf8', env: { ...process.env, NIX_REMOTE: 'dummy://' } })
    const expected = JSON.parse(stock) as { version: string; total: number }
    assert.equal(expected.version, 'névé-1')
    for (const part of [`version = "${expected.version}";`, `total = ${expected.total};`, 'was = "firn";', 'the-a = 1;', 'fixed = { a = 1; b = 2; };']) assert.ok(shown.includes(part), `${part} in ${shown}`)
  })

  it('shows the derivation path that stock Nix gives, and its ATerm', async () => {
    await open(DERIVATION)
    await page.getByRole('tab', { name: 'Derivations' }).click()
    const article = page.getByRole('article')
    const stock = execFileSync('nix-instantiate', ['--eval', '--strict', '--json', '-E', `with { package = ${DERIVATION}; }; { drvPath = builtins.unsafeDiscardStringContext package.drvPath; out = builtins.unsafeDiscardStringContext package.outPath; }`],
      { encoding: 'utf8', env: { ...process.env, NIX_REMOTE: 'dummy://' } })
    const { drvPath, out } = JSON.parse(stock) as { drvPath: string; out: string }
    assert.match(drvPath, /^\/nix\/store\/[a-z0-9]{32}-lib-firn-1\.drv$/)
    assert.deepEqual(await article.locator('dd').allTextContents(), [drvPath, out])
    await article.getByText(/ATerm, \d+ bytes/).click()
    const aterm = (await article.locator('pre').textContent())!
    assert.ok(aterm.startsWith(`Derive([("out","${out}","","")`), aterm)
  })

  it('shows the syntax tree and the compiled form, and the place of a node', async () => {
    await open('let a = 1; in map (x: x + a) [ a ]')
    await page.getByRole('tab', { name: 'Syntax tree' }).click()
    await page.getByRole('list', { name: 'Syntax tree' }).getByRole('button', { name: 'in: call', exact: true }).click()
    await page.waitForFunction(() => document.activeElement !== null && document.activeElement.closest('.editor') !== null)
    await page.getByRole('tab', { name: 'Compiled form' }).click()
    assert.match((await page.getByRole('list', { name: 'Compiled form' }).textContent())!, /read.*x = slot 1.*a = slot 1, 1 frame up/)
  })

  it('marks the place of an error in the text', async () => {
    await open('# é\nlet settings = { colour = 1; }; in settings.color')
    assert.match((await page.getByLabel('Error', { exact: true }).textContent())!, /attribute 'color' missing[^]*default\.nix:2:\d+[^]*Did you mean colour\?/)
    assert.equal(await page.locator('.cm-lintRange-error').textContent(), 'settings')
  })

  it('says what an import from a derivation waits for, and evaluates the rest', async () => {
    await open('let d = derivation { name = "x.nix"; system = "x86_64-linux"; builder = "/bin/sh"; }; in { a = import d; b = 1 + 1; }')
    assert.match((await page.getByLabel('Value', { exact: true }).textContent())!, /a = «waits for realise:\/nix\/store\/[a-z0-9]{32}-x\.nix\.drv»;\s+b = 2;/)
  })

  it('stays usable while something loops, and stops it', async () => {
    await page.goto('about:blank')
    await page.goto(`${host.url}/playground/${await fragmentOf({ files: { 'default.nix': `builtins.foldl' (a: b: builtins.length (builtins.genList (x: x) 100000)) 0 (builtins.genList (x: x) 10000000)` }, system: 'x86_64-linux' })}`)
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByRole('status').filter({ hasText: 'Stopped.' }).waitFor()
    await page.getByLabel('Text of default.nix').fill('1 + 2')
    await page.getByLabel('Value', { exact: true }).filter({ hasText: /^3$/ }).waitFor()
  })

  it('puts everything in a link, and sends nothing', async () => {
    await open('"shared"')
    host.requested.length = 0
    await page.getByLabel('System').selectOption('aarch64-darwin')
    await page.getByLabel('Text of default.nix').fill('builtins.currentSystem + "!"')
    await page.getByLabel('Value', { exact: true }).filter({ hasText: 'aarch64-darwin!' }).waitFor()
    await page.getByRole('button', { name: 'Copy link' }).click()
    await page.getByRole('status').filter({ hasText: /link/i }).waitFor()
    const link = page.url()
    assert.deepEqual(host.requested.filter((path) => !path.endsWith('.svg')), [])
    const other = await browser.newPage()
    await other.goto(link)
    await other.getByLabel('Value', { exact: true }).filter({ hasText: 'aarch64-darwin!' }).waitFor()
    await other.close()
  })

  it('evaluates every example', async () => {
    const names = await page.getByLabel('Open an example').locator('option:not([disabled])').evaluateAll((options) => options.map((option) => (option as HTMLOptionElement).value))
    assert.ok(names.length >= 6)
    for (const name of names) {
      await page.getByLabel('Open an example').selectOption(name)
      await page.waitForTimeout(300)
      await page.getByRole('status').filter({ hasText: /^(Evaluated|Waits|Failed) in/ }).waitFor()
      const failed = (await page.getByRole('status').textContent())!.startsWith('Failed')
      assert.equal(failed, name === 'error', name)
    }
  })

  it('has no serious violation of accessibility, light and dark, wide and narrow, and no errors', async () => {
    await open(VALUE)
    await expectNoViolations(page, 'playground')
    await page.emulateMedia({ colorScheme: 'dark' })
    await expectNoViolations(page, 'playground-dark')
    await page.setViewportSize({ width: 390, height: 844 })
    await expectNoViolations(page, 'playground-dark-narrow')
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, 'nothing sticks out')
    assert.deepEqual(errors, [])
  })
})
