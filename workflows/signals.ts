/** Ring: workflows. The one signal: what a workflow waited for has ended. state/motion.ts sends it. */
import { defineSignal } from '@temporalio/workflow'
import type { WakeSignal } from '../contract/workflows.ts'

export const wake = defineSignal<[WakeSignal]>('wake')
