/** Ring: web (playground). Entry of the playground's page. */
import { createRoot } from 'react-dom/client'
import '../styles/fonts.css'
import '../styles/tokens.css'
import '../styles/base.css'
import './playground.css'
import { App } from './app.tsx'

createRoot(document.getElementById('root')!).render(<App />)
