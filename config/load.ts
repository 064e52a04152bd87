/**
 * Ring: config. Reads the settings: defaults, then the TOML file, then the environment, then what the command line says.
 * A mistake names where it stands (file or variable), the setting, and what it accepts.
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { parse as parseToml, TomlError } from 'smol-toml'
import type { z } from 'zod'
import { FirnError } from '../contract/errors.ts'
import { describeSettings, type SettingDescription } from './describe.ts'
import { defaultHome, thisMachine } from './machine.ts'
import { type Settings, settingsSchema } from './settings.ts'

export interface LoadOptions {
  /** The file to read; without it `$FIRN_CONFIG`, else the first that exists of those in `settingsFiles`. */
  readonly file?: string
  readonly environment?: NodeJS.ProcessEnv
  /** Settings of the command line by dotted name, as text; they win. */
  readonly overrides?: Readonly<Record<string, string>>
}

export interface LoadedSettings {
  readonly settings: Settings
  /** The file that was read, if any. */
  readonly file?: string
}

type Tree = Record<string, unknown>

/** Files looked for, in this order, where none is named. */
export function settingsFiles(environment: NodeJS.ProcessEnv = process.env): string[] {
  const config = environment['XDG_CONFIG_HOME'] || join(environment['HOME'] || homedir(), '.config')
  return [join(environment['FIRN_HOME'] ?? defaultHome(environment), 'firn.toml'), join(config, 'firn', 'firn.toml'), '/etc/firn/firn.toml']
}

/** The settings in force. Throws FirnError `invalid-input` naming file or variable, setting, and what is expected. */
export function loadSettings(options: LoadOptions = {}): LoadedSettings {
  const environment = options.environment ?? process.env
  const named = options.file ?? environment['FIRN_CONFIG']
  const file = named !== undefined && named !== '' ? resolve(named) : settingsFiles(environment).find((candidate) => existsSync(candidate))
  const tree = file === undefined ? {} : readTree(file)

  const fileHome = typeof tree['home'] === 'string' ? resolve(dirname(file!), expandHome(tree['home'], environment)) : undefined
  const home = resolve(options.overrides?.['home'] ?? (environment['FIRN_HOME'] || undefined) ?? fileHome ?? defaultHome(environment))
  const schema = settingsSchema(thisMachine(home))
  const known = describeSettings(schema)

  const origins = new Map<string, string>()
  for (const setting of known) {
    const value = environment[setting.env]
    if (value === undefined || value === '' || setting.name === 'home') continue
    put(tree, setting.name, fromText(setting, value, setting.env))
    origins.set(setting.name, setting.env)
  }
  for (const [name, value] of Object.entries(options.overrides ?? {})) {
    const setting = known.find((one) => one.name === name)
    if (!setting) throw new FirnError('invalid-input', `unknown setting '${name}'${suggestion(name, known.map((one) => one.name))}`)
    put(tree, name, fromText(setting, value, `--set ${name}`))
    origins.set(name, `--set ${name}`)
  }
  tree['home'] = home

  const parsed = schema.safeParse(tree)
  if (!parsed.success) throw mistakes(parsed.error, file, origins, known)
  const settings = parsed.data
  if (file !== undefined) resolvePaths(settings, dirname(file), environment, origins)
  return file === undefined ? { settings } : { settings, file }
}

function readTree(file: string): Tree {
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch (error) {
    throw new FirnError('invalid-input', `cannot read the settings file ${file}: ${(error as Error).message}`, { cause: error, data: { file } })
  }
  try {
    return parseToml(content)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    throw new FirnError('invalid-input', `${file}:${error.line}:${error.column}: ${error.message.split('\n')[0]}`, { cause: error, data: { file, line: error.line, column: error.column } })
  }
}

function fromText(setting: SettingDescription, value: string, origin: string): unknown {
  switch (setting.type) {
    case 'number':
    case 'bytes': return /^\s*-?\d+(\.\d+)?\s*$/.test(value) ? Number(value) : value
    case 'boolean':
      if (/^(true|1|yes|on)$/i.test(value)) return true
      if (/^(false|0|no|off)$/i.test(value)) return false
      return value
    case 'list': return value.split(/[\s,]+/).filter((part) => part !== '')
    case 'table':
      try {
        return JSON.parse(value)
      } catch (error) {
        throw new FirnError('invalid-input', `${origin}: expected a JSON object`, { cause: error })
      }
    case 'text': return value
  }
}

function put(tree: Tree, name: string, value: unknown): void {
  const dot = name.indexOf('.')
  if (dot < 0) {
    tree[name] = value
    return
  }
  const section = name.slice(0, dot)
  const inner = tree[section]
  // a section that isn't a table is a mistake that the schema reports
  if (inner === undefined) tree[section] = { [name.slice(dot + 1)]: value }
  else if (typeof inner === 'object' && inner !== null) (inner as Tree)[name.slice(dot + 1)] = value
}

function mistakes(error: z.ZodError, file: string | undefined, origins: ReadonlyMap<string, string>, known: readonly SettingDescription[]): FirnError {
  const lines = error.issues.map((issue) => {
    const path = issue.path.map(String)
    const name = path.join('.')
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => {
        const full = [...path, key].join('.')
        const names = path.length > 0 ? known.map((one) => one.name) : [...known.map((one) => one.name), ...new Set(known.map((one) => one.name.split('.')[0]!))]
        return `${file ?? 'settings'}: unknown setting '${full}'${suggestion(full, names)}`
      }).join('\n')
    }
    const setting = known.find((one) => one.name === path.slice(0, 2).join('.'))
    const origin = origins.get(path.slice(0, 2).join('.')) ?? file ?? 'settings'
    return `${origin}: ${name}: expected ${expected(issue)}${setting?.example ? `, for example ${setting.example}` : ''}`
  })
  return new FirnError('invalid-input', lines.join('\n'), { data: { ...(file === undefined ? {} : { file }), settings: error.issues.map((issue) => issue.path.join('.')) } })
}

function expected(issue: z.core.$ZodIssue): string {
  if (issue.code === 'too_small' && issue.origin !== 'string') return `at least ${issue.minimum}`
  if (issue.code === 'too_small') return 'a text that is not empty'
  if (issue.code === 'too_big' && issue.origin !== 'array') return `at most ${issue.maximum}`
  return issue.message.replace(/^Invalid input: expected /, '')
}

/** `; did you mean 'x'?` where a known name is at most two edits or a change of case away. */
function suggestion(name: string, names: readonly string[]): string {
  let best: { name: string, distance: number } | undefined
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance <= 2 && (!best || distance < best.distance)) best = { name: candidate, distance }
  }
  return best ? `; did you mean '${best.name}'?` : ''
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}

const FILES: readonly (readonly [section: keyof Settings, key: string])[] = [
  ['temporal', 'certificate'], ['temporal', 'key'], ['temporal', 'authority'],
  ['database', 'certificate'], ['database', 'key'], ['database', 'authority'],
  ['store', 'localFolder'], ['store', 'composition'], ['builder', 'folder'], ['builder', 'shell'],
  ['fetch', 'netrc'], ['api', 'certificate'], ['api', 'key'], ['cache', 'keyFile'],
]

/** Paths of the file are relative to the file; those of the environment to the working folder. `~/` is the home folder. */
function resolvePaths(settings: Settings, folder: string, environment: NodeJS.ProcessEnv, origins: ReadonlyMap<string, string>): void {
  for (const [section, key] of FILES) {
    const inner = settings[section] as Record<string, unknown>
    const value = inner[key]
    if (typeof value !== 'string' || isAbsolute(value)) continue
    inner[key] = resolve(origins.has(`${section}.${key}`) ? process.cwd() : folder, expandHome(value, environment))
  }
}

function expandHome(path: string, environment: NodeJS.ProcessEnv): string {
  return path.startsWith('~/') ? join(environment['HOME'] || homedir(), path.slice(2)) : path
}
