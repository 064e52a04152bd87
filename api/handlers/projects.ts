/** Ring: api. Projects: making, replacing and deleting them, and reading their declarative file now. */
import { FirnError } from '../../contract/errors.ts'
import { cancelEvaluation } from '../../state/cancel.ts'
import { jobsetIdsOf, listTimings, unfinishedOfJobsets } from '../../state/jobsets.ts'
import { deleteProject, getProject, listProjects, putProject } from '../../state/projects.ts'
import { addProjectTrigger } from '../../state/triggers.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { conditionally, preconditionOf } from '../http/conditions.ts'
import { type Handlers, Reply } from '../http/router.ts'
import { nameOfCursor, pageOf } from '../queries/page.ts'

type Names = 'listProjects' | 'getProject' | 'putProject' | 'deleteProject' | 'evaluateProject'

/** Evaluations of these jobsets end, so that deleting them leaves nothing running. */
export async function cancelOfJobsets({ database: { db }, motion }: ApiDependencies, jobsetIds: readonly number[]): Promise<void> {
  for (const id of await unfinishedOfJobsets(db, jobsetIds)) {
    await cancelEvaluation(db, motion, id).catch((error: unknown) => {
      // it ended by itself meanwhile
      if (!(error instanceof FirnError && error.kind === 'conflict')) throw error
    })
  }
}

export function projectHandlers(dependencies: ApiDependencies): Pick<Handlers, Names> {
  const { database: { db }, motion, logger } = dependencies
  const later = (what: string) => (error: unknown): void => logger.warn({ err: error }, `${what}; a worker's sweep does it`)

  return {
    async listProjects({ query: { limit, cursor, hidden } }) {
      return pageOf(await listProjects(db, { after: nameOfCursor(cursor), limit: limit + 1, hidden }), limit, (project) => project.name, (project) => project)
    },

    async getProject({ params: { project } }) {
      return await getProject(db, project)
    },

    async putProject({ params, headers, body }) {
      const { project, created } = await conditionally(() => putProject(db, params.project, body, preconditionOf(headers)))
      // enabled or not decides about the schedules of all of its jobsets
      const timings = await listTimings(db)
      for (const id of await jobsetIdsOf(db, project.id)) await motion.setSchedules(timings, id).catch(later('could not set a schedule'))
      if (project.declarative) {
        await addProjectTrigger(db, project.id, { kind: 'declarative' })
        await motion.checkJobset({ kind: 'project', projectId: project.id }).catch(later('could not start reading the declarative file'))
      }
      return new Reply(created ? 201 : 200, project, { ETag: `"${project.version}"`, Location: `/api/v1/projects/${project.name}` })
    },

    async deleteProject({ params }) {
      const project = await getProject(db, params.project)
      const ids = await jobsetIdsOf(db, project.id)
      await cancelOfJobsets(dependencies, ids)
      await deleteProject(db, project.id)
      for (const id of ids) await motion.setSchedules([], id).catch(later('could not remove a schedule'))
      return project
    },

    async evaluateProject({ params }) {
      const project = await getProject(db, params.project)
      if (!project.declarative) throw new FirnError('conflict', `project '${project.name}' has no declarative file`)
      const trigger = await addProjectTrigger(db, project.id, { kind: 'hand' })
      await motion.checkJobset({ kind: 'project', projectId: project.id }).catch(later('could not start reading the declarative file'))
      return new Reply(202, { jobset: project.name, trigger })
    },
  }
}
