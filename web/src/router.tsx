/** Ring: web. Addresses of the dashboard. What a page shows stands in its address, so that a link shows the same. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'
import { Failure } from './parts/basics.tsx'
import { NotFound, Shell } from './shell.tsx'

type Raw = Readonly<Record<string, unknown>>
const text = (value: unknown): string | undefined => (typeof value === 'string' || typeof value === 'number' ? String(value) : undefined)
const number = (value: unknown): number | undefined => (/^\d{1,9}$/.test(String(value)) ? Number(value) : undefined)
function oneOf<const Values extends readonly string[]>(values: Values, value: unknown): Values[number] | undefined {
  return values.find((one) => one === value)
}

export const JOB_STATES = ['failed', 'error', 'running', 'queued', 'waiting', 'succeeded', 'found'] as const
export const EVALUATION_STATES = ['queued', 'evaluating', 'waiting', 'building', 'succeeded', 'failed', 'cancelled'] as const
export const EVALUATION_TABS = ['jobs', 'changes', 'errors', 'graph', 'timeline', 'inputs'] as const
export const BUILD_TABS = ['log', 'details', 'graph', 'dependents'] as const

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound })
const overview = createRoute({ getParentRoute: () => root, path: '/', component: lazyRouteComponent(() => import('./pages/overview.tsx'), 'Overview') })
const evaluations = createRoute({
  getParentRoute: () => root, path: '/evaluations', validateSearch: (raw: Raw): { state?: (typeof EVALUATION_STATES)[number] } => ({ state: oneOf(EVALUATION_STATES, raw['state']) }),
  component: lazyRouteComponent(() => import('./pages/evaluations.tsx'), 'Evaluations'),
})
const evaluation = createRoute({
  getParentRoute: () => root, path: '/evaluations/$id',
  validateSearch: (raw: Raw): { tab?: (typeof EVALUATION_TABS)[number]; state?: (typeof JOB_STATES)[number]; q?: string; change?: string; against?: number } => ({
    tab: oneOf(EVALUATION_TABS, raw['tab']), state: oneOf(JOB_STATES, raw['state']), q: text(raw['q']), change: text(raw['change']), against: number(raw['against']),
  }),
  component: lazyRouteComponent(() => import('./pages/evaluation.tsx'), 'EvaluationPage'),
})
const build = createRoute({
  getParentRoute: () => root, path: '/builds/$id',
  validateSearch: (raw: Raw): { tab?: (typeof BUILD_TABS)[number]; attempt?: number; line?: number; find?: string } => ({ tab: oneOf(BUILD_TABS, raw['tab']), attempt: number(raw['attempt']), line: number(raw['line']), find: text(raw['find']) }),
  component: lazyRouteComponent(() => import('./pages/build.tsx'), 'BuildPage'),
})
const project = createRoute({ getParentRoute: () => root, path: '/projects/$project', component: lazyRouteComponent(() => import('./pages/project.tsx'), 'ProjectPage') })
const jobset = createRoute({ getParentRoute: () => root, path: '/projects/$project/$jobset', component: lazyRouteComponent(() => import('./pages/jobset.tsx'), 'JobsetPage') })
const job = createRoute({ getParentRoute: () => root, path: '/projects/$project/$jobset/jobs/$job', component: lazyRouteComponent(() => import('./pages/job.tsx'), 'JobPage') })
const queue = createRoute({ getParentRoute: () => root, path: '/queue', component: lazyRouteComponent(() => import('./pages/queue.tsx'), 'Queue') })
const workers = createRoute({ getParentRoute: () => root, path: '/workers', component: lazyRouteComponent(() => import('./pages/workers.tsx'), 'Workers') })
const store = createRoute({
  getParentRoute: () => root, path: '/store/$path', validateSearch: (raw: Raw): { at?: string } => ({ at: text(raw['at']) }),
  component: lazyRouteComponent(() => import('./pages/store-path.tsx'), 'StorePathPage'),
})
const search = createRoute({
  getParentRoute: () => root, path: '/search', validateSearch: (raw: Raw): { q?: string } => ({ q: text(raw['q']) }),
  component: lazyRouteComponent(() => import('./pages/search.tsx'), 'SearchPage'),
})
const settings = createRoute({ getParentRoute: () => root, path: '/settings', component: lazyRouteComponent(() => import('./pages/settings.tsx'), 'SettingsPage') })

const tokens = createRoute({
  getParentRoute: () => root, path: '/tokens', validateSearch: (raw: Raw): { show?: 'ended' } => ({ show: oneOf(['ended'], raw['show']) }),
  component: lazyRouteComponent(() => import('./pages/tokens.tsx'), 'TokensPage'),
})

export const router = createRouter({
  routeTree: root.addChildren([overview, evaluations, evaluation, build, project, jobset, job, queue, workers, store, search, settings, tokens]),
  basepath: '/ui',
  defaultPreload: 'intent',
  scrollRestoration: true,
  defaultErrorComponent: ({ error }) => <Failure error={error} what="page" />,
})

declare module '@tanstack/react-router' {
  interface Register { router: typeof router }
}
