/** Ring: web (playground). The worker as a hook: the newest request wins, and one that takes too long for its successor is ended. */
import { useCallback, useEffect, useRef, useState } from 'react'
import type { EvaluateRequest, EvaluateResult, Files } from './protocol.ts'

export interface EvaluatorState {
  readonly result: EvaluateResult | undefined
  readonly running: boolean
  /** The worker ended without an answer. */
  readonly crashed: string | undefined
}

export function useEvaluator(): EvaluatorState & { run(files: Files, system: string): void; stop(): void } {
  const worker = useRef<Worker>(undefined)
  const newest = useRef(0)
  const busy = useRef(false)
  const [state, setState] = useState<EvaluatorState>({ result: undefined, running: false, crashed: undefined })

  const end = useCallback(() => {
    worker.current?.terminate()
    worker.current = undefined
    busy.current = false
  }, [])

  const start = useCallback((): Worker => {
    const made = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
    made.onmessage = ({ data }: MessageEvent<EvaluateResult>) => {
      busy.current = false
      if (data.id === newest.current) setState({ result: data, running: false, crashed: undefined })
    }
    made.onerror = (event) => {
      event.preventDefault()
      end()
      setState((before) => ({ ...before, running: false, crashed: event.message || 'the evaluator ended' }))
    }
    return made
  }, [end])

  const run = useCallback((files: Files, system: string) => {
    // what is being evaluated is of no interest any more
    if (busy.current) end()
    worker.current ??= start()
    busy.current = true
    newest.current++
    worker.current.postMessage({ id: newest.current, files, system } satisfies EvaluateRequest)
    setState((before) => ({ ...before, running: true, crashed: undefined }))
  }, [end, start])

  const stop = useCallback(() => {
    if (!busy.current) return
    end()
    setState((before) => ({ ...before, running: false, crashed: 'stopped' }))
  }, [end])

  useEffect(() => end, [end])
  return { ...state, run, stop }
}
