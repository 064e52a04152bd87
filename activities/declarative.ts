/**
 * Ring: activities. Declarative projects: a file in an input lists the jobsets, and they become what it says. Those that it made before and
 * doesn't list any more go. Upstream counterpart: Hydra's declarative jobsets (AddBuilds.pm: updateDeclarativeJobset), whose format is taken too.
 */
import { z } from 'zod'
import { asFirnError, FirnError } from '../contract/errors.ts'
import { definitionOfHydra, hydraJobset } from '../contract/hydra.ts'
import { jobsetDefinition, type JobsetDefinition, name as nameSchema, type ProjectDefinition } from '../contract/jobsets.ts'
import { parseStorePath } from '../nix/store-path.ts'
import { cancelEvaluation } from '../state/cancel.ts'
import { deleteJobset, listJobsets, listTimings, putJobset, unfinishedOfJobsets } from '../state/jobsets.ts'
import { getProjectById, setProjectError } from '../state/projects.ts'
import { addTrigger, dropTriggers, listProjectTriggers } from '../state/triggers.ts'
import { readTextAt } from '../store/tree.ts'
import type { Dependencies } from './dependencies.ts'
import { resolveInputs } from './jobset-inputs.ts'

const FILE_BYTES = 4 * 1024 * 1024
const INPUT = 'declarative'

/** Reads the file of a project now, and makes its jobsets what it says. What is wrong with the file is shown with the project. */
export async function checkProject(parts: Dependencies, projectId: number, signal: AbortSignal): Promise<void> {
  const { database: { db }, motion } = parts
  const triggers = (await listProjectTriggers(db, projectId)).map((trigger) => trigger.id)
  const project = await getProjectById(db, projectId)
  if (!project) return
  try {
    if (project.declarative && project.enabled) {
      const changed = await applyFile(parts, projectId, project.declarative, signal)
      const timings = await listTimings(db)
      for (const { id, gone } of changed) {
        await motion.setSchedules(gone ? [] : timings, id)
        if (gone) continue
        await addTrigger(db, { jobsetId: id, cause: { kind: 'declarative' } })
        await motion.checkJobset({ kind: 'jobset', jobsetId: id })
      }
    }
    await setProjectError(db, projectId, null)
  } catch (error) {
    signal.throwIfAborted()
    const { kind, message } = asFirnError(error)
    if (kind === 'internal' || kind === 'exhausted') throw error
    await setProjectError(db, projectId, message.slice(0, 10_000))
  }
  await dropTriggers(db, triggers)
}

/** Jobsets that are new, differ, or are gone. */
async function applyFile(parts: Dependencies, projectId: number, { input, file }: NonNullable<ProjectDefinition['declarative']>, signal: AbortSignal): Promise<{ readonly id: number; readonly gone: boolean }[]> {
  const { database: { db }, motion, store } = parts
  const { [INPUT]: resolved } = await resolveInputs(parts, { [INPUT]: input }, {}, { projectId, signal, last: {} })
  if (resolved?.storePath === undefined) throw new FirnError('invalid-input', `a ${input.kind} has no files`)
  const { hash } = parseStorePath(resolved.storePath)
  const info = (await store.pathInfos.get([hash])).get(hash)
  const text = info && await readTextAt(info.root, file, store.blobs, FILE_BYTES)
  if (text === undefined) throw new FirnError('not-found', `there is no file '${file}' in the declarative input`)
  const wanted = parseDeclaration(text, file)

  const before = new Map((await listJobsets(db, projectId, { limit: 100_000, hidden: true })).map((jobset) => [jobset.name, jobset]))
  const changed: { id: number; gone: boolean }[] = []
  for (const [name, definition] of wanted) {
    const known = before.get(name)
    if (known && !known.generated) throw new FirnError('conflict', `jobset '${name}' of the file was made by hand; delete it, or name one of the two otherwise`)
    const same = known && JSON.stringify(jobsetDefinition.parse(known)) === JSON.stringify(definition)
    if (!same) changed.push({ id: (await putJobset(db, projectId, name, definition, { generated: true })).id, gone: false })
  }
  for (const jobset of before.values()) {
    if (!jobset.generated || wanted.has(jobset.name)) continue
    for (const id of await unfinishedOfJobsets(db, [jobset.id])) await cancelEvaluation(db, motion, id).catch(() => undefined)
    await deleteJobset(db, jobset.id)
    changed.push({ id: jobset.id, gone: true })
  }
  return changed
}

/** Jobsets by name, each in our words or in Hydra's. 'invalid-input' names the jobset and what is wrong with it. */
export function parseDeclaration(text: string, file: string): Map<string, JobsetDefinition> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new FirnError('invalid-input', `'${file}' is not JSON: ${(error as Error).message}`, { cause: error })
  }
  const outer = z.record(nameSchema, z.record(z.string(), z.unknown())).safeParse(value)
  if (!outer.success) throw new FirnError('invalid-input', `'${file}' is not a set of jobsets: ${outer.error.issues[0]!.path.join('.')}: ${outer.error.issues[0]!.message}`)
  return new Map(Object.entries(outer.data).map(([name, definition]) => {
    const schema = 'source' in definition ? jobsetDefinition.strict() : hydraJobset
    const parsed = schema.safeParse(definition)
    if (!parsed.success) throw new FirnError('invalid-input', `jobset '${name}' of '${file}': ${parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`)
    return [name, 'source' in parsed.data ? parsed.data : definitionOfHydra(parsed.data)]
  }))
}
