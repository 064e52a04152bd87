/** What people do with large evaluations and logs, and what it costs. Tests look at what must always hold, bench/dashboard.ts at the times. */
import { sql } from 'kysely'
import type { Page } from 'playwright-core'
import { type AddedLog, NEEDLE, REASON } from './logs.ts'
import { firstPaint, type Held, startHolding, type Traffic, watchLongTasks, watchTraffic } from './measure.ts'
import type { Rows } from './farm.ts'

export interface TableFigures {
  /** Milliseconds until there was something to read. */
  readonly paint: number
  /** Tasks of more than 50 ms while somebody scrolls, and while they filter. */
  readonly scrolling: readonly number[]
  readonly filtering: readonly number[]
  /** Most rows that were in the document at once. */
  readonly rows: number
}

/** Opens an evaluation of `addManyJobs`, scrolls to its end and filters by a name. */
export async function useLargeTable(page: Page, address: string, jobs: number): Promise<TableFigures> {
  await page.goto(address)
  const table = page.getByLabel(`${jobs.toLocaleString('en')} jobs`)
  await table.getByText('pkgs.package000001').waitFor()
  const paint = await firstPaint(page)
  const longTasks = await watchLongTasks(page)
  const rows = await table.evaluate(async (element) => {
    let most = 0
    for (let step = 1; step <= 40; step++) {
      element.scrollTop = step * element.scrollHeight / 200
      await new Promise((resolve) => { setTimeout(resolve, 30) })
      most = Math.max(most, element.querySelectorAll('[role=row]').length)
    }
    element.scrollTop = element.scrollHeight
    return most
  })
  await table.getByText(`pkgs.package${String(jobs).padStart(6, '0')}`).waitFor()
  const scrolling = await longTasks()
  await page.getByRole('searchbox', { name: 'Filter by name' }).fill('package01999')
  await page.getByText('pkgs.package019999').waitFor()
  return { paint, scrolling, filtering: await longTasks(), rows }
}

const EVENTS_OF_A_BURST = 2000

export interface EventFigures {
  readonly events: number
  readonly seconds: number
  readonly requests: number
  readonly before: Held
  readonly after: Held
  readonly longest: number
}

/** Thousands of events a second about the builds of an evaluation that is being looked at. */
export async function sendEvents({ farm }: Rows, page: Page, evaluation: number, seconds: number): Promise<EventFigures> {
  const { db } = farm.dependencies.database
  const held = await startHolding(page)
  const traffic = watchTraffic(page)
  const burst = async (): Promise<void> => {
    await sql`insert into event (evaluation_id, node_id, kind, data) select ${evaluation}, id, case when random() < 0.5 then 'build.started' else 'build.ended' end, '{"state": "succeeded", "name": "a name of some length"}'
      from node where name like 'package-%' order by id limit ${EVENTS_OF_A_BURST}`.execute(db)
    await sql`notify firn_event`.execute(db)
    await page.waitForTimeout(1000)
  }
  // what is remembered of each build is remembered once
  await burst()
  await burst()
  const longTasks = await watchLongTasks(page)
  const before = await held()
  traffic.requests = 0
  const began = performance.now()
  let events = 0
  for (; performance.now() - began < seconds * 1000; events += EVENTS_OF_A_BURST) await burst()
  const took = (performance.now() - began) / 1000
  const longest = Math.max(0, ...await longTasks())
  return { events, seconds: took, requests: traffic.requests, before, after: await held(), longest }
}

export interface LogFigures {
  /** Milliseconds and bytes to the failing line, to a line in the middle that was searched for, and to the end. */
  readonly opened: Cost
  readonly found: Cost
  readonly ended: Cost
}
interface Cost extends Traffic { readonly milliseconds: number }

/** Opens a log of `addFinishedLog`, which shows why the build failed, searches in it, and goes to its end. */
export async function readLargeLog(page: Page, farm: string, log: AddedLog): Promise<LogFigures> {
  const here = page.locator('.log-line.here')
  const cost = async (act: () => Promise<void>): Promise<Cost> => {
    const traffic = watchTraffic(page)
    const began = performance.now()
    await act()
    const milliseconds = performance.now() - began
    await page.waitForTimeout(300)
    return { ...traffic, milliseconds }
  }
  const opened = await cost(async () => {
    await page.goto(`${farm}/ui/builds/${log.build}`)
    await here.filter({ hasText: REASON }).waitFor()
  })
  const found = await cost(async () => {
    await page.getByRole('searchbox', { name: 'Search in the log' }).fill(NEEDLE)
    await page.getByRole('button', { name: 'Next match' }).click()
    await here.filter({ hasText: NEEDLE }).waitFor()
  })
  const ended = await cost(async () => {
    await page.getByRole('button', { name: 'End', exact: true }).click()
    await here.filter({ hasText: 'make: *** [all] Error 2' }).waitFor()
  })
  return { opened, found, ended }
}
