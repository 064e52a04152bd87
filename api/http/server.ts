/**
 * Ring: api. The HTTP(S) listener around the express application: ports, time-outs, and an end that lets answers finish.
 */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import { FirnError } from '../../contract/errors.ts'

export interface ListenSettings {
  readonly address: string
  /** 0 takes the first of `preferredPorts` that is free, else any. */
  readonly port: number
  readonly preferredPorts: readonly number[]
  readonly certificate?: string | undefined
  readonly key?: string | undefined
}

export interface Listener {
  /** `http://address:port`, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** Stops accepting, waits up to `graceMilliseconds` for answers under way, then cuts them off. */
  close(graceMilliseconds: number): Promise<void>
}

/** Clients that keep connections (Nix does) should close first, so that no request meets a closing socket. */
const KEEP_ALIVE_MILLISECONDS = 75_000
/** A query string of long texts, each byte percent-encoded, fits; Node's own limit answers without saying what is too long. */
const HEAD_BYTES = 64 * 1024

export async function listen(app: Express, settings: ListenSettings): Promise<Listener> {
  const secure = settings.certificate !== undefined && settings.key !== undefined
  const server: Server = secure
    ? createSecureServer({ cert: readFileSync(settings.certificate), key: readFileSync(settings.key), maxHeaderSize: HEAD_BYTES }, app)
    : createServer({ noDelay: true, maxHeaderSize: HEAD_BYTES }, app)
  server.keepAliveTimeout = KEEP_ALIVE_MILLISECONDS
  server.headersTimeout = 30_000
  // uploads and followed logs take as long as they take; a peer that vanished is found by TCP keep-alive
  server.requestTimeout = 0
  server.on('connection', (socket) => socket.setKeepAlive(true, 30_000))

  const candidates = settings.port === 0 ? [...settings.preferredPorts, 0] : [settings.port]
  for (const [index, port] of candidates.entries()) {
    try {
      await bind(server, settings.address, port)
      break
    } catch (error) {
      const busy = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      if (busy && index < candidates.length - 1) continue
      throw new FirnError(busy ? 'conflict' : 'unavailable', `cannot listen on ${settings.address}:${port}: ${(error as Error).message}`, { cause: error })
    }
  }
  const { port } = server.address() as AddressInfo
  const host = settings.address === '0.0.0.0' || settings.address === '::' ? '127.0.0.1' : settings.address
  return {
    url: `${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    close: (graceMilliseconds) => new Promise((resolve) => {
      const cutOff = setTimeout(() => server.closeAllConnections(), graceMilliseconds)
      // an answer that ends now leaves a connection that its client keeps open
      const sweep = setInterval(() => server.closeIdleConnections(), 25)
      server.close(() => {
        clearTimeout(cutOff)
        clearInterval(sweep)
        resolve()
      })
    }),
  }
}

function bind(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
