/** A collector of OpenTelemetry spans over OTLP/HTTP, for tests: keeps what any process sends. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'

export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty or absent for the root of a trace. */
  readonly parentSpanId?: string
  readonly name: string
  readonly service: string
  readonly attributes: Readonly<Record<string, string | number | boolean | undefined>>
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  /** Nanoseconds since 1970. */
  readonly start: bigint
  readonly end: bigint
}

export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string
  readonly spans: readonly CollectedSpan[]
  close(): void
}

interface Attribute { key: string; value: { stringValue?: string; intValue?: number | string; boolValue?: boolean; doubleValue?: number } }
interface Sent { traceId: string; spanId: string; parentSpanId?: string; name: string; attributes?: Attribute[]; links?: { traceId: string; spanId: string }[]; startTimeUnixNano: string; endTimeUnixNano: string }
interface Export { resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: Sent[] }[] }[] }

export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts)
      const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString()
      for (const { resource, scopeSpans } of (JSON.parse(text) as Export).resourceSpans) {
        const service = String(valuesOf(resource.attributes)['service.name'])
        for (const sent of scopeSpans.flatMap((scope) => scope.spans)) {
          const { traceId, spanId, parentSpanId, name } = sent
          spans.push({
            traceId, spanId, name, service, links: sent.links ?? [], attributes: valuesOf(sent.attributes ?? []),
            start: BigInt(sent.startTimeUnixNano), end: BigInt(sent.endTimeUnixNano), ...(parentSpanId ? { parentSpanId } : {}),
          })
        }
      }
      response.setHeader('Content-Type', 'application/json').end('{}')
    })
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

function valuesOf(attributes: readonly Attribute[]): CollectedSpan['attributes'] {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.boolValue ?? (value.intValue === undefined ? value.doubleValue : Number(value.intValue))]))
}
