/** Ring: config. Prints docs/reference/settings.md: `node config/reference.ts > docs/reference/settings.md`. A test holds the page to it. */
import { describeSections, describeSettings, type SettingDescription } from './describe.ts'
import { settingsSchema } from './settings.ts'

const INTRODUCTION = `# Settings

<!-- printed by \`node config/reference.ts\`; edit config/settings.ts instead -->

Firn reads one TOML file, then the environment, then what the command line says (\`--set section.setting=value\`); the later wins.
The file is the one that \`--config\` or \`FIRN_CONFIG\` names, else the first of \`$FIRN_HOME/firn.toml\`,
\`$XDG_CONFIG_HOME/firn/firn.toml\` (\`~/.config/…\`) and \`/etc/firn/firn.toml\`. Without a file everything has its default, and
\`firn up\` starts a whole farm on this machine. A setting that is unknown or does not fit stops Firn with a message that names the
file or variable, the setting and what it accepts.

Sizes are bytes, or texts such as \`"20 GiB"\`. Lists in the environment are separated by spaces or commas, tables are JSON. Paths in
the file are relative to the file.

A farm that keeps its state elsewhere:

\`\`\`toml
[temporal]
address = "temporal.example.org:7233"
namespace = "firn"
certificate = "tls/firn.pem"
key = "tls/firn.key"

[database]
url = "postgres://firn@db.example.org/firn"
authority = "tls/ca.pem"

[store]
blobs = "s3://firn-store/blobs?region=eu-central-1"

[substituters]
urls = ["https://cache.nixos.org"]
trustedKeys = ["cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="]
\`\`\`

A further worker needs the same three sections and nothing else: \`firn --config worker.toml worker\`.
`

/** The whole page. */
export function settingsReference(): string {
  const schema = settingsSchema({ home: '$FIRN_HOME', cores: 0, memoryBytes: 0, system: 'x86_64-linux', hostName: '' })
  const settings = describeSettings(schema)
  const rows = (list: readonly SettingDescription[]): string => [
    '| setting | accepts | default | what it is for |',
    '| --- | --- | --- | --- |',
    ...list.map((one) => `| \`${one.name.split('.').at(-1)!}\`<br>\`${one.env}\` | ${cell(accepts(one))} | ${cell(defaultOf(one))} | ${cell(one.description)}${one.example ? cell(` For example \`${one.example}\`.`) : ''}${one.secret ? ' Secret: best given by the environment.' : ''} |`),
  ].join('\n')
  const top = settings.filter((one) => !one.name.includes('.'))
  const sections = describeSections(schema).map(({ name, description }) => `## [${name}]\n\n${description}\n\n${rows(settings.filter((one) => one.name.startsWith(`${name}.`)))}`)
  return `${INTRODUCTION}\n## Top level\n\n${rows(top)}\n\n${sections.join('\n\n')}\n`
}

function accepts(setting: SettingDescription): string {
  if (setting.choices) return setting.choices.map((choice) => `\`${choice}\``).join(', ')
  return { text: 'text', number: 'number', bytes: 'size', boolean: 'true or false', list: 'list of texts', table: 'table' }[setting.type]
}

function defaultOf(setting: SettingDescription): string {
  if (setting.defaultText !== undefined) return setting.defaultText
  if (setting.default === undefined) return 'none'
  return `\`${JSON.stringify(setting.default)}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

if (import.meta.main) process.stdout.write(settingsReference())
