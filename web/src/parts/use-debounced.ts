/** Ring: web. A text that follows its input after a pause, so that typing asks the farm once. */
import { useEffect, useState } from 'react'

export function useDebounced(value: string, milliseconds: number, onChange: (value: string) => void): readonly [string, (value: string) => void] {
  const [text, setText] = useState(value)
  useEffect(() => { setText(value) }, [value])
  useEffect(() => {
    if (text === value) return
    const timer = setTimeout(() => onChange(text), milliseconds)
    return () => clearTimeout(timer)
    // onChange is new with each render and only called after a pause
     
  }, [text, value, milliseconds])
  return [text, setText]
}
