/** Ring: infra. Where programs that Firn starts are found: the PATH, then where set-up and Go put theirs, then where root's are. */
import { accessSync, constants, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Folder that set-up installs programs into: `$XDG_CACHE_HOME/firn/bin`, else `~/.cache/firn/bin`. */
export function installFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return join(cacheFolder(environment), 'bin')
}

/** `$XDG_CACHE_HOME/firn`, else `~/.cache/firn`. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment['XDG_CACHE_HOME'] || join(environment['HOME'] || homedir(), '.cache'), 'firn')
}

/** Absolute path of a program, or undefined. */
export function findProgram(name: string, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const home = environment['HOME'] || homedir()
  const folders = [
    ...(environment['PATH'] ?? '').split(delimiter),
    installFolder(environment),
    ...(environment['GOBIN'] ? [environment['GOBIN']] : []),
    join(environment['GOPATH']?.split(delimiter)[0] || join(home, 'go'), 'bin'),
    '/usr/local/go/bin', '/usr/local/bin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/sbin', '/sbin',
  ]
  return folders.filter((folder) => folder !== '').map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
