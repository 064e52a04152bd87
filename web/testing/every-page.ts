/** Every page and tab of the dashboard, by name. */
import type { Page } from 'playwright-core'

export interface NamedPage {
  readonly name: string
  readonly path: string
}

/** What there is on a farm whose project `ice` has a jobset `trunk`. */
export interface Shown {
  readonly evaluation: number
  /** A build that others depend on. */
  readonly leaf: number
  /** Base name of a store path, and of a file in it. */
  readonly path: string
  readonly file?: string
  readonly job: string
}

export function everyPage({ evaluation, leaf, path, file = '', job }: Shown): readonly NamedPage[] {
  return Object.entries({
    'overview': '/',
    'evaluations': '/evaluations',
    'evaluation': `/evaluations/${evaluation}`,
    'changes': `/evaluations/${evaluation}?tab=changes`,
    'failures': `/evaluations/${evaluation}?tab=errors`,
    'graph': `/evaluations/${evaluation}?tab=graph`,
    'timeline': `/evaluations/${evaluation}?tab=timeline`,
    'inputs': `/evaluations/${evaluation}?tab=inputs`,
    'build': `/builds/${leaf}`,
    'attempts': `/builds/${leaf}?tab=details`,
    'build-graph': `/builds/${leaf}?tab=graph`,
    'dependents': `/builds/${leaf}?tab=dependents`,
    'project': '/projects/ice',
    'jobset': '/projects/ice/trunk',
    'job': `/projects/ice/trunk/jobs/${job}`,
    'store-path': `/store/${path}`,
    'store-file': `/store/${path}?at=${file}`,
    'queue': '/queue',
    'workers': '/workers',
    'search': `/search?q=${job}`,
    'settings': '/settings',
    'tokens': '/tokens',
    'missing': '/evaluations/99999',
  }).map(([name, path]) => ({ name, path }))
}

/** Waits until nothing of the page is on its way any more. */
export async function settled(page: Page): Promise<void> {
  await page.locator('main h1, main .empty-title').first().waitFor()
  await page.waitForFunction(() => document.querySelector('main [aria-busy]') === null)
  // fonts, the graph's layout and what is drawn next
  await page.evaluate(() => document.fonts.ready)
  await page.waitForTimeout(150)
}
