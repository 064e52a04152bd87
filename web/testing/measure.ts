/** What a page costs: bytes, requests, memory, and tasks that keep it from answering. */
import type { Page } from 'playwright-core'

export interface Traffic {
  bytes: number
  requests: number
}

/** Counts what comes from the API from now on, compressed as it comes; streams count when they end. */
export function watchTraffic(page: Page): Traffic {
  const traffic: Traffic = { bytes: 0, requests: 0 }
  page.on('request', (request) => { if (request.url().includes('/api/')) traffic.requests++ })
  page.on('requestfinished', (request) => {
    if (!request.url().includes('/api/')) return
    request.sizes().then(({ responseBodySize }) => { traffic.bytes += responseBodySize }, () => undefined)
  })
  return traffic
}

/** Gives the durations in milliseconds of tasks longer than 50 ms since the last call. */
export async function watchLongTasks(page: Page): Promise<() => Promise<number[]>> {
  await page.evaluate(() => {
    const long: number[] = []
    Object.assign(window, { long })
    new PerformanceObserver((list) => long.push(...list.getEntries().map((entry) => entry.duration))).observe({ entryTypes: ['longtask'] })
  })
  return () => page.evaluate(() => (window as unknown as { long: number[] }).long.splice(0).map(Math.round))
}

export async function firstPaint(page: Page): Promise<number> {
  return await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]!.startTime)
}

export interface Held {
  /** Bytes of the script's heap that are in use after it was cleaned. */
  readonly heap: number
  /** Of the document, counted as the browser does. */
  readonly nodes: number
}

/** Measures what the page holds. */
export async function startHolding(page: Page): Promise<() => Promise<Held>> {
  const debuggerOf = await page.context().newCDPSession(page)
  return async () => {
    await debuggerOf.send('HeapProfiler.collectGarbage')
    const { usedSize } = await debuggerOf.send('Runtime.getHeapUsage')
    const { nodes } = await debuggerOf.send('Memory.getDOMCounters')
    return { heap: usedSize, nodes }
  }
}

export const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
