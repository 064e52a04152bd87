/** Ring: web (playground). A tree to look at; a click on a node shows its place in the text. Deep parts are made when they are opened. */
import { useState } from 'react'
import type { TreeNode } from './protocol.ts'

/** Levels that are open at first. */
const OPEN = 6

export function Tree({ root, onReveal, label }: { readonly root: TreeNode; readonly onReveal: (position: number) => void; readonly label: string }) {
  return <ul className="tree" aria-label={label}><Branch node={root} depth={0} onReveal={onReveal} /></ul>
}

function Branch({ node, depth, onReveal }: { readonly node: TreeNode; readonly depth: number; readonly onReveal: (position: number) => void }) {
  const [open, setOpen] = useState(depth < OPEN)
  const { position } = node
  return (
    <li>
      <span className="tree-row">
        {node.children.length > 0
          ? <button type="button" className="tree-toggle" aria-expanded={open} aria-label={`${open ? 'Close' : 'Open'} ${node.label}`} onClick={() => setOpen(!open)}>{open ? '−' : '+'}</button>
          : <span className="tree-leaf" aria-hidden="true" />}
        {position === undefined
          ? <span className="tree-label">{node.label}</span>
          : <button type="button" className="tree-label" onClick={() => onReveal(position)}>{node.label}</button>}
        {node.detail !== undefined && node.detail !== '' && <code>{node.detail.length > 120 ? `${node.detail.slice(0, 120)}…` : node.detail}</code>}
      </span>
      {open && node.children.length > 0 && <ul>{node.children.map((child, index) => <Branch key={index} node={child} depth={depth + 1} onReveal={onReveal} />)}</ul>}
    </li>
  )
}
