/**
 * Ring: config. Every setting of Firn: its name, what it accepts, its default and what it is for. One schema serves the
 * loader (load.ts), the error messages and the reference (docs/reference/settings.md is printed from it).
 * Upstream counterpart: nix.conf(5) and hydra.conf in one file. A setting `section.someKey` is `someKey` in the table
 * `[section]` of the TOML file and `FIRN_SECTION_SOME_KEY` in the environment, unless `env` says otherwise.
 */
import { z } from 'zod'

/** What defaults depend on. The reference is printed with placeholders in place of these. */
export interface Machine {
  /** The one data folder, absolute. */
  readonly home: string
  readonly cores: number
  readonly memoryBytes: number
  /** Nix's name, for example `x86_64-linux`. */
  readonly system: string
  readonly hostName: string
}

/** What the reference and the loader know of a setting beside its type. */
export interface SettingNote {
  readonly description: string
  /** Environment variable, where it is not made from the name. */
  readonly env?: string
  /** How the reference words a default that depends on the machine. */
  readonly defaultText?: string
  /** What a value looks like, for the reference and error messages. */
  readonly example?: string
  /** Never shown in a listing. */
  readonly secret?: boolean
}

const note = (description: string, more: Omit<SettingNote, 'description'> = {}): SettingNote & Record<string, unknown> => ({ description, ...more })

const UNITS: Readonly<Record<string, number>> = { '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KIB: 1024, MIB: 1024 ** 2, GIB: 1024 ** 3, TIB: 1024 ** 4 }

/** Bytes of `"20 GiB"`, `"500MB"` or a bare number; undefined where it is none of these. */
export function parseBytes(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(text)
  const unit = match && UNITS[match[2]!.toUpperCase()]
  return unit ? Math.round(Number(match[1]) * unit) : undefined
}

const bytes = () => z.preprocess((value) => (typeof value === 'string' ? (parseBytes(value) ?? value) : value),
  z.number({ error: 'a number of bytes, or a text such as "20 GiB"' }).int().nonnegative())
const count = (least = 0) => z.number({ error: `a whole number of at least ${least}` }).int().min(least)
const port = () => z.number({ error: 'a port, 0 to 65535' }).int().min(0).max(65535)
const choice = <const T extends readonly string[]>(...values: T) => z.enum(values, { error: values.map((value) => `"${value}"`).join(' or ') })
const seconds = () => z.number({ error: 'a number of seconds' }).nonnegative()
const text = () => z.string({ error: 'a text' }).min(1)
const list = () => z.array(z.string(), { error: 'a list of texts' })
const hosts = () => z.array(z.string().regex(/^(\*\.)?([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d+)?$/i, 'a host such as "example.org", "*.example.org" or "example.org:8443", without https:// and without a path'), { error: 'a list of hosts' })
const flag = () => z.boolean({ error: 'true or false' })
const url = () => z.string().regex(/^[a-z][a-z0-9+.-]*:/, 'an address with its scheme, such as "https://…"')

/** The schema, with the defaults of a machine. */
export function settingsSchema(machine: Machine) {
  const under = (name: string): string => `${machine.home}/${name}`
  return z.strictObject({
    home: text().default(machine.home).meta(note('The one folder that holds everything Firn writes: database, Temporal\'s state, blobs, local store, logs, keys.', { env: 'FIRN_HOME', defaultText: '`$XDG_DATA_HOME/firn`, else `~/.local/share/firn`' })),

    farm: z.strictObject({
      url: url().optional().meta(note('Farm that the command line talks to. Without it, the farm that was started in the data folder.', { env: 'FIRN_API', example: '"https://farm.example.org"' })),
      token: text().optional().meta(note('Bearer token sent with each request of the command line, for a farm behind a proxy that asks for one.', { secret: true })),
    }).prefault({}).meta(note('How the command line finds the farm.')),

    temporal: z.strictObject({
      address: text().optional().meta(note('`host:port` of a Temporal server (1.29 or later). Without it a development server is started on this machine.', { example: '"temporal.example.org:7233"' })),
      namespace: text().default('default').meta(note('Temporal namespace.')),
      tls: flag().default(false).meta(note('Speak TLS. Implied by a certificate, an authority or an API key.')),
      certificate: text().optional().meta(note('PEM file of the client certificate.')),
      key: text().optional().meta(note('PEM file of the client certificate\'s key.')),
      authority: text().optional().meta(note('PEM file of the authorities that may have signed the server\'s certificate.')),
      serverName: text().optional().meta(note('Name that the server\'s certificate must carry, where it is not the address.')),
      apiKey: text().optional().meta(note('API key, as Temporal Cloud gives them out.', { secret: true })),
    }).prefault({}).meta(note('The scheduler.')),

    database: z.strictObject({
      url: z.string().regex(/^postgres(ql)?:\/\//, 'an address that begins with postgres://').optional().meta(note('Postgres (15 or later) to keep everything in. Without it one is started on this machine.', { env: 'FIRN_DATABASE_URL', secret: true, example: '"postgres://firn@db.example.org/firn"' })),
      tls: flag().default(false).meta(note('Speak TLS and verify the server. Implied by an authority or a certificate.')),
      authority: text().optional().meta(note('PEM file of the authorities that may have signed the server\'s certificate.')),
      certificate: text().optional().meta(note('PEM file of the client certificate.')),
      key: text().optional().meta(note('PEM file of the client certificate\'s key.')),
      connections: count(1).default(16).meta(note('Connections that one process may hold.')),
    }).prefault({}).meta(note('The index and everything the farm remembers.')),

    store: z.strictObject({
      blobs: url().default(`file://${under('blobs')}`).meta(note('Where content is kept: `file:///folder`, `s3://bucket/prefix?endpoint=…&region=…&pathStyle=true`, or `memory:` for tests. Credentials of S3 come from the AWS variables and files (`AWS_ACCESS_KEY_ID`, …).', { defaultText: '`file://$FIRN_HOME/blobs`' })),
      localFolder: text().default(under('local')).meta(note('Folder in which a worker lays out store paths for builds and imports. One worker a folder.')),
      localBytes: bytes().default(50 * 1024 ** 3).meta(note('Size above which paths that no running build needs are removed from that folder, the least recently used first.', { defaultText: '`"50 GiB"`' })),
      composition: text().optional().meta(note('TOML file of a store composition, in place of `blobs` and `[substituters]`; see docs/reference/store-composition.md.')),
    }).prefault({}).meta(note('Content and its local copies.')),

    substituters: z.strictObject({
      urls: z.array(url(), { error: 'a list of addresses' }).default([]).meta(note('Binary caches asked before something is built, in this order of preference.', { example: '["https://cache.nixos.org"]' })),
      trustedKeys: list().default([]).meta(note('Public keys, `name:base64`; what none of them signed is not taken.')),
      negativeSeconds: seconds().default(3600).meta(note('How long it is remembered that a cache does not have a path.')),
      timeoutSeconds: seconds().default(10).meta(note('A cache that has not begun to answer by then is passed over.')),
      pauseSeconds: seconds().default(60).meta(note('How long a cache that failed is not asked again.')),
    }).prefault({}).meta(note('Upstream binary caches.')),

    worker: z.strictObject({
      name: text().default(machine.hostName).meta(note('Name under which the worker shows up.', { defaultText: 'the host\'s name' })),
      systems: list().default(machine.system === 'x86_64-linux' ? ['x86_64-linux', 'i686-linux'] : [machine.system]).meta(note('Systems it builds for, as Nix names them.', { defaultText: 'the machine\'s own, and `i686-linux` on `x86_64-linux`' })),
      features: z.array(z.string(), { error: 'a list of texts' }).max(6, 'at most 6 features').default(['benchmark', 'big-parallel', 'nixos-test']).meta(note('What derivations may ask for in `requiredSystemFeatures`; `kvm` is added where /dev/kvm can be opened. At most 6.')),
      slots: count(1).default(Math.max(2, Math.min(Math.max(12, 2 * machine.cores), Math.floor(machine.memoryBytes / 1024 ** 3)))).meta(note('Builds at the same time. Many builds of a package set wait, link or run one process, so this is more than the cores.', { defaultText: '12 or twice the cores, whichever is more, but at most one a GiB of memory' })),
      fetchSlots: count(1).default(16).meta(note('Downloads at the same time.')),
      evaluationSlots: count(1).default(Math.max(2, machine.cores)).meta(note('Evaluations that compute at the same time; one that waits holds no slot.', { defaultText: 'the cores, at least 2' })),
      roles: z.array(choice('schedule', 'evaluate', 'fetch', 'build'), { error: 'a list of "schedule", "evaluate", "fetch" and "build"' }).default(['schedule', 'evaluate', 'fetch', 'build']).meta(note('Which work it takes: `schedule` runs workflows, the others their activities.')),
      graceSeconds: seconds().default(30).meta(note('How long a worker that is told to stop waits for what it is doing.')),
      metricsPort: port().optional().meta(note('Port on which the worker answers `/metrics`; without it metrics are only kept.')),
    }).prefault({}).meta(note('What a worker offers.')),

    builder: z.strictObject({
      runtime: choice('auto', 'runc', 'crun', 'docker').default('auto').meta(note('What runs the containers of builds; `auto` is crun where it is installed, which takes a third of the time, else runc.')),
      program: text().optional().meta(note('The runtime\'s program, where it is not on the PATH.')),
      dockerSocket: text().default('/var/run/docker.sock').meta(note('Socket of Docker\'s (or Podman\'s) API, for the runtime `docker`.')),
      shell: text().optional().meta(note('Static shell shown to builds as /bin/sh. Without it busybox is looked for.', { defaultText: '`busybox` on the PATH' })),
      cores: count(0).default(machine.cores).meta(note('`NIX_BUILD_CORES`: how many processes one build may start; 0 means all.', { defaultText: 'the cores' })),
      folder: text().default(under('builds')).meta(note('Folder of the builds\' temporary files; best on the local store\'s file system.')),
      outsideNetwork: choice('isolated', 'host').default('isolated').meta(note('Network of fixed-output builds: one of their own, by slirp4netns, from which neither this machine nor the farm\'s services can be reached, or the machine\'s.')),
      blockedAddresses: list().default([]).meta(note('Further addresses (IPv4, or prefixes such as "10.0.0.0/8") that fixed-output builds must not reach.')),
      allowedAddresses: list().default([]).meta(note('Addresses of this machine or of the farm\'s services that they may reach all the same: a mirror or a proxy.')),
      niceness: count(0).max(19).default(10).meta(note('How far builds (under runc and crun) stand back behind everything else on the machine: 0 not at all, 19 most. With each step a build gets a fifth less of the processors that others want too, as a process and as a cgroup. The farm\'s own processes go first, so that a machine full of compilers still answers, and hands out the next build at once.')),
      keepFailed: flag().default(false).meta(note('Keep the build folder of a failed build, and say where it is.')),
    }).prefault({}).meta(note('How builds are run.')),

    limits: z.strictObject({
      timeoutSeconds: seconds().default(0).meta(note('Time a build may take; 0 for no limit. A derivation\'s `timeout` is the lower of the two.')),
      silentSeconds: seconds().default(0).meta(note('Time a build may go without writing to its log; 0 for no limit.')),
      logBytes: bytes().default(256 * 1024 ** 2).meta(note('Size of a build\'s log at which the build is stopped.', { defaultText: '`"256 MiB"`' })),
      memoryBytes: bytes().default(0).meta(note('Memory of a build; 0 for no limit.')),
      outputBytes: bytes().default(0).meta(note('Size of all outputs of a build together; 0 for no limit.')),
      workerWaitSeconds: seconds().default(3600).meta(note('How long a build waits for a worker of its system and features before it fails with that cause; 0 for no limit.')),
      idleWorkerWaitSeconds: seconds().default(60).meta(note('The same, where no worker has ever said it serves them.')),
    }).prefault({}).meta(note('What a build may use.')),

    fetch: z.strictObject({
      mirrors: z.record(z.string(), z.array(url()), { error: 'a table: beginning of an address = list of addresses to try in its place' }).default({}).meta(note('Beginnings of addresses, and what to try in their place before the original.', { example: '{ "https://ftp.gnu.org/gnu/" = ["https://mirror.example.org/gnu/"] }' })),
      hashedMirrors: z.array(url()).default([]).meta(note('Servers that keep files by hash, as `ADDRESS/sha256/HEX`; asked first.')),
      tries: count(1).default(4).meta(note('Tries at one address before the next one.')),
      connectSeconds: seconds().default(20).meta(note('Time to connect and to begin an answer.')),
      stallSeconds: seconds().default(60).meta(note('Time without a byte after which a download is begun again where it stopped.')),
      netrc: text().optional().meta(note('netrc(5) file with names and passwords of servers.')),
    }).prefault({}).meta(note('Downloads.')),

    evaluator: z.strictObject({
      system: text().default(machine.system).meta(note('`builtins.currentSystem`.', { defaultText: 'the machine\'s' })),
      mode: choice('impure', 'restricted', 'pure').default('restricted').meta(note('What evaluations that come over the API may see unless they ask for less: `restricted` reads its inputs and the store only.')),
      allowedUris: list().default(['http://', 'https://', 'git+https://', 'ssh://', 'file:///nix/store']).meta(note('Beginnings of addresses that a restricted evaluation may fetch from.')),
      allowedPaths: list().default([]).meta(note('Folders of this machine that may be evaluated over the API in place. `["/"]` lets callers name any; `firn up` does that, and sets `mode` to `impure`, for an API that listens on loopback only.')),
      nixVersion: text().default('2.26.0').meta(note('`builtins.nixVersion`: the Nix that expressions see.')),
      memoryBytes: bytes().default(Math.max(512 * 1024 ** 2, Math.floor(machine.memoryBytes / 4))).meta(note('Heap of one evaluator process; a larger evaluation fails with that cause.', { defaultText: 'a quarter of the memory' })),
      processes: count(1).default(machine.cores >= 2 && machine.memoryBytes >= 8 * 1024 ** 3 ? 2 : 1).meta(note('Processes that may share the attributes of one evaluation, each with its own `memoryBytes`. Only evaluations of many attributes that take longer than a moment get a second one.', { defaultText: '2 where there are two cores and 8 GiB of memory, else 1' })),
      residentSeconds: seconds().default(600).meta(note('How long an evaluator that waits for imports keeps its heap; after that it starts again, from its journal, when they are there.')),
      attempts: count(1).default(3).meta(note('How often an evaluator that dies is started again before the evaluation fails.')),
    }).prefault({}).meta(note('Evaluator processes.')),

    api: z.strictObject({
      address: text().default('127.0.0.1').meta(note('Address that the API listens on; `0.0.0.0` for all.')),
      port: port().default(0).meta(note('Port that the API listens on; 0 takes 7780 where it is free, any other where it is not, and the last one used again.')),
      publicUrl: url().optional().meta(note('Address under which others reach the API, for links.')),
      certificate: text().optional().meta(note('PEM file of the API\'s certificate: it then speaks HTTPS.')),
      key: text().optional().meta(note('PEM file of the certificate\'s key.')),
      access: z.enum(['auto', 'open', 'token'], { error: '"auto", "open" or "token"' }).default('auto').meta(note('Who may use the API: `open` anybody, `token` who has a token or has signed in, `auto` anybody where it listens on loopback and like `token` elsewhere.')),
      uploadBytes: bytes().default(4 * 1024 ** 3).meta(note('Largest source that may be uploaded.', { defaultText: '`"4 GiB"`' })),
    }).prefault({}).meta(note('The HTTP API and binary cache.')),

    signIn: z.strictObject({
      sessionDays: z.number({ error: 'a number of days' }).positive().max(366).default(14).meta(note('How long a session is good for.')),
      issuer: url().optional().meta(note('Address of an OpenID Connect provider that users may sign in with.', { example: '"https://login.example.org/realms/team"' })),
      clientId: text().optional().meta(note('The farm\'s name at the provider. Its address to come back to is `api.publicUrl` with `/api/v1/session/openid/callback`.')),
      clientSecret: text().optional().meta(note('The farm\'s secret at the provider; without it the farm is a public client (PKCE is used either way).', { secret: true })),
      title: text().default('OpenID Connect').meta(note('What the button says.')),
      scope: text().default('openid profile email').meta(note('What the provider is asked for.')),
      nameClaim: text().default('preferred_username').meta(note('The claim that names a new user.')),
      makeUsers: flag().default(true).meta(note('Make a user, without any role, of whoever the provider vouches for. Otherwise only users whose `subject` an administrator has set get in.')),
    }).prefault({}).meta(note('How people sign in.')),

    mail: z.strictObject({
      server: url().optional().meta(note('Mail server: `smtp://user:password@host:587`, or `smtps://…`. Without it no mail is sent.', { secret: true, example: '"smtps://firn:…@mail.example.org"' })),
      from: text().optional().meta(note('Address that mail comes from.', { example: '"Firn <firn@example.org>"' })),
    }).prefault({}).meta(note('Mail of how evaluations ended.')),

    notifications: z.strictObject({
      hosts: hosts().default([]).meta(note('Hosts that webhooks and commit statuses may be sent to, `*.example.org` for all below one, with a port where it is not the scheme\'s own. An empty list allows all. Whoever may define a jobset can make the farm ask them.', { example: '["api.github.com", "*.example.org"]' })),
    }).prefault({}).meta(note('News of evaluations to webhooks and forges.')),

    cache: z.strictObject({
      keyFile: text().default(under('keys/cache.secret')).meta(note('Key that signs what the farm serves (`name:base64`, as `nix-store --generate-binary-cache-key` makes them). Made on first start.')),
      open: flag().default(true).meta(note('Serve the binary cache to anybody, also where the API asks for tokens.')),
      priority: count(0).default(40).meta(note('Priority in `nix-cache-info`; clients ask lower ones first.')),
      trustedKeys: list().default([]).meta(note('Public keys whose signature lets an upload in that is not content-addressed.')),
    }).prefault({}).meta(note('The farm\'s own binary cache.')),

    telemetry: z.strictObject({
      otlp: flag().default(true).meta(note('Send traces to the OTLP endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT`, by default `http://localhost:4318`). Nobody listening there does no harm.', { env: 'FIRN_OTLP' })),
      logLevel: choice('trace', 'debug', 'info', 'warn', 'error').default('info').meta(note('Least level of log lines that are written.')),
    }).prefault({}).meta(note('Traces and logs.')),
  })
}

export type Settings = z.output<ReturnType<typeof settingsSchema>>
