/**
 * Projects and jobsets, what evaluations have of them, and what jobs' builds say about themselves. docs/design/jobsets.md says how
 * these hang together. Row types are in state/database.ts and state/jobset-tables.ts.
 */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table project (
      id bigint generated always as identity primary key,
      name text not null unique,
      display_name text not null,
      description text not null default '',
      homepage text,
      enabled boolean not null default true,
      hidden boolean not null default false,
      -- the input and file that generate its jobsets (contract/jobsets.ts)
      declarative jsonb,
      error text,
      created_at timestamptz not null default now(),
      -- counts changes, for If-Match
      version bigint not null default 1
    );

    create table jobset (
      id bigint generated always as identity primary key,
      project_id bigint not null references project (id) on delete cascade,
      name text not null,
      description text not null default '',
      -- what is evaluated, and its inputs by name (contract/jobsets.ts)
      source jsonb not null,
      inputs jsonb not null default '{}',
      settings jsonb not null default '{}',
      state text not null default 'enabled' check (state in ('enabled', 'disabled', 'one-shot')),
      hidden boolean not null default false,
      -- seconds between polls; 0 for none
      poll_seconds integer not null default 0,
      -- cron expressions
      schedule text[] not null default '{}',
      when_running text not null default 'overlap' check (when_running in ('overlap', 'wait', 'supersede')),
      shares integer not null default 100 check (shares > 0),
      priority smallint not null default 3,
      -- evaluations that are kept; 0 for all
      keep integer not null default 0,
      pull_requests jsonb,
      notifications jsonb not null default '[]',
      -- made from a declarative project's file, and removed when it isn't in there any more
      generated boolean not null default false,
      checked_at timestamptz,
      -- why the last check failed
      error text,
      error_at timestamptz,
      created_at timestamptz not null default now(),
      version bigint not null default 1,
      unique (project_id, name)
    );

    -- Wanted evaluations that nobody has taken yet. The project's own (of its declarative file) have no jobset.
    create table jobset_trigger (
      id bigint generated always as identity primary key,
      jobset_id bigint references jobset (id) on delete cascade,
      project_id bigint not null references project (id) on delete cascade,
      variant text not null default '',
      -- {kind, by, …}: shown with the evaluation
      cause jsonb not null,
      -- evaluate although nothing changed
      force boolean not null default false,
      -- {input: what replaces parts of it}
      overrides jsonb not null default '{}',
      idempotency_key text unique,
      created_at timestamptz not null default now()
    );
    create index jobset_trigger_jobset on jobset_trigger (jobset_id, id);

    alter table evaluation
      add column jobset_id bigint references jobset (id) on delete cascade,
      add column variant text not null default '',
      -- {input: {kind, url, revision, storePath, value, …}} as resolved
      add column inputs jsonb not null default '{}',
      -- of definition and revisions: equal means that nothing changed
      add column inputs_digest text,
      add column cause jsonb,
      -- the one it is compared with unless another is named
      add column previous_id bigint references evaluation (id) on delete set null,
      -- of attributes and derivations, when all are known
      add column jobs_digest text,
      -- the earlier evaluation with the same jobs
      add column same_as bigint references evaluation (id) on delete set null,
      add column keep boolean not null default false,
      -- jobs by state once it has ended; null while it may change
      add column job_counts jsonb,
      add column principal text;
    create index evaluation_jobset on evaluation (jobset_id, id);
    create index evaluation_previous on evaluation (previous_id) where previous_id is not null;
    create index evaluation_same_as on evaluation (same_as) where same_as is not null;
    create index evaluation_unfinished on evaluation (state) where state not in ('succeeded', 'failed', 'cancelled');

    -- Hydra's aggregates: names of jobs and paths of derivations that belong to it
    alter table job add column constituents text[];
    -- for search; attr_path's last part and the like are not worth an index of their own
    create index job_drv_path on job (drv_path);

    -- What the build of a job says about itself.
    create table build_result (
      node_id bigint primary key references node (id) on delete cascade,
      release_name text,
      output_bytes bigint,
      closure_bytes bigint,
      -- nix-support/failed: it succeeded for Nix, and says itself that it failed
      failed_with_output boolean not null default false,
      keep boolean not null default false,
      -- null for a row that only says that the build is kept
      read_at timestamptz default now()
    );
    create table build_product (
      node_id bigint not null references node (id) on delete cascade,
      number integer not null,
      type text not null,
      subtype text not null,
      name text not null,
      -- absolute store path of the file or folder, and the page shown for a folder
      path text not null,
      default_path text not null default '',
      -- null for folders
      file_size bigint,
      sha256 text,
      primary key (node_id, number)
    );
    create table build_metric (
      node_id bigint not null references node (id) on delete cascade,
      name text not null,
      value double precision not null,
      unit text not null default '',
      primary key (node_id, name)
    );

    -- Readers of the event table that do something with each event: how far they are, in commit order.
    create table follower (
      name text primary key,
      xid xid8 not null,
      event_id bigint not null,
      moved_at timestamptz not null default now()
    );
  `.execute(db)
}
