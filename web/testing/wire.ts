/** A connection to a server that can be cut and mended: what a browser sees when the farm, or the way to it, goes away. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'

export interface Wire {
  readonly url: string
  /** Ends all connections, and refuses new ones. */
  cut(): void
  /** To another server, if one is given. */
  mend(target?: string): Promise<void>
  close(): Promise<void>
}

export async function startWire(target: string): Promise<Wire> {
  let { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket))
  }
  const serve = async (at: number): Promise<Server> => {
    const server = createServer((near) => {
      const far = connect(Number(port), hostname)
      keep(near)
      keep(far)
      near.once('close', () => far.destroy())
      far.once('close', () => near.destroy())
      near.pipe(far).pipe(near)
    })
    await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(at, '127.0.0.1', resolve) })
    return server
  }
  let server: Server | undefined = await serve(0)
  const at = (server.address() as AddressInfo).port
  const cut = (): void => {
    server?.close()
    server = undefined
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `http://127.0.0.1:${at}`, cut,
    mend: async (other) => {
      if (other !== undefined) ({ hostname, port } = new URL(other))
      server ??= await serve(at)
    },
    close: async () => { await Promise.resolve(cut()) },
  }
}
