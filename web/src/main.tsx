/** Puts the dashboard into the page. */
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import './style.css'
import { applyTheme } from './theme.ts'

applyTheme()
createRoot(document.getElementById('root') as HTMLElement).render(<App />)
