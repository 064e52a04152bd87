/** Ring: web. Entry of the dashboard. */
import { onlineManager, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { createRoot } from 'react-dom/client'
import '../styles/fonts.css'
import '../styles/tokens.css'
import '../styles/base.css'
import './styles/shell.css'
import './styles/parts.css'
import './styles/pages.css'
import { ApiError } from './api/client.ts'
import { live } from './api/live.ts'
import { router } from './router.tsx'
import { applyTheme } from './theme.ts'

applyTheme()
live.start()

// a farm that can't be heard is not asked: questions wait, and go on with the events
onlineManager.setEventListener((tell) => live.watch(() => tell(live.connection !== 'lost')))

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // events say when something changed; what is shown stays until there is newer
      staleTime: 30_000,
      refetchOnWindowFocus: false,
      refetchOnReconnect: 'always',
      retry: (failures, error) => !(error instanceof ApiError && error.status < 500) && failures < 3,
    },
    // who presses a button hears at once that it did nothing
    mutations: { networkMode: 'always' },
  },
})

// the pages that were not opened yet, so that they open when the farm can't be heard
const loadAll = (): void => { for (const route of Object.values(router.routesById)) void router.loadRouteChunk(route)?.catch(() => undefined) }
addEventListener('load', () => { setTimeout(loadAll, 2000) })

createRoot(document.getElementById('root')!).render(<QueryClientProvider client={queries}><RouterProvider router={router} /></QueryClientProvider>)
