import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { FirnError } from '../contract/errors.ts'
import { databaseUrl } from './database-url.ts'
import { describeSettings } from './describe.ts'
import { loadSettings } from './load.ts'
import { settingsReference } from './reference.ts'
import { parseBytes, settingsSchema } from './settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'firn-config-'))
after(() => rmSync(folder, { recursive: true }))

function load(toml: string, environment: NodeJS.ProcessEnv = {}, overrides: Record<string, string> = {}) {
  const file = join(folder, 'firn.toml')
  writeFileSync(file, toml)
  return loadSettings({ file, environment: { HOME: '/home/someone', ...environment }, overrides }).settings
}

function mistake(toml: string, environment: NodeJS.ProcessEnv = {}, overrides: Record<string, string> = {}): string {
  try {
    load(toml, environment, overrides)
  } catch (error) {
    assert.ok(error instanceof FirnError)
    assert.equal(error.kind, 'invalid-input')
    return error.message.replaceAll(folder, '')
  }
  return assert.fail('no mistake was found')
}

describe('settings', () => {
  it('have defaults below the data folder', () => {
    const settings = load('')
    assert.equal(settings.home, '/home/someone/.local/share/firn')
    assert.equal(settings.store.blobs, 'file:///home/someone/.local/share/firn/blobs')
    assert.equal(load('', { XDG_DATA_HOME: '/data' }).home, '/data/firn')
    assert.equal(load('', { FIRN_HOME: '/srv/firn' }).cache.keyFile, '/srv/firn/keys/cache.secret')
    assert.equal(load('home = "~/farm"').builder.folder, '/home/someone/farm/builds')
  })

  it('come from file, environment and command line, the later winning', () => {
    const toml = '[worker]\nslots = 3\nsystems = ["a-linux"]\n[api]\nport = 1\n[store]\nlocalBytes = "2 GiB"\n'
    const settings = load(toml, { FIRN_WORKER_SLOTS: '4', FIRN_API_PORT: '2', FIRN_OTLP: 'false', FIRN_WORKER_FEATURES: 'kvm, big-parallel' }, { 'api.port': '3' })
    assert.equal(settings.worker.slots, 4)
    assert.deepEqual(settings.worker.systems, ['a-linux'])
    assert.deepEqual(settings.worker.features, ['kvm', 'big-parallel'])
    assert.equal(settings.api.port, 3)
    assert.equal(settings.store.localBytes, 2 * 1024 ** 3)
    assert.equal(settings.telemetry.otlp, false)
  })

  it('take paths of the file relative to it, and those of the environment relative to the working folder', () => {
    assert.equal(load('[api]\ncertificate = "tls/api.pem"').api.certificate, join(folder, 'tls/api.pem'))
    assert.equal(load('', { FIRN_API_CERTIFICATE: 'api.pem' }).api.certificate, resolve('api.pem'))
  })

  it('take a table from the environment as JSON', () => {
    assert.deepEqual(load('', { FIRN_FETCH_MIRRORS: '{"https://a/":["https://b/"]}' }).fetch.mirrors, { 'https://a/': ['https://b/'] })
    assert.match(mistake('', { FIRN_FETCH_MIRRORS: 'x' }), /^FIRN_FETCH_MIRRORS: expected a JSON object/)
  })

  const MISTAKES: readonly (readonly [toml: string, message: RegExp])[] = [
    ['[worker\nslots = 1', /^\/firn.toml:1:\d+: /],
    ['[stroe]\nblobs = "memory:"', /^\/firn.toml: unknown setting 'stroe'; did you mean 'store'\?$/],
    ['[worker]\nslot = 3', /unknown setting 'worker.slot'; did you mean 'worker.slots'\?/],
    ['[worker]\nslots = 0', /^\/firn.toml: worker.slots: expected at least 1$/],
    ['[worker]\nslots = "many"', /worker.slots: expected a whole number of at least 1/],
    ['[store]\nblobs = "here"', /store.blobs: expected an address with its scheme/],
    ['[store]\nlocalBytes = "3 zb"', /store.localBytes: expected a number of bytes, or a text such as "20 GiB"/],
    ['[builder]\nruntime = "podman"', /builder.runtime: expected "auto" or "runc" or "crun" or "docker"/],
    ['[worker]\nroles = ["cook"]', /worker.roles.0: expected "schedule"/],
    ['[database]\nurl = "mysql://x"', /database.url: expected an address that begins with postgres:\/\/, for example/],
    ['[notifications]\nhosts = ["https://example.org"]', /notifications.hosts.0: expected a host such as "example.org"/],
    ['[notifications]\nhosts = ["example.org/hooks"]', /notifications.hosts.0: expected a host such as "example.org"/],
    ['worker = 3', /worker: expected/],
  ]
  for (const [toml, message] of MISTAKES) it(`reject ${JSON.stringify(toml)}`, () => assert.match(mistake(toml), message))

  it('take hosts by name, below a name, with a port, and by address', () => {
    const hosts = ['example.org', '*.example.org', 'example.org:8443', '127.0.0.1:8080', '[::1]:8080']
    assert.deepEqual(load(`[notifications]\nhosts = ${JSON.stringify(hosts)}`).notifications.hosts, hosts)
  })

  it('name the variable or option at fault', () => {
    assert.match(mistake('', { FIRN_API_PORT: '99999' }), /^FIRN_API_PORT: api.port: expected at most 65535$/)
    assert.match(mistake('', {}, { 'worker.slots': 'x' }), /^--set worker.slots: worker.slots: expected a whole number/)
    assert.match(mistake('', {}, { 'worker.slotz': '1' }), /unknown setting 'worker.slotz'; did you mean 'worker.slots'\?/)
  })

  it('say which file can\'t be read', () => {
    assert.throws(() => loadSettings({ file: join(folder, 'none.toml'), environment: {} }), /cannot read the settings file .*none\.toml/)
  })

  it('put what TLS needs into the database\'s address', () => {
    const settings = load('[database]\nurl = "postgres://firn@db.example.org/firn"\nauthority = "ca.pem"')
    assert.equal(databaseUrl(settings), `postgres://firn@db.example.org/firn?sslmode=verify-full&sslrootcert=${encodeURIComponent(join(folder, 'ca.pem'))}`)
    assert.throws(() => databaseUrl(load('')), /no database: set database.url/)
  })

  it('have names of variables that differ', () => {
    const names = describeSettings(settingsSchema({ home: '/', cores: 1, memoryBytes: 0, system: 'x', hostName: 'h' })).map((one) => one.env)
    assert.equal(new Set(names).size, names.length)
  })

  it('are described in docs/reference/settings.md as they are', () => {
    const page = readFileSync(resolve(import.meta.dirname, '../docs/reference/settings.md'), 'utf8')
    assert.equal(page, settingsReference(), 'print it again: node config/reference.ts > docs/reference/settings.md')
  })
})

describe('parseBytes', () => {
  it('knows decimal and binary units', () => {
    assert.equal(parseBytes('20 GiB'), 20 * 1024 ** 3)
    assert.equal(parseBytes('1.5kb'), 1500)
    assert.equal(parseBytes('12'), 12)
    assert.equal(parseBytes('GiB'), undefined)
    assert.equal(parseBytes('-1'), undefined)
  })
})
