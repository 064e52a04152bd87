/** Ring: web. Entry of the dashboard. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
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

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // events say when something changed; what is shown stays until there is newer
      staleTime: 30_000,
      refetchOnWindowFocus: false,
      retry: (failures, error) => !(error instanceof ApiError && error.status < 500) && failures < 3,
    },
  },
})

createRoot(document.getElementById('root')!).render(<QueryClientProvider client={queries}><RouterProvider router={router} /></QueryClientProvider>)
