/** Ring: cli. `firn store …`: looks into the farm's store, and brings paths from it to this machine. */
import type { Command } from 'commander'
import { basename, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import colors from 'picocolors'
import { FirnError } from '../../contract/errors.ts'
import { findFarm, type GlobalOptions, loadForCommand } from '../context.ts'
import { materialise, replaceLink } from '../materialise.ts'
import { formatBytes, printJson, printTable } from '../output.ts'

interface ListingOptions extends GlobalOptions {
  readonly recursive?: boolean
  readonly long?: boolean
}

interface CopyOptions extends GlobalOptions {
  readonly to?: string
  readonly outLink?: string
  readonly quiet?: boolean
}

export function storeCommand(command: Command): Command {
  command.description('Look into the farm\'s store.').addHelpText('after', `
Paths are store paths, or files below them; /nix/store/ may be left out.

Examples:
  firn store ls /nix/store/…-zlib-1.2.13/lib
  firn store cat …-hello-2.12.1/share/info/dir
  firn store path-info --closure …-hello-2.12.1
  firn store copy --to /nix/store …-hello-2.12.1`)

  command.command('ls')
    .description('List a folder in the store.')
    .argument('<path>')
    .option('-R, --recursive', 'and all below it')
    .option('-l, --long', 'with kind, size, and where links point to')
    .action(async (path: string, options: ListingOptions) => {
      const client = await findFarm(options)
      const { name, subpath } = splitPath(path)
      const listing = await client.call('listDirectory', { params: { path: name }, query: { subpath, recursive: options.recursive ?? false } })
      if (options.json) return printJson(listing)
      if (!options.long) {
        for (const entry of listing.entries) process.stdout.write(`${entry.name || basename(path)}${entry.type === 'directory' ? '/' : ''}\n`)
        return
      }
      printTable([], listing.entries.map((entry) => [
        entry.type === 'directory' ? 'dr-xr-xr-x' : entry.type === 'symlink' ? 'lrwxrwxrwx' : entry.executable ? '-r-xr-xr-x' : '-r--r--r--',
        entry.size ?? '', `${entry.name || basename(path)}${entry.target === undefined ? '' : ` -> ${entry.target}`}`,
      ]), { right: [1] })
    })

  command.command('cat')
    .description('Write a file of the store to standard output.')
    .argument('<path>')
    .action(async (path: string, options: GlobalOptions) => {
      const client = await findFarm(options)
      const { name, subpath } = splitPath(path)
      await pipeline(await client.stream('readStoreFile', { params: { path: name }, query: { subpath }, headers: {} }), process.stdout, { end: false })
    })

  command.command('path-info')
    .description('Show what is known of store paths.')
    .argument('<path...>')
    .option('-r, --closure', 'and of all they refer to')
    .action(async (paths: string[], options: GlobalOptions & { readonly closure?: boolean }) => {
      const client = await findFarm(options)
      const names = paths.map((path) => splitPath(path).name)
      if (options.closure) {
        const closures = await Promise.all(names.map((path) => client.call('getClosure', { params: { path } })))
        if (options.json) return printJson(closures)
        for (const { path, narBytes, paths: inside } of closures) {
          process.stdout.write(`${colors.bold(path)}  ${inside.length} paths, ${formatBytes(narBytes)}\n`)
          printTable([], inside.map((one) => [one.path, formatBytes(one.narSize)]), { right: [1] })
        }
        return
      }
      const infos = await Promise.all(names.map((path) => client.call('getPathInfo', { params: { path } })))
      if (options.json) return printJson(infos)
      for (const info of infos) {
        process.stdout.write(`${colors.bold(info.path)}\n`)
        const line = (key: string, value: string): void => void process.stdout.write(`  ${key.padEnd(16)}${value}\n`)
        line('NAR hash', info.narHash)
        line('NAR size', `${info.narSize} (${formatBytes(info.narSize)})`)
        if (info.deriver !== null) line('deriver', info.deriver)
        if (info.contentAddress !== null) line('content address', info.contentAddress)
        line('registered', info.registeredAt)
        for (const signature of info.signatures) line('signature', signature)
        for (const reference of info.references) line('refers to', reference)
      }
    })

  for (const name of ['copy', 'realise']) {
    command.command(name, name === 'realise' ? { hidden: true } : {})
      .description('Bring store paths, with all they refer to, to a folder of this machine.')
      .argument('<path...>')
      .option('--to <folder>', 'the folder; /nix/store makes programs run in place (default: FIRN_HOME/store)')
      .option('-o, --out-link <link>', 'make a symbolic link to the first one')
      .option('-q, --quiet', 'print nothing but the places')
      .action(async (paths: string[], options: CopyOptions) => {
        const client = await findFarm(options)
        const folder = resolve(options.to ?? join(loadForCommand(options).settings.home, 'store'))
        const names = paths.map((path) => splitPath(path).name)
        const result = await materialise(client, names.map((one) => `/nix/store/${one}`), folder)
        if (options.outLink !== undefined) await replaceLink(options.outLink, join(folder, names[0]!))
        if (options.json) return printJson({ folder, paths: names.map((one) => join(folder, one)), ...result })
        for (const one of names) process.stdout.write(`${join(folder, one)}\n`)
        if (!options.quiet) console.error(`${result.written} paths written, ${formatBytes(result.bytes)}`)
      })
  }
  return command
}

/** `/nix/store/HASH-name/a/b` → base name and the rest. Errors: 'invalid-input'. */
export function splitPath(path: string): { name: string, subpath: string } {
  const match = /^(?:\/nix\/store\/)?([0-9a-z]{32}-[^/]+)(?:\/(.*))?$/.exec(path.replace(/\/+$/, ''))
  if (!match) throw new FirnError('invalid-input', `'${path}' is no store path (/nix/store/HASH-NAME, or a file below one)`)
  return { name: match[1]!, subpath: match[2] ?? '' }
}
