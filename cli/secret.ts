/** Ring: cli. Secrets come from the standard input, never from the command line, which other users of the machine can read. */
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { FirnError } from '../contract/errors.ts'

/** Asks for it where somebody sits at a terminal, else reads the first line. */
export async function readSecret(what: string, options: { readonly twice: boolean }): Promise<string> {
  if (!process.stdin.isTTY) return await firstLine()
  // what is typed is not shown
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  const ask = async (prompt: string): Promise<string> => {
    process.stderr.write(`${prompt}: `)
    const answer = await terminal.question('')
    process.stderr.write('\n')
    return answer
  }
  try {
    const text = await ask(what)
    if (options.twice && await ask('Again') !== text) throw new FirnError('invalid-input', 'the two are not the same')
    return text
  } finally {
    terminal.close()
  }
}

async function firstLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line
  return ''
}
