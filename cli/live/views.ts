/** Ring: cli. What is shown of a running evaluation, and the view for logs: lines. Terminals have one of their own (terminal-view.ts). */
import { stripVTControlCharacters } from 'node:util'
import colors from 'picocolors'
import { formatBytes, formatSeconds, stateColor } from '../output.ts'
import { describeOutcome, type LiveModel, type Notice, type RunningBuild } from './model.ts'

export interface LiveView {
  notice(notice: Notice): void
  /** Figures beside the events: nodes that wait for inputs. */
  waiting(count: number): void
  /** Clears what is drawn. */
  end(): void
}

/** One line when something starts, ends or fails; for files, pipes and continuous integration. */
export function plainView(write: (line: string) => void): LiveView {
  return {
    notice: (notice) => {
      for (const line of noticeLines(notice, true)) write(line)
    },
    waiting: () => undefined,
    end: () => undefined,
  }
}

/** Lines that a notice is worth: on a terminal failures and messages only, since the rest is drawn. */
export function noticeLines(notice: Notice, plain: boolean): string[] {
  switch (notice.kind) {
    case 'started':
      return plain ? [`${notice.build.name} (build ${notice.build.id}): ${notice.build.step} on ${notice.build.worker}`] : []
    case 'ended': {
      const { name, id, seconds, outcome } = notice.build
      const time = seconds === undefined ? '' : ` after ${formatSeconds(seconds)}`
      if (outcome.status === 'succeeded') return plain && outcome.how !== 'valid' ? [`${name} (build ${id}): ${outcome.how}${time}`] : []
      // what failed because of this is told in the summary, once
      if (outcome.cause.kind === 'dependency-failed' && !plain) return []
      const tail = plain && outcome.cause.kind === 'dependency-failed' ? [] : (outcome.logTail ?? []).map((line) => `  ${colors.dim('│')} ${line}`)
      return [`${colors.red('✗')} ${colors.bold(name)} (build ${id})${time}: ${describeOutcome(outcome)}`, ...tail]
    }
    case 'job-error':
      return [`${colors.red('✗')} ${colors.bold(notice.attr === '' ? 'evaluation' : notice.attr)}: ${notice.error}`]
    case 'message':
      return [`${notice.level === 'warn' ? colors.yellow('warning:') : colors.dim('trace:')} ${notice.text}`]
    case 'state':
      return plain ? [`evaluation: ${notice.state}`] : []
  }
}

/** The drawn part, at most as high as the terminal. Exported for its test. */
export function drawModel(title: string, model: LiveModel, waiting: number, startedAt: number, now: number, columns: number, rows: number): string {
  const { ended } = model
  const done = ended.built + ended.fetched + ended.substituted
  const head = [
    `${colors.bold(title)}  ${stateColor(model.state)}  ${formatSeconds((now - startedAt) / 1000)}`,
    `  attributes  ${model.attributesDone || model.jobsFound} evaluated${part(model.attributesWaiting, 'waiting')}${part(model.needsOutstanding, 'imports outstanding')}${part(model.jobErrors, 'failed', colors.red)}`,
    `  nodes       ${done} done${part(model.running.size, 'running', colors.cyan)}${part(model.queued.size, 'queued')}${part(waiting, 'waiting')}${part(ended.failed, 'failed', colors.red)}`,
    `  moved       ${formatBytes(model.fetchedBytes)} fetched, ${formatBytes(model.uploadedBytes)} uploaded`,
  ]
  const room = Math.max(1, Math.min(16, rows - head.length - 2))
  // the longest first: they are what one waits for
  const running = [...model.running.values()].sort((a, b) => a.since - b.since)
  const shown = running.slice(0, running.length > room ? room - 1 : room).map((build) => runningLine(build, now))
  if (running.length > shown.length) shown.push(colors.dim(`  … and ${running.length - shown.length} more`))
  return [...head, ...shown].map((line) => cut(line, columns)).join('\n')
}

function part(count: number, what: string, color: (text: string) => string = (text) => text): string {
  return count === 0 ? '' : `, ${color(`${count} ${what}`)}`
}

function runningLine(build: RunningBuild, now: number): string {
  const { fetchedBytes, totalBytes } = build.figures
  const progress = typeof fetchedBytes === 'number' && fetchedBytes > 0 ? `  ${formatBytes(fetchedBytes)}${typeof totalBytes === 'number' ? ` of ${formatBytes(totalBytes)}` : ''}` : ''
  return `  ${colors.cyan(build.step.padEnd(12))}${build.name}  ${colors.dim(formatSeconds((now - build.since) / 1000))}${colors.dim(progress)}`
}

/** Cut at a width that colours don't count in; what is cut loses them. */
function cut(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line)
  return plain.length < columns ? line : `${plain.slice(0, columns - 2)}…`
}
