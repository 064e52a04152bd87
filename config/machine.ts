/** Ring: config. What defaults depend on, read from the machine. */
import { availableParallelism, homedir, hostname, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import type { Machine } from './settings.ts'

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686', arm: 'armv7l', riscv64: 'riscv64', ppc64: 'powerpc64le', s390x: 's390x' }

/** This machine's name for a system as Nix spells it, for example `x86_64-linux`. */
export function currentSystem(): string {
  return `${ARCHITECTURES[process.arch] ?? process.arch}-${process.platform}`
}

/** The data folder where nobody chose one: `$XDG_DATA_HOME/firn`, else `~/.local/share/firn`. */
export function defaultHome(environment: NodeJS.ProcessEnv = process.env): string {
  const data = environment['XDG_DATA_HOME'] || join(environment['HOME'] || homedir(), '.local', 'share')
  return resolve(data, 'firn')
}

/** The machine, with a data folder chosen by the caller. */
export function thisMachine(home: string): Machine {
  return { home, cores: availableParallelism(), memoryBytes: totalmem(), system: currentSystem(), hostName: hostname() }
}
