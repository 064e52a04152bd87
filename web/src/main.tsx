/** Ring: web. Entry of the dashboard. */
import { createRoot } from 'react-dom/client'
import '../styles/fonts.css'
import '../styles/tokens.css'
import '../styles/base.css'

createRoot(document.getElementById('root')!).render(<main><h1>Firn</h1><p>The evaluator is in the <a href="playground/">playground</a>.</p></main>)
