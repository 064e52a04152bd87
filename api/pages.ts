/**
 * Ring: api. The web pages below /ui/: the dashboard, whose addresses all lead to one page, and the playground. They are read once,
 * when the server starts, so that a page and its scripts always fit together. infra/setup/pages.ts builds them.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { type Request, type Response, Router } from 'express'
import { FirnError } from '../contract/errors.ts'
import { notModified } from './http/range.ts'

interface PageFile {
  readonly type: string
  readonly etag: string
  readonly content: Buffer
  /** By content coding, the better first. */
  readonly encoded: readonly { readonly coding: 'br' | 'gzip'; readonly content: Buffer }[]
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.json': 'application/json',
}
/** Names of files in assets/ hold their content's hash. */
const IMMUTABLE = 'public, max-age=31536000, immutable'
/** Scripts and styles of this origin only; what a log or a file holds can load nothing and talk to nobody. CodeMirror writes style elements. */
const POLICY = 'default-src \'none\'; script-src \'self\'; style-src \'self\' \'unsafe-inline\'; img-src \'self\' data:; font-src \'self\'; worker-src \'self\'; frame-ancestors \'none\'; form-action \'self\''
const DASHBOARD_POLICY = `${POLICY}; connect-src 'self'; base-uri 'self'`
/** Nothing is sent anywhere. */
const PLAYGROUND_POLICY = `${POLICY}; connect-src 'none'; base-uri 'none'`

/** Routes for browsers. `folder` is where the built pages lie; without them, a sentence says what to do. */
export async function pageRoutes(folder: string | undefined): Promise<Router> {
  const files = folder === undefined ? new Map<string, PageFile>() : await readPages(folder)
  const router = Router({ caseSensitive: true, strict: true })

  router.get('/', (request, response, next) => {
    // JSON first: who names no preference is a program
    if (request.accepts(['json', 'html']) !== 'html') return next()
    response.vary('Accept').redirect(302, '/ui/')
  })
  router.get('/ui', (_request, response) => response.redirect(302, '/ui/'))
  router.get('/ui/playground', (_request, response) => response.redirect(302, '/ui/playground/'))
  router.get(/^\/ui\/(.*)$/, (request, response) => {
    response.locals['route'] = 'pages'
    const path = request.params[0]!
    const inPlayground = path.startsWith('playground/')
    const name = path === 'playground/' ? 'playground/index.html' : path
    const file = files.get(name) ?? (path.startsWith('assets/') || inPlayground ? undefined : files.get('index.html'))
    if (files.size === 0) throw new FirnError('not-found', 'the web pages are not built: run infra/setup/run.sh setup and start the farm again')
    if (!file) throw new FirnError('not-found', `there is no page ${request.path.slice(0, 300)}`)
    response.set({
      'Content-Type': file.type,
      'Content-Security-Policy': inPlayground ? PLAYGROUND_POLICY : DASHBOARD_POLICY,
      'Referrer-Policy': 'same-origin',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cache-Control': path.startsWith('assets/') ? IMMUTABLE : 'no-cache',
    })
    sendFile(request, response, file)
  })
  return router
}

function sendFile(request: Request, response: Response, file: PageFile): void {
  response.vary('Accept-Encoding')
  const chosen = file.encoded.find(({ coding }) => request.acceptsEncodings([coding]) === coding)
  if (notModified(request, response, chosen ? `"${file.etag}-${chosen.coding}"` : `"${file.etag}"`)) return
  if (chosen) response.set('Content-Encoding', chosen.coding)
  const content = chosen?.content ?? file.content
  response.set('Content-Length', String(content.length))
  response.end(request.method === 'HEAD' ? undefined : content)
}

async function readPages(folder: string): Promise<Map<string, PageFile>> {
  const names = await readdir(folder, { recursive: true }).catch((error: unknown): string[] => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  })
  const files = new Map<string, PageFile>()
  for (const name of names) {
    const type = TYPES[extname(name)]
    if (type === undefined) continue
    const content = await readFile(join(folder, name))
    const encoded = await Promise.all((['br', 'gzip'] as const).filter((coding) => names.includes(name + SUFFIX[coding])).map(async (coding) => ({ coding, content: await readFile(join(folder, name + SUFFIX[coding])) })))
    files.set(name, { type, content, encoded, etag: createHash('sha256').update(content).digest('base64url').slice(0, 22) })
  }
  return files
}

const SUFFIX = { br: '.br', gzip: '.gz' } as const
