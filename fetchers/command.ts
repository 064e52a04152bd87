/** Ring: fetchers. Running the programs of version control systems: their output, or their complaint as an error. */
import { spawn, type ChildProcess } from 'node:child_process'
import { errorCode, FirnError } from '../contract/errors.ts'
import { DownloadError } from './errors.ts'

export interface CommandOptions {
  readonly signal?: AbortSignal
  readonly folder?: string
  readonly environment?: Readonly<Record<string, string>>
  /** What is being fetched, for the message. */
  readonly url: string
  /** Package to install where the program is missing. */
  readonly install: string
}

/** The program's whole output as bytes. Throws DownloadError with what it wrote to its error stream. */
export async function run(program: string, args: readonly string[], options: CommandOptions): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream(program, args, options)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export async function runText(program: string, args: readonly string[], options: CommandOptions): Promise<string> {
  return (await run(program, args, options)).toString('utf8').trim()
}

/** The program's output as it comes; throws at the end where it failed. `onStart` may write to its input. */
export async function* stream(program: string, args: readonly string[], options: CommandOptions, onStart?: (child: ChildProcess) => void): AsyncGenerator<Uint8Array, void, undefined> {
  options.signal?.throwIfAborted()
  const child = spawn(program, args, {
    stdio: [onStart ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    ...(options.folder !== undefined && { cwd: options.folder }),
    env: { ...process.env, ...options.environment },
    ...(options.signal && { signal: options.signal }),
  })
  let complaint = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => void (complaint = (complaint + text).slice(-4000)))
  child.stdin?.on('error', () => {})
  const ended = new Promise<number | null | Error>((resolve) => child.once('error', resolve).once('close', resolve))
  onStart?.(child)
  try {
    for await (const chunk of child.stdout!) yield chunk as Uint8Array
    const end = await ended
    options.signal?.throwIfAborted()
    if (end instanceof Error) throw missing(end, program, options)
    if (end !== 0) throw new DownloadError(options.url, `${program} ${args.find((argument) => !argument.startsWith('-') && !argument.includes('=')) ?? ''} failed: ${complaint.trim() || `exit code ${end}`}`, { permanent: true })
  } finally {
    if (child.exitCode === null) child.kill('SIGKILL')
  }
}

function missing(error: Error, program: string, options: CommandOptions): Error {
  if (errorCode(error) !== 'ENOENT') return error
  return new FirnError('missing-requirement', `'${program}' is needed to fetch '${options.url}' and is not installed (Debian: apt-get install ${options.install})`, { cause: error })
}
