/** What GitHub sends after a push, signed as it signs. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'

export interface PushMessage {
  /** Of the API. */
  readonly url: string
  readonly secret: string
  /** Where the pushed repository is cloned from, and its name there. */
  readonly repository: string
  readonly name: string
  readonly revision: string
  readonly delivery: string
}

/** Tells a farm that `main` has a new commit; gives the jobsets that were triggered. */
export async function tellOfPush({ url, secret, repository, name, revision, delivery }: PushMessage): Promise<{ jobsetsTriggered: string[] }> {
  const body = JSON.stringify({ ref: 'refs/heads/main', after: revision, repository: { clone_url: repository, full_name: name, default_branch: 'main' } })
  const response = await fetch(`${url}/api/push-github`, {
    method: 'POST', body,
    headers: { 'content-type': 'application/json', 'x-github-event': 'push', 'x-github-delivery': delivery, 'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}` },
  })
  assert.equal(response.status, 200)
  return await response.json() as { jobsetsTriggered: string[] }
}
