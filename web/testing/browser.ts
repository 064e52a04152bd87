/** Debian's Chromium for tests of the pages, and the pages served as a static host would serve them. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { findProgram } from '../../infra/setup/programs.ts'
import { buildPages, PAGES } from '../../infra/setup/pages.ts'

export { PAGES }

export async function startBrowser(): Promise<Browser> {
  await buildPages()
  const executablePath = findProgram('chromium')
  if (executablePath === undefined) throw new Error('Chromium is missing: npm test installs it')
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] })
}

/** Collects what must not happen on a page: errors in its scripts, refused by its policy, requests that fail. */
export function watchForErrors(page: Page): string[] {
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('console', (message) => { if (message.type() === 'error') errors.push(`${message.text()} (${message.location().url})`) })
  return errors
}

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' }

/** The built pages on a server that knows nothing but files. */
export async function serveStatically(): Promise<{ readonly url: string; readonly requested: string[]; close(): Promise<void> }> {
  const requested: string[] = []
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname)
    requested.push(path)
    const file = join(PAGES, path.endsWith('/') ? `${path}index.html` : path)
    stat(file).then(() => {
      response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream')
      createReadStream(file).pipe(response)
    }, () => response.writeHead(404).end())
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requested,
    close: () => new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}
