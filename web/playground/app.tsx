/** Ring: web (playground). The page: files on one side, what they evaluate to on the other. Upstream counterpart: Tvixbolt. */
import { Tabs } from '@base-ui/react/tabs'
import { useCallback, useEffect, useRef, useState } from 'react'
import { Editor, type EditorHandle } from './editor.tsx'
import { EXAMPLES } from './examples.ts'
import { type EvaluateResult, type Files, MAIN_FILE } from './protocol.ts'
import { fragmentOf, sharedOf } from './share.ts'
import { Tree } from './tree.tsx'
import { useEvaluator } from './use-evaluator.ts'

/** From the last key to the evaluation. */
const PAUSE_MILLISECONDS = 250
const SYSTEMS = ['x86_64-linux', 'aarch64-linux', 'i686-linux', 'x86_64-darwin', 'aarch64-darwin']
const FILE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,60}$/

export function App() {
  const [files, setFiles] = useState<Files>()
  const [system, setSystem] = useState('x86_64-linux')
  const [file, setFile] = useState(MAIN_FILE)
  const [copied, setCopied] = useState('')
  const editor = useRef<EditorHandle>(null)
  const { result, running, crashed, run, stop } = useEvaluator()

  const open = useCallback((next: Files) => {
    setFiles(next)
    setFile(MAIN_FILE)
  }, [])
  useEffect(() => {
    const load = async (): Promise<void> => {
      const shared = await sharedOf(location.hash)
      if (shared) setSystem(shared.system)
      open(shared?.files ?? EXAMPLES[0]!.files)
    }
    void load()
    const changed = (): void => { void load() }
    addEventListener('hashchange', changed)
    return () => removeEventListener('hashchange', changed)
  }, [open])
  useEffect(() => {
    if (!files) return
    const timer = setTimeout(() => run(files, system), PAUSE_MILLISECONDS)
    return () => clearTimeout(timer)
  }, [files, system, run])

  if (!files) return null
  const problem = result?.problem
  const place = problem?.place?.file === file ? problem.place : undefined
  const reveal = (position: number, where = MAIN_FILE): void => {
    setFile(where)
    requestAnimationFrame(() => editor.current?.reveal(position))
  }
  const share = async (): Promise<void> => {
    history.replaceState(null, '', await fragmentOf({ files, system }))
    await navigator.clipboard.writeText(location.href).then(() => setCopied('Link copied.'), () => setCopied('The link is in the address bar.'))
  }

  return (
    <div className="playground">
      <header className="bar">
        <a className="brand" href="../"><Mark />Firn</a>
        <h1>Playground</h1>
        <span className="grow" />
        <label><span className="visually-hidden">Open an example</span>
          <select className="field" value="" onChange={(event) => { const found = EXAMPLES.find((one) => one.name === event.target.value); if (found) open(found.files) }}>
            <option value="" disabled>Examples…</option>
            {EXAMPLES.map(({ name, title }) => <option key={name} value={name}>{title}</option>)}
          </select>
        </label>
        <label><span className="visually-hidden">System</span>
          <select className="field" value={system} onChange={(event) => setSystem(event.target.value)}>{SYSTEMS.map((name) => <option key={name}>{name}</option>)}</select>
        </label>
        <button type="button" className="button" onClick={() => { void share() }}>Copy link</button>
        {running
          ? <button type="button" className="button danger" onClick={stop}>Stop</button>
          : <button type="button" className="button primary" onClick={() => run(files, system)} title="Ctrl+Enter">Evaluate</button>}
      </header>
      <main className="halves">
        <section className="half" aria-label="Files">
          <FileTabs files={files} file={file} onOpen={setFile} onChange={setFiles} />
          <Editor file={file} text={files[file] ?? ''} problem={place && { position: place.position, message: problem!.message }} handle={editor}
            onChange={(text) => setFiles((before) => (before?.[file] === text ? before : { ...before, [file]: text }))} onRun={() => run(files, system)} />
        </section>
        <section className="half" aria-label="What it evaluates to">
          <Results result={result} crashed={crashed} running={running} onReveal={reveal} />
        </section>
      </main>
      <footer className="status">
        <span role="status">{crashed === 'stopped' ? 'Stopped.' : crashed !== undefined ? `The evaluator ended: ${crashed}` : running ? 'Evaluating…' : result ? `${result.problem ? 'Failed' : result.needs.length > 0 ? 'Waits' : 'Evaluated'} in ${result.milliseconds.toFixed(result.milliseconds < 10 ? 1 : 0)} ms` : ''} {copied}</span>
        <span className="soft">Everything happens in this page: nothing is sent, nothing is built.</span>
      </footer>
    </div>
  )
}

function FileTabs({ files, file, onOpen, onChange }: { readonly files: Files; readonly file: string; readonly onOpen: (name: string) => void; readonly onChange: (files: Files) => void }) {
  const add = (): void => {
    const name = prompt('Name of the new file', 'lib.nix')
    if (name === null || !FILE_NAME.test(name)) return
    if (!(name in files)) onChange({ ...files, [name]: '' })
    onOpen(name)
  }
  const remove = (): void => {
    onChange(Object.fromEntries(Object.entries(files).filter(([name]) => name !== file)))
    onOpen(MAIN_FILE)
  }
  return (
    <nav className="tabs padded" aria-label="Files">
      {Object.keys(files).map((name) => <button key={name} type="button" className="tab mono" aria-current={name === file ? 'page' : undefined} onClick={() => onOpen(name)}>{name}</button>)}
      <span className="grow" />
      {file !== MAIN_FILE && <button type="button" className="tab" onClick={remove}>Remove file</button>}
      <button type="button" className="tab" onClick={add}>Add file</button>
    </nav>
  )
}

type Reveal = (position: number, file?: string) => void

function Results({ result, crashed, running, onReveal }: { readonly result: EvaluateResult | undefined; readonly crashed: string | undefined; readonly running: boolean; readonly onReveal: Reveal }) {
  const derivations = result?.derivations.length ?? 0
  return (
    <Tabs.Root defaultValue="result" className="results" data-running={running || undefined}>
      <Tabs.List className="tabs padded">
        <Tabs.Tab className="tab" value="result">Result</Tabs.Tab>
        <Tabs.Tab className="tab" value="derivations">Derivations<span className="count">{derivations}</span></Tabs.Tab>
        <Tabs.Tab className="tab" value="syntax">Syntax tree</Tabs.Tab>
        <Tabs.Tab className="tab" value="compiled">Compiled form</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel className="panel" value="result">
        {crashed !== undefined && <p className="soft">{crashed === 'stopped' ? 'Stopped. Evaluate again, or go on typing.' : 'The worker ended, probably out of memory. Evaluate again to start another.'}</p>}
        {crashed === undefined && result?.problem && (
          <div className="problem">
            {result.problem.place && <button type="button" className="button" onClick={() => onReveal(result.problem!.place!.position, result.problem!.place!.file)}>Show in {result.problem.place.file}</button>}
            <pre tabIndex={0} aria-label="Error">{result.problem.text}</pre>
          </div>
        )}
        {crashed === undefined && result && result.needs.length > 0 && (
          <div className="needs">
            <p>{result.value ? 'Parts of this wait' : 'This waits'} for something that a farm would build or download meanwhile:</p>
            <ul>{result.needs.map((need) => <li key={need}><code>{need}</code></li>)}</ul>
          </div>
        )}
        {crashed === undefined && result?.value && <><p className="soft note">This is {result.value.type}.</p><pre className="value" tabIndex={0} aria-label="Value">{result.value.text}</pre></>}
        {result && result.traces.length > 0 && <><h2>Traces</h2><pre tabIndex={0} aria-label="Traces">{result.traces.map(({ level, text }) => `${level === 'warn' ? 'warning' : 'trace'}: ${text}`).join('\n')}</pre></>}
      </Tabs.Panel>
      <Tabs.Panel className="panel" value="derivations">
        {derivations === 0 && <p className="soft">No derivation was evaluated. <code>derivation {'{ … }'}</code> makes one when its path is asked for.</p>}
        {result?.derivations.map((one) => (
          <article key={one.drvPath} className="derivation">
            <h2>{one.name} <span className="soft note">{one.system}</span></h2>
            <dl>
              <dt>derivation</dt><dd><code>{one.drvPath}</code></dd>
              {Object.entries(one.outputs).map(([output, path]) => <div key={output}><dt>{output}</dt><dd><code>{path ?? 'known once it is built'}</code></dd></div>)}
            </dl>
            <details><summary>ATerm, {one.aterm.length} bytes</summary><pre tabIndex={0}>{brokenAterm(one.aterm)}</pre></details>
          </article>
        ))}
      </Tabs.Panel>
      <Tabs.Panel className="panel" value="syntax">{result?.syntax ? <Tree root={result.syntax} onReveal={onReveal} label="Syntax tree" /> : <p className="soft">The text does not parse.</p>}</Tabs.Panel>
      <Tabs.Panel className="panel" value="compiled">
        <p className="soft note">Variables are slots of frames; what is not needed at once is a thunk, compiled when something asks for it.</p>
        {result?.compiled ? <Tree root={result.compiled} onReveal={onReveal} label="Compiled form" /> : <p className="soft">The text does not parse.</p>}
      </Tabs.Panel>
    </Tabs.Root>
  )
}

/** A line for each part; strings stay whole. */
function brokenAterm(aterm: string): string {
  return aterm.replace(/"(?:[^"\\]|\\.)*"|\),\(|\],/g, (match) => (match === '),(' ? '),\n  (' : match === '],' ? '],\n ' : match))
}

function Mark() {
  return <svg viewBox="0 0 24 24" aria-hidden="true"><path fill="var(--accent)" d="M4 4.5 20 3v4.2L4 8.7z" /><path fill="var(--accent)" opacity=".7" d="M4 10.7 20 9.2v3.4L4 14.1z" /><path fill="var(--accent)" opacity=".45" d="M4 16.1 20 14.6v2.4L4 18.5z" /><path fill="var(--accent)" opacity=".28" d="M4 20.2 20 18.7v1.5L4 21.7z" /></svg>
}
