/**
 * Ring: api. Where forges send their messages: `/api/push-github`, `/api/push-gitea`, `/api/push-gitlab`. Nobody needs a token; who signs with the
 * secret of a project's credential `webhook` triggers jobsets of that project, and of no other.
 */
import express, { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { asFirnError, FirnError } from '../../contract/errors.ts'
import type { TriggerCause } from '../../contract/jobsets.ts'
import { readCredential } from '../../state/credentials.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { HttpError, RequestError } from '../http/problem.ts'
import { deliveryOf, type Forge, type ForgeEvent, FORGES, isSigned, readEvent, signedWith } from './forges.ts'
import { allJobsets, type Concerned, concernedBy, trigger } from './triggers.ts'

/** GitHub's own limit. */
const BODY_BYTES = 25 * 1024 * 1024
/** The credential of a project whose secret its forges sign with. */
export const WEBHOOK_CREDENTIAL = 'webhook'

export function webhookRoutes(dependencies: ApiDependencies): Router {
  const router = Router({ caseSensitive: true, strict: true })
  // the signature is over the bytes, so that nobody may parse and write them anew before it is checked
  const raw = express.raw({ type: () => true, limit: BODY_BYTES })
  for (const forge of FORGES) {
    router.post(`/api/push-${forge}`, raw, async (request: Request, response: Response) => {
      response.locals['route'] = `push-${forge}`
      response.json({ jobsetsTriggered: await receive(dependencies, forge, request) })
    })
  }
  return router
}

async function receive(dependencies: ApiDependencies, forge: Forge, { headers, body: given }: Request): Promise<string[]> {
  if (!isSigned(forge, headers)) throw new HttpError(401, 'forbidden', `the message is not signed: give the forge's webhook the secret of the project's credential '${WEBHOOK_CREDENTIAL}'`)
  const body = given instanceof Uint8Array ? given : new Uint8Array(0)
  const jobsets = await allJobsets(dependencies.database.db)
  const signers = await signersOf(dependencies, forge, headers, body, [...new Set(jobsets.map((jobset) => jobset.projectId))])
  if (signers.size === 0) throw new HttpError(401, 'forbidden', `the signature fits the credential '${WEBHOOK_CREDENTIAL}' of no project`)
  // only then: what nobody signed is not worth reading
  const event = parse(forge, headers, body)
  const concerned: Concerned[] = concernedBy(event, jobsets).filter(({ jobset }) => signers.has(jobset.projectId))
  const delivery = deliveryOf(forge, headers)
  const cause: TriggerCause = {
    kind: 'webhook', by: forge, ...(delivery === undefined ? {} : { delivery }),
    ...(event.kind === 'pull-request' ? { pullRequest: { number: event.number, title: event.title, url: event.url, author: event.author } } : {}),
  }
  return await trigger(dependencies, concerned, cause, delivery === undefined ? {} : { delivery })
}

function parse(forge: Forge, headers: Request['headers'], body: Uint8Array): ForgeEvent {
  try {
    return readEvent(forge, headers, JSON.parse(Buffer.from(body).toString('utf8')))
  } catch (error) {
    if (error instanceof z.ZodError) throw new RequestError('body', error)
    throw new FirnError('invalid-input', 'the message is no JSON; set the webhook\'s content type to application/json', { cause: error })
  }
}

/** Projects whose secret the message was signed with. */
async function signersOf(parts: ApiDependencies, forge: Forge, headers: Request['headers'], body: Uint8Array, projectIds: readonly number[]): Promise<Set<number>> {
  const signers = new Set<number>()
  for (const id of projectIds) {
    try {
      if (signedWith(forge, headers, body, (await readCredential(parts, id, WEBHOOK_CREDENTIAL)).secret)) signers.add(id)
    } catch (error) {
      const { kind, message } = asFirnError(error)
      if (kind === 'corrupt') parts.logger.warn({ projectId: id, message }, 'a webhook\'s secret can\'t be read')
      else if (kind !== 'not-found') throw error
    }
  }
  return signers
}
