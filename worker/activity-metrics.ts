/** Ring: worker. Counts activities and their time, by how they ended. */
import { CancelledFailure } from '@temporalio/common'
import type { ActivityInterceptorsFactory } from '@temporalio/worker'
import type { FarmFigures } from '../activities/figures.ts'

export function activityMetrics(figures: FarmFigures): ActivityInterceptorsFactory {
  return (context) => ({
    inbound: {
      execute: async (input, next) => {
        const activity = context.info.activityType
        const start = performance.now()
        figures.activities.running.inc({ activity })
        let outcome = 'succeeded'
        try {
          const result = await next(input)
          if (typeof result === 'object' && result !== null && 'status' in result && result.status === 'failed') outcome = 'failed'
          return result
        } catch (error) {
          outcome = error instanceof CancelledFailure ? 'cancelled' : 'fault'
          throw error
        } finally {
          figures.activities.running.dec({ activity })
          figures.activities.duration.observe({ activity, outcome }, (performance.now() - start) / 1000)
        }
      },
    },
  })
}
