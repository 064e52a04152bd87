/** Ring: cli. `firn key`: the key that signs what the farm serves. */
import type { Command } from 'commander'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { FirnError } from '../../contract/errors.ts'
import { formatKey, generateKeyPair, parseSecretKey, publicKeyOf } from '../../nix/signature.ts'
import { type GlobalOptions, loadForCommand } from '../context.ts'
import { printJson } from '../output.ts'

export function keyCommand(command: Command): Command {
  command.description('Show or make the key that signs what the farm serves.').addHelpText('after', `
A Nix client trusts the farm with:
  nix copy --from URL --option trusted-public-keys "$(firn key show)" /nix/store/…`)

  command.command('show', { isDefault: true })
    .description('Print the public key.')
    .action((options: GlobalOptions) => {
      const { keyFile } = loadForCommand(options).settings.cache
      if (!existsSync(keyFile)) throw new FirnError('not-found', `there is no key at ${keyFile} yet; the farm makes one when it is started, and 'firn key generate' makes one now`)
      const publicKey = formatKey(publicKeyOf(parseSecretKey(readFileSync(keyFile, 'utf8'))))
      if (options.json) printJson({ file: keyFile, publicKey })
      else process.stdout.write(`${publicKey}\n`)
    })

  command.command('generate')
    .description('Make a key where none is yet, and print its public part.')
    .argument('[name]', 'name of the key, which clients see', 'firn-1')
    .action((name: string, options: GlobalOptions) => {
      const { keyFile } = loadForCommand(options).settings.cache
      if (existsSync(keyFile)) throw new FirnError('conflict', `${keyFile} exists; clients that trust it would lose the farm. Move it away first if that is what you want.`)
      const pair = generateKeyPair(name)
      mkdirSync(dirname(keyFile), { recursive: true, mode: 0o700 })
      writeFileSync(keyFile, `${formatKey(pair.secretKey)}\n`, { mode: 0o600, flag: 'wx' })
      if (options.json) printJson({ file: keyFile, publicKey: formatKey(pair.publicKey) })
      else process.stdout.write(`${formatKey(pair.publicKey)}\n`)
    })
  return command
}
