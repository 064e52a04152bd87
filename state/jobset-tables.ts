/** Ring: state. Rows of migrations/0005_jobsets.ts, as kysely sees them; a part of FarmTables in database.ts. */
import type { ColumnType, Generated } from 'kysely'
import type { JobsetInput, JobsetSettings, JobsetSource, Notification, Overrides, ProjectDefinition, PullRequests, TriggerCause } from '../contract/jobsets.ts'

type Json<T> = ColumnType<T, string | undefined, string>
type RequiredJson<T> = ColumnType<T, string, string>
type Stamp = ColumnType<Date, Date | string | undefined, Date | string>
type OptionalStamp = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>

export interface ProjectTable {
  id: Generated<number>
  name: string
  display_name: string
  description: Generated<string>
  homepage: string | null
  enabled: Generated<boolean>
  hidden: Generated<boolean>
  declarative: Json<ProjectDefinition['declarative']> | null
  error: string | null
  created_at: Stamp
  version: Generated<number>
}

export interface JobsetTable {
  id: Generated<number>
  project_id: number
  name: string
  description: Generated<string>
  source: RequiredJson<JobsetSource>
  inputs: Json<Readonly<Record<string, JobsetInput>>>
  settings: Json<JobsetSettings>
  state: Generated<'enabled' | 'disabled' | 'one-shot'>
  hidden: Generated<boolean>
  poll_seconds: Generated<number>
  schedule: Generated<string[]>
  when_running: Generated<'overlap' | 'wait' | 'supersede'>
  shares: Generated<number>
  priority: Generated<number>
  keep: Generated<number>
  pull_requests: Json<PullRequests | null> | null
  notifications: Json<readonly Notification[]>
  generated: Generated<boolean>
  checked_at: OptionalStamp
  error: string | null
  error_at: OptionalStamp
  created_at: Stamp
  version: Generated<number>
}

export interface JobsetTriggerTable {
  id: Generated<number>
  jobset_id: number | null
  project_id: number
  variant: Generated<string>
  cause: RequiredJson<TriggerCause>
  force: Generated<boolean>
  overrides: Json<Overrides>
  idempotency_key: string | null
  created_at: Stamp
  taken_at: OptionalStamp
  evaluation_id: number | null
}

export interface JobsetTables {
  project: ProjectTable
  jobset: JobsetTable
  jobset_trigger: JobsetTriggerTable
  build_result: { node_id: number; release_name: string | null; output_bytes: number | null; closure_bytes: number | null; failed_with_output: Generated<boolean>; keep: Generated<boolean>; read_at: OptionalStamp }
  build_product: { node_id: number; number: number; type: string; subtype: string; name: string; path: string; default_path: Generated<string>; file_size: number | null; sha256: string | null }
  build_metric: { node_id: number; name: string; value: number; unit: Generated<string> }
  follower: { name: string; xid: string; event_id: number; moved_at: Stamp }
}
