/** What conformance runs saw last, in expected.json: a run that sees less has failed. Raise the numbers when more passes. */
import { readFileSync } from 'node:fs'

type Counts = Readonly<Record<string, number>>

/** Compares counts with those pinned under `name`; prints what falls short. True if nothing does. */
export function meetsExpectations(name: string, seen: Counts): boolean {
  const pinned = (JSON.parse(readFileSync(new URL('./expected.json', import.meta.url), 'utf8')) as Readonly<Record<string, Counts>>)[name]
  if (pinned === undefined) throw new Error(`expected.json says nothing of '${name}'`)
  const short = Object.entries(pinned).filter(([what, count]) => (seen[what] ?? 0) < count)
  for (const [what, count] of short) console.error(`${name}: ${what}: expected at least ${count}, saw ${seen[what] ?? 0}`)
  for (const [what, count] of Object.entries(pinned)) if ((seen[what] ?? 0) > count) console.error(`${name}: ${what}: ${seen[what]} now; pin it in expected.json`)
  return short.length === 0
}
