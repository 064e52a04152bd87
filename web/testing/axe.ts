/** axe-core on a page, and a screenshot of it where FIRN_SCREENSHOTS names a folder. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Violation { readonly id: string; readonly impact: string | null; readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[] }

/** Fails on violations of WCAG A and AA that axe calls serious or critical. */
export async function expectNoViolations(page: Page, name: string): Promise<void> {
  await screenshot(page, name)
  // by the debugger's way in, which the page's policy does not bind
  const violations = await page.evaluate<Violation[]>(`(async () => { ${AXE}; const { violations } = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }); return violations })()`)
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  assert.deepEqual(serious.map(({ id, nodes }) => `${name}: ${id}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary ?? ''}`).join(' | ')}`), [])
}

export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['FIRN_SCREENSHOTS']
  if (folder === undefined) return
  await page.screenshot({ path: join(folder, `${name}.png`) })
}
