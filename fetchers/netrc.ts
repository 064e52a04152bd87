/**
 * Ring: fetchers. Names and passwords of servers from a netrc(5) file. Upstream: the `netrc-file` setting, read by curl.
 */
export interface Credentials {
  readonly login: string
  readonly password: string
}

export interface Netrc {
  readonly machines: ReadonlyMap<string, Credentials>
  /** For machines that aren't listed. */
  readonly default?: Credentials
}

/** Reads the file's text. What it doesn't know (`account`, macros) is passed over. */
export function parseNetrc(text: string): Netrc {
  const tokens = tokensOf(text)
  const machines = new Map<string, Credentials>()
  let otherwise: Credentials | undefined
  for (let index = 0; index < tokens.length;) {
    const word = tokens[index++]
    if (word !== 'machine' && word !== 'default') continue
    const machine = word === 'machine' ? tokens[index++] : undefined
    const entry = { login: '', password: '' }
    while (index < tokens.length && tokens[index] !== 'machine' && tokens[index] !== 'default') {
      const [key, value] = [tokens[index], tokens[index + 1]]
      if (key === 'login' || key === 'password') entry[key] = value ?? ''
      index += key === 'macdef' ? 1 : 2
    }
    if (machine === undefined) otherwise ??= entry
    else if (!machines.has(machine)) machines.set(machine, entry)
  }
  return { machines, ...(otherwise && { default: otherwise }) }
}

/** Words; quotes hold spaces, a macro's body ends at an empty line, `#` begins a comment. */
function tokensOf(text: string): string[] {
  const withoutMacros = text.replace(/^[ \t]*macdef[^\n]*\n(?:[^\n]+\n)*/gm, '')
  const tokens: string[] = []
  for (const line of withoutMacros.split('\n')) {
    for (const match of line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)) {
      if (match[2]?.startsWith('#') === true && tokens.at(-1) !== 'password') break
      tokens.push(match[1]?.replace(/\\(.)/g, '$1') ?? match[2]!)
    }
  }
  return tokens
}

export function credentialsFor(netrc: Netrc, host: string): Credentials | undefined {
  return netrc.machines.get(host) ?? netrc.default
}
