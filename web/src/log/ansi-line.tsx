/** Ring: web. One line of a log with its colours: spans, never markup. Of a line that was written over, what was last. */
import Anser from 'anser'

const LONGEST = 5000

export function AnsiLine({ text, mark }: { readonly text: string; readonly mark: string }) {
  const last = text.replace(/\r+$/, '').split('\r').at(-1)!.slice(0, LONGEST)
  if (!last.includes('\u001b')) return <>{marked(last, mark)}</>
  return <>{Anser.ansiToJson(last, { use_classes: true, remove_empty: true }).map((part, index) => (
    <span key={index} className={[part.fg && `ansi-${part.fg.replace('ansi-', '')}`, ...part.decorations.map((one) => `ansi-${one}`)].filter(Boolean).join(' ') || undefined}>{marked(part.content.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, ''), mark)}</span>
  ))}</>
}

function marked(text: string, mark: string) {
  if (mark === '') return text
  const parts: (string | React.ReactElement)[] = []
  const lower = text.toLowerCase()
  const wanted = mark.toLowerCase()
  let from = 0
  for (let at = lower.indexOf(wanted); at !== -1; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + wanted.length)}</mark>)
    from = at + wanted.length
  }
  parts.push(text.slice(from))
  return parts
}
