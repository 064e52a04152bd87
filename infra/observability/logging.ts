/**
 * Structured logs with pino: JSON lines, or readable ones where a person looks on (a terminal). Each line carries the active
 * trace's id, so that a log line leads to its trace. Logs of builds are something else: they are kept in the store.
 */
import { trace } from '@opentelemetry/api'
import { type DestinationStream, type Logger, pino } from 'pino'
import { PinoPretty } from 'pino-pretty'

export interface LogSettings {
  /** Name of the process in each line, for example `api`. */
  readonly name: string
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** Readable lines; without it they are readable on a terminal only. */
  readonly pretty?: boolean
  /** Where to write; stderr, since stdout belongs to what a command prints. */
  readonly destination?: DestinationStream & NodeJS.WritableStream
}

/** Never in a log, whatever object they come in. */
const SECRET = ['req.headers.authorization', 'req.headers.cookie', '*.password', '*.token', '*.secret', '*.apiKey']

export function createLogger(settings: LogSettings): Logger {
  const destination = settings.destination ?? pino.destination({ fd: 2, sync: true })
  const pretty = settings.pretty ?? (settings.destination === undefined && process.stderr.isTTY === true)
  return pino({
    name: settings.name,
    level: settings.level,
    timestamp: pino.stdTimeFunctions.isoTime,
    base: { pid: process.pid },
    redact: { paths: SECRET, censor: '…' },
    serializers: { err: pino.stdSerializers.errWithCause, error: pino.stdSerializers.errWithCause },
    mixin: () => {
      const span = trace.getActiveSpan()?.spanContext()
      return span ? { traceId: span.traceId, spanId: span.spanId } : {}
    },
  }, pretty ? PinoPretty({ destination, ignore: 'pid,traceId,spanId', colorize: settings.destination === undefined, singleLine: true, translateTime: 'SYS:HH:MM:ss' }) : destination)
}
