/**
 * Ring: cli. The view of a running evaluation on a terminal: a part that is drawn again and again. A file of its own since its library takes
 * a tenth of a command's time to load.
 */
import { createLogUpdate } from 'log-update'
import type { LiveModel } from './model.ts'
import { drawModel, type LiveView, noticeLines } from './views.ts'

/** Draws ten times a second on standard error; what is to stay scrolls away above. */
export function terminalView(title: string, model: LiveModel): LiveView {
  const update = createLogUpdate(process.stderr, { showCursor: true })
  const startedAt = Date.now()
  let waiting = 0
  const draw = (): void => update(drawModel(title, model, waiting, startedAt, Date.now(), process.stderr.columns || 80, process.stderr.rows || 24))
  const timer = setInterval(draw, 100)
  draw()
  return {
    notice: (notice) => {
      const lines = noticeLines(notice, false)
      if (lines.length === 0) return
      update.clear()
      process.stderr.write(`${lines.join('\n')}\n`)
      draw()
    },
    waiting: (count) => {
      waiting = count
    },
    end: () => {
      clearInterval(timer)
      update.clear()
      update.done()
    },
  }
}
