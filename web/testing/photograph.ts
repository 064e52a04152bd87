/** Pictures of pages: all of them in both themes and widths to look at, or small ones for the docs. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { type NamedPage, settled } from './every-page.ts'

const WIDE = { width: 1280, height: 800 }
const NARROW = { width: 390, height: 844 }

/** `NAME-light-wide.png` and its like for each page. */
export async function photographAll(browser: Browser, url: string, pages: readonly NamedPage[], folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  for (const [width, viewport] of [['wide', WIDE], ['narrow', NARROW]] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      await visit(browser, url, pages, { viewport, colorScheme }, async (page, name) => { await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${width}.png`) }) })
    }
  }
}

/** `NAME.webp` for each page, some 30 KB each. */
export async function photographForDocs(browser: Browser, url: string, pages: readonly NamedPage[], folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  await visit(browser, url, pages, { viewport: { width: 1120, height: 700 }, colorScheme: 'light' }, async (page, name) => {
    // Playwright knows no format that is as small
    const debuggerOf = await page.context().newCDPSession(page)
    const { data } = await debuggerOf.send('Page.captureScreenshot', { format: 'webp', quality: 80 })
    writeFileSync(join(folder, `${name}.webp`), Buffer.from(data, 'base64'))
  })
}

async function visit(browser: Browser, url: string, pages: readonly NamedPage[], options: BrowserContextOptions, take: (page: Page, name: string) => Promise<void>): Promise<void> {
  const context = await browser.newContext({ ...options, reducedMotion: 'reduce' })
  const page = await context.newPage()
  for (const { name, path } of pages) {
    await page.goto(`${url}/ui${path}`)
    await settled(page)
    await take(page, name)
  }
  await context.close()
}
