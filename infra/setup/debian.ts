/** Ring: infra. The Debian mirror of this machine, from apt's settings: nothing of Firn names one. */
import { execFileSync } from 'node:child_process'
import { FirnError } from '../../contract/errors.ts'

/** Base address of Debian's main archive, without a slash at the end; FIRN_DEBIAN_MIRROR wins. All suites share one pool. Errors: 'missing-requirement'. */
export function debianMirror(environment: NodeJS.ProcessEnv = process.env): string {
  const found = environment['FIRN_DEBIAN_MIRROR'] || mirrorOfApt()
  if (found) return found.replace(/\/+$/, '')
  throw new FirnError('missing-requirement', 'no Debian mirror in apt\'s settings: set FIRN_DEBIAN_MIRROR to the address of one (the folder that holds pool/)')
}

function mirrorOfApt(): string | undefined {
  let output: string
  try {
    output = execFileSync('apt-get', ['indextargets', '--format', '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)', 'Created-By: Packages'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return undefined
  }
  const lines = output.split('\n').map((line) => line.split('|'))
  // without lists (no apt-get update yet) origin and label are unknown; the security archive has another pool
  const found = lines.find(([origin, label, component]) => origin === 'Debian' && label === 'Debian' && component === 'main')
    ?? lines.find(([, , component, uri]) => component === 'main' && uri !== undefined && /\/debian\/?$/.test(uri))
  return found?.[3]
}
