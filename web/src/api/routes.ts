/**
 * Ring: web. The API's routes that the dashboard calls: method and path, checked by the compiler against the contract's table, of
 * which only types come into the page.
 */
import type { Route, RouteName } from '../../../contract/api-routes.ts'

type Address<Name extends RouteName> = readonly [Route<Name>['method'], Route<Name>['path']]

export const ADDRESSES = {
  getStatus: ['get', '/api/v1/status'],
  search: ['get', '/api/v1/search'],
  listProjects: ['get', '/api/v1/projects'],
  getProject: ['get', '/api/v1/projects/{project}'],
  listJobsets: ['get', '/api/v1/projects/{project}/jobsets'],
  getJobset: ['get', '/api/v1/projects/{project}/jobsets/{jobset}'],
  evaluateJobset: ['post', '/api/v1/projects/{project}/jobsets/{jobset}/evaluate'],
  listJobsetEvaluations: ['get', '/api/v1/projects/{project}/jobsets/{jobset}/evaluations'],
  jobHistory: ['get', '/api/v1/projects/{project}/jobsets/{jobset}/jobs/{job}'],
  listEvaluations: ['get', '/api/v1/evaluations'],
  getEvaluation: ['get', '/api/v1/evaluations/{id}'],
  listJobs: ['get', '/api/v1/evaluations/{id}/jobs'],
  cancelEvaluation: ['post', '/api/v1/evaluations/{id}/cancel'],
  retryEvaluation: ['post', '/api/v1/evaluations/{id}/retry'],
  bumpEvaluation: ['post', '/api/v1/evaluations/{id}/bump'],
  evaluationGraph: ['get', '/api/v1/evaluations/{id}/graph'],
  compareEvaluation: ['get', '/api/v1/evaluations/{id}/comparison'],
  listChanges: ['get', '/api/v1/evaluations/{id}/changes'],
  listBuilds: ['get', '/api/v1/builds'],
  getBuild: ['get', '/api/v1/builds/{id}'],
  listBuildInputs: ['get', '/api/v1/builds/{id}/inputs'],
  listBuildDependents: ['get', '/api/v1/builds/{id}/dependents'],
  buildGraph: ['get', '/api/v1/builds/{id}/graph'],
  retryBuild: ['post', '/api/v1/builds/{id}/retry'],
  cancelBuild: ['post', '/api/v1/builds/{id}/cancel'],
  bumpBuild: ['post', '/api/v1/builds/{id}/bump'],
  buildReason: ['get', '/api/v1/builds/{id}/why'],
  buildLogIndex: ['get', '/api/v1/builds/{id}/log/index'],
  searchBuildLog: ['get', '/api/v1/builds/{id}/log/search'],
  listQueue: ['get', '/api/v1/queue'],
  listWorkers: ['get', '/api/v1/workers'],
  getSession: ['get', '/api/v1/session'],
  signIn: ['post', '/api/v1/session'],
  signOut: ['delete', '/api/v1/session'],
  changePassword: ['put', '/api/v1/session/password'],
  listTokens: ['get', '/api/v1/tokens'],
  createToken: ['post', '/api/v1/tokens'],
  revokeToken: ['delete', '/api/v1/tokens/{id}'],
  getPathInfo: ['get', '/api/v1/store/{path}'],
  listDirectory: ['get', '/api/v1/store/{path}/ls'],
  getClosure: ['get', '/api/v1/store/{path}/closure'],
  listReferrers: ['get', '/api/v1/store/{path}/referrers'],
} as const satisfies { readonly [Name in RouteName]?: Address<Name> }

export type CalledRoute = keyof typeof ADDRESSES
