/** Ring: web (playground). CodeMirror as a component: one editor, a document for each file. */
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { bracketMatching, indentUnit } from '@codemirror/language'
import { type Diagnostic, setDiagnostics } from '@codemirror/lint'
import { EditorState, type Extension } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from '@codemirror/view'
import { useEffect, useImperativeHandle, useRef, type Ref } from 'react'
import { nixHighlighting, nixLanguage } from './nix-language.ts'

export interface EditorHandle {
  /** Puts the cursor there and shows it. */
  reveal(position: number): void
}

interface EditorProps {
  readonly file: string
  readonly text: string
  readonly problem: { readonly position: number; readonly message: string } | undefined
  readonly onChange: (text: string) => void
  readonly onRun: () => void
  readonly handle: Ref<EditorHandle>
}

export function Editor({ file, text, problem, onChange, onRun, handle }: EditorProps) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(undefined)
  const states = useRef(new Map<string, EditorState>())
  const shown = useRef(file)
  const callbacks = useRef({ onChange, onRun })
  callbacks.current = { onChange, onRun }

  const extensions = useRef<(name: string) => Extension[]>((name) => [
    lineNumbers(), history(), drawSelection(), bracketMatching(), highlightActiveLine(), highlightActiveLineGutter(),
    indentUnit.of('  '), EditorState.tabSize.of(2), EditorView.lineWrapping,
    ...(name.endsWith('.nix') ? [nixLanguage, nixHighlighting] : []),
    keymap.of([{ key: 'Mod-Enter', run: () => { callbacks.current.onRun(); return true } }, indentWithTab, ...defaultKeymap, ...historyKeymap]),
    EditorView.contentAttributes.of({ 'aria-label': `Text of ${name}` }),
    EditorView.updateListener.of((update) => { if (update.docChanged) callbacks.current.onChange(update.state.doc.toString()) }),
  ])

  useEffect(() => {
    view.current = new EditorView({ parent: host.current! })
    // reached by the keyboard, to scroll without typing
    view.current.scrollDOM.tabIndex = 0
    return () => view.current?.destroy()
  }, [])

  // another file, or another text than the one that was typed here
  useEffect(() => {
    const editor = view.current!
    if (shown.current !== file) states.current.set(shown.current, editor.state)
    const known = states.current.get(file)
    if (shown.current !== file || editor.state.doc.toString() !== text) {
      editor.setState(known && known.doc.toString() === text ? known : EditorState.create({ doc: text, extensions: extensions.current(file) }))
    }
    shown.current = file
  }, [file, text])

  useEffect(() => {
    const editor = view.current!
    const diagnostics: Diagnostic[] = []
    if (problem && problem.position <= editor.state.doc.length) {
      const word = editor.state.wordAt(problem.position)
      const from = Math.min(problem.position, editor.state.doc.length)
      diagnostics.push({ from, to: Math.max(word?.to ?? 0, Math.min(from + 1, editor.state.doc.length)), severity: 'error', message: problem.message })
    }
    editor.dispatch(setDiagnostics(editor.state, diagnostics))
  }, [problem, file, text])

  useImperativeHandle(handle, () => ({
    reveal(position) {
      const editor = view.current!
      const anchor = Math.min(position, editor.state.doc.length)
      editor.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: 'center' }) })
      editor.focus()
    },
  }), [])

  return <div className="editor" ref={host} />
}
