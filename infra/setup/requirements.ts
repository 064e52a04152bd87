/**
 * Ring: infra. Programs that Firn needs and npm does not bring: how to see that one is there, and how to install it. Debian
 * packages are installed in one go; Go programs are built from the module proxy into Firn's own cache folder.
 * Whatever can't be installed ends in a message that says what to do by hand.
 */
import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { FirnError } from '../../contract/errors.ts'
import { findProgram, installFolder } from './programs.ts'

export type RequirementName = 'runc' | 'crun' | 'busybox' | 'slirp4netns' | 'xz' | 'temporal' | 'nix' | 'versitygw' | 'chromium'

interface Requirement {
  /** Program whose presence shows that it is there. */
  readonly program: string
  readonly purpose: string
  /** Debian package. */
  readonly apt?: string
  /** Go module with version, as `go install` takes it. */
  readonly go?: string
  readonly byHand: string
  /** Something else takes its place, slower. */
  readonly optional?: boolean
}

const REQUIREMENTS: Readonly<Record<RequirementName, Requirement>> = {
  runc: { program: 'runc', purpose: 'runs the containers of builds', apt: 'runc', byHand: 'Install runc (Debian: apt install runc), or set builder.runtime to "crun" or "docker".' },
  crun: { program: 'crun', purpose: 'runs the containers of builds in a third of the time that runc takes', apt: 'crun', optional: true, byHand: 'Install crun (Debian: apt install crun).' },
  // the dynamic busybox of Debian's package of that name would find no libc in a build's root
  busybox: { program: 'busybox', purpose: 'is /bin/sh in builds', apt: 'busybox-static', byHand: 'Install a static busybox (Debian: apt install busybox-static), or name one in builder.shell.' },
  slirp4netns: { program: 'slirp4netns', purpose: 'gives builds of fixed outputs a network of their own', apt: 'slirp4netns', byHand: 'Install slirp4netns (Debian: apt install slirp4netns), or set builder.outsideNetwork to "host".' },
  xz: { program: 'xz', purpose: 'unpacks .xz archives and NARs', apt: 'xz-utils', byHand: 'Install xz (Debian: apt install xz-utils).' },
  temporal: { program: 'temporal', purpose: 'schedules the work', go: 'github.com/temporalio/cli/cmd/temporal@v1.5.1', byHand: 'Put Temporal\'s command line (1.5 or newer; https://docs.temporal.io/cli) on the PATH, or install Go 1.24 or newer, or set temporal.address to a server.' },
  nix: { program: 'nix-store', purpose: 'is what tests compare with', apt: 'nix-bin', byHand: 'Install Nix (Debian: apt install nix-bin).' },
  chromium: { program: 'chromium', purpose: 'is the browser of tests', apt: 'chromium', byHand: 'Install Chromium (Debian: apt install chromium).' },
  versitygw: { program: 'versitygw', purpose: 'is the S3 server of tests', go: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0', byHand: 'Install Go 1.24 or newer, or put versitygw (https://github.com/versity/versitygw) on the PATH.' },
}

/** Installs what is missing. Gives folders to put on the PATH. Errors: 'missing-requirement' naming everything that is still missing. */
export async function installRequirements(names: readonly RequirementName[]): Promise<string[]> {
  const missing = names.map((name) => REQUIREMENTS[name]).filter((one) => findProgram(one.program) === undefined)
  const problems: string[] = []

  const packages = missing.flatMap((one) => one.apt ?? [])
  if (packages.length > 0) {
    const problem = await installPackages(packages)
    if (problem !== undefined) problems.push(problem)
  }
  for (const one of missing) {
    if (one.go === undefined) continue
    const problem = await installGoProgram(one.go)
    if (problem !== undefined) problems.push(problem)
  }

  const still = missing.filter((one) => !one.optional && findProgram(one.program) === undefined)
  if (still.length > 0) {
    throw new FirnError('missing-requirement', [
      ...still.map((one) => `${one.program} is missing (it ${one.purpose}). ${one.byHand}`),
      ...problems,
    ].join('\n'), { data: { programs: still.map((one) => one.program) } })
  }
  return [installFolder()]
}

/** Runs apt; a machine whose lists are missing or old gets one update. Gives a line of explanation where it did not work. */
async function installPackages(packages: readonly string[]): Promise<string | undefined> {
  const apt = findProgram('apt-get')
  if (apt === undefined) return `apt-get is missing, so ${packages.join(', ')} could not be installed.`
  const root = process.getuid?.() === 0
  const sudo = root ? undefined : findProgram('sudo')
  if (!root && (sudo === undefined || (await run([sudo, '-n', 'true'])).code !== 0)) {
    return `Not root, and sudo without a password is not possible: run 'apt install ${packages.join(' ')}' as root.`
  }
  say(`installing ${packages.join(', ')} with apt`)
  const command = [...(sudo === undefined ? [] : [sudo, '-n']), 'env', 'DEBIAN_FRONTEND=noninteractive', apt]
  const install = [...command, 'install', '--yes', '--no-install-recommends', '-qq', '-o', 'DPkg::Lock::Timeout=300', ...packages]
  if ((await run(install)).code === 0) return undefined
  await run([...command, 'update', '-qq'])
  const second = await run(install)
  return second.code === 0 ? undefined : `apt-get install ${packages.join(' ')} failed:\n${second.output.trim()}`
}

async function installGoProgram(module: string): Promise<string | undefined> {
  const go = findProgram('go')
  if (go === undefined) return `Go is missing, so ${module} could not be built.`
  const folder = installFolder()
  await mkdir(folder, { recursive: true })
  say(`building ${module.replace(/^.*\/([^/]+@)/, '$1')} with Go; this takes some minutes, once`)
  // settings of the user's own projects (-mod=vendor, a cross-compiling GOOS) must not change this build
  const environment: NodeJS.ProcessEnv = { ...process.env, GOBIN: folder, GOFLAGS: '-buildvcs=false', CGO_ENABLED: '0', GO111MODULE: 'on', GOWORK: 'off' }
  delete environment['GOOS']
  delete environment['GOARCH']
  const result = await run([go, 'install', module], { environment, folder })
  return result.code === 0 ? undefined : `go install ${module} failed:\n${result.output.trim().split('\n').slice(-15).join('\n')}`
}

function say(text: string): void {
  console.error(`firn: ${text}`)
}

async function run(command: readonly string[], options: { readonly environment?: NodeJS.ProcessEnv, readonly folder?: string } = {}): Promise<{ code: number, output: string }> {
  const [program, ...rest] = command
  return await new Promise((end) => {
    const child = spawn(program!, rest, { env: options.environment ?? process.env, ...(options.folder === undefined ? {} : { cwd: options.folder }), stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => { output += chunk })
    child.on('error', (error) => end({ code: 127, output: error.message }))
    child.on('close', (code) => end({ code: code ?? 1, output }))
  })
}
