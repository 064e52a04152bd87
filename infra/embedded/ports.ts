/** Ring: infra. TCP ports of this machine that nobody listens on. Another program may take one before its finder does. */
import { createServer } from 'node:net'

/** Listens on a port for a moment (0 for any) and gives the one it was; undefined where it is taken. */
export async function listenOnce(port: number, address = '127.0.0.1'): Promise<number | undefined> {
  return await new Promise((end) => {
    const server = createServer()
    server.once('error', () => end(undefined))
    server.listen(port, address, () => {
      const bound = server.address()
      server.close(() => end(typeof bound === 'object' && bound !== null ? bound.port : undefined))
    })
  })
}

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const port = await listenOnce(0)
  if (port === undefined) throw new Error('no free port on 127.0.0.1')
  return port
}
