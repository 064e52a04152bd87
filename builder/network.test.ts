/** What builds reach: nothing, or for fixed outputs the outside but neither this machine nor its services. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { FirnError } from '../contract/errors.ts'
import { blockedAddresses, HOST_LOOPBACK_INSIDE } from './container/outside-network.ts'
import { resolvConf } from './container/root-folder.ts'
import { isInstalled, programOnPath } from './container/runtime.ts'
import { openTestDriver, runForLog, shellRequest } from './testing/fixtures.ts'
import type { RuncSettings } from './runc.ts'

const OWN = Object.values(networkInterfaces()).flatMap((list) => list ?? []).find(({ family, internal }) => family === 'IPv4' && !internal)?.address

/** Prints a greeting for each of these addresses that answers. */
function tryAll(addresses: readonly string[], port: number): string {
  return addresses.map((address) => `echo "${address}: $(nc -w 2 ${address} ${port} </dev/null 2>/dev/null)"`).join('\n')
}

const HAS = { slirp4netns: await isInstalled('slirp4netns'), runc: await isInstalled('runc'), crun: await isInstalled('crun') }

describe('network of builds', () => {
  const port = async (): Promise<number> => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }
  let server: Server
  before(async () => {
    server = createServer((socket) => socket.on('error', () => {}).end('hello\n')).listen(0, '0.0.0.0')
    await once(server, 'listening')
  })
  after(() => void server.close())

  const runWith = async (settings: Partial<RuncSettings>, script: string, network: 'none' | 'outside'): Promise<string> => {
    const { driver, close } = await openTestDriver(settings)
    try {
      return (await runForLog(driver, shellRequest(script, { network }))).log
    } finally {
      await close()
    }
  }

  test('a build that may not download reaches nothing but its own loopback', async () => {
    const log = await runWith({}, `${tryAll(['127.0.0.1', ...(OWN ? [OWN] : [])], await port())}\n(echo inside | nc -l -p 7777) & sleep 0.3; nc 127.0.0.1 7777 </dev/null; cat /etc/hosts`, 'none')
    assert.equal(log, `127.0.0.1: \n${OWN ? `${OWN}: \n` : ''}inside\n127.0.0.1 localhost\n::1 localhost\n`)
  })

  describe('of fixed outputs', { skip: !HAS.slirp4netns && 'slirp4netns is not installed' }, () => {
    for (const runtime of ['runc', 'crun'] as const) {
      test(`they reach neither the loopback nor other addresses of this machine (${runtime})`, { skip: !HAS[runtime] }, async () => {
        const addresses = ['127.0.0.1', HOST_LOOPBACK_INSIDE, ...(OWN ? [OWN] : [])]
        const log = await runWith({ runtime }, `${tryAll(addresses, await port())}; ifconfig tap0 | grep -o 'inet addr:[0-9.]*'; ls /etc`, 'outside')
        assert.equal(log, `${addresses.map((address) => `${address}: \n`).join('')}inet addr:10.0.2.100\ngroup\nhosts\nnsswitch.conf\npasswd\nresolv.conf\nservices\nssl\n`)
      })
    }

    test('they reach the outside: an address that isn\'t blocked', { skip: OWN === undefined && 'this machine has no address but its loopback' }, async () => {
      const log = await runWith({ allowedAddresses: [OWN!] }, tryAll([OWN!, '127.0.0.1'], await port()), 'outside')
      assert.equal(log, `${OWN}: hello\n127.0.0.1: \n`)
    })

    test('the farm\'s services can be blocked, and the loopback allowed for mirrors on the machine', async () => {
      assert.equal(await runWith({ allowHostLoopback: true }, tryAll([HOST_LOOPBACK_INSIDE], await port()), 'outside'), `${HOST_LOOPBACK_INSIDE}: hello\n`)
      assert.equal(await runWith({ allowHostLoopback: true, blockedAddresses: [HOST_LOOPBACK_INSIDE] }, tryAll([HOST_LOOPBACK_INSIDE], await port()), 'outside'), `${HOST_LOOPBACK_INSIDE}: \n`)
    })

    test('abstract unix sockets of the machine can\'t be reached', async () => {
      const name = `firn-test-${process.pid}`
      const abstract = createServer((socket) => socket.on('error', () => {}).end()).listen(`\0${name}`)
      await once(abstract, 'listening')
      try {
        assert.equal(await runWith({}, 'grep -c firn-test /proc/net/unix', 'outside'), '0\n')
        assert.match(await runWith({ outsideNetwork: 'host' }, 'grep -c firn-test /proc/net/unix', 'outside'), /^[1-9]/)
      } finally {
        abstract.close()
      }
    })

    test('a build can\'t change its routes, also not as root of a namespace it makes', async () => {
      const log = await runWith({}, `ip route del unreachable 169.254.0.0/16 2>&1; unshare -Ur ip route del unreachable 169.254.0.0/16 2>&1; ip route | grep -c unreachable`, 'outside')
      assert.match(log, /Operation not permitted\n(.*\n)*[1-9]\d*\n$/)
    })
  })

  test('the machine\'s own network only where the setting says so', async () => {
    assert.equal(await runWith({ outsideNetwork: 'host' }, tryAll(['127.0.0.1'], await port()), 'outside'), '127.0.0.1: hello\n')
    assert.equal(await runWith({ outsideNetwork: 'host' }, tryAll(['127.0.0.1'], await port()), 'none'), '127.0.0.1: \n')
  })

  test('without slirp4netns a build that downloads is refused, with what to install', async () => {
    const tools = mkdtempSync(join(tmpdir(), 'firn-tools-'))
    for (const tool of ['runc', 'rm', 'sh', 'cat', 'grep', 'mount', 'umount', 'unshare', 'nsenter', 'setarch', 'mkfifo', 'mknod', 'busybox']) symlinkSync(programOnPath(tool)!, join(tools, tool))
    const path = process.env['PATH']
    process.env['PATH'] = tools
    try {
      const { driver, close } = await openTestDriver()
      try {
        await assert.rejects(driver.run(shellRequest('true', { network: 'outside' })), (error) => error instanceof FirnError && error.kind === 'missing-requirement' && error.message.includes('apt-get install slirp4netns'))
        assert.equal((await runForLog(driver, shellRequest('echo still works'))).log, 'still works\n')
      } finally {
        await close()
      }
    } finally {
      process.env['PATH'] = path
      rmSync(tools, { recursive: true })
    }
  })
})

test('blocked addresses are the machine\'s own, those of metadata services, and the farm\'s', () => {
  const interfaces = { lo: [ipv4('127.0.0.1', true)], eth0: [ipv4('192.0.2.7'), { ...ipv4('fe80::1'), family: 'IPv6' as const, scopeid: 0 }] }
  const settings = { blockedAddresses: ['10.1.0.0/16', 'db.example.org', '192.0.2.8'], allowedAddresses: ['192.0.2.8'], allowHostLoopback: false }
  assert.deepEqual(blockedAddresses(settings, interfaces), ['169.254.0.0/16', '192.0.2.7/32', '10.1.0.0/16'])
})

function ipv4(address: string, internal = false) {
  return { address, internal, family: 'IPv4' as const, netmask: '', mac: '', cidr: null }
}

test('a build in a network of its own asks that network\'s name server', () => {
  assert.equal(resolvConf('search a\nnameserver 127.0.0.53\n nameserver 9.9.9.9\noptions x\n', '10.0.2.3'), 'nameserver 10.0.2.3\nsearch a\noptions x\n')
  assert.equal(resolvConf('nameserver 127.0.0.53\n', undefined), 'nameserver 127.0.0.53\n')
})
