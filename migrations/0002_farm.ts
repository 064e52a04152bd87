/**
 * What the farm remembers beside the store: nodes and how they hang together, who wants them, what became of them,
 * evaluations and their jobs. Table types are in state/database.ts.
 */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- One row a node; its id is the build id that users see. Shared by all evaluations that want it.
    create table node (
      id bigint generated always as identity primary key,
      key text not null unique,
      kind text not null check (kind in ('derivation', 'fetch')),
      name text not null,
      system text not null,
      features text[] not null default '{}',
      -- the first .drv that produces it; null for a fetch that no derivation describes
      drv_path text,
      -- {output name: store path base name}; empty for what is not known before its inputs are (floating)
      outputs jsonb not null,
      -- a fetch's request (contract/fetch.ts); null for a derivation
      "fetch" jsonb,
      -- its output's hash is known beforehand: what failed is remembered by .drv, since another address may work
      fixed boolean not null default false,
      -- its rows in node_input are complete
      inputs_known boolean not null default false,
      -- a substituter has it with all it refers to
      substitutable boolean not null default false,
      -- a substituter said so and failed: not tried again in this run
      substitution_failed boolean not null default false,
      -- 1 is the most urgent
      priority smallint not null default 3,
      -- waiting: not started or waiting for inputs; queued: waiting for a worker; running; succeeded; failed
      state text not null default 'waiting' check (state in ('waiting', 'queued', 'running', 'succeeded', 'failed')),
      -- outcome of the last run that ended (contract/nodes.ts); a cached failure is one that is still here
      outcome jsonb,
      -- counts runs, 0 means that nobody has started it yet; an activity of an older run writes nothing
      run bigint not null default 0,
      -- the run whose workflow has planned, and so exists
      planned_run bigint not null default 0,
      -- last change of state, for the sweep that looks for runs without a workflow
      touched_at timestamptz not null default now(),
      created_at timestamptz not null default now(),
      queued_at timestamptz,
      started_at timestamptz,
      ended_at timestamptz
    );
    create index node_unfinished on node (state) where state in ('waiting', 'queued', 'running');
    create index node_drv_path on node (drv_path);

    -- Every .drv ever seen, as an alias of its node.
    create table derivation (
      drv_path text primary key,
      node_key text not null references node (key),
      -- why this .drv of a fixed output failed; cached until a retry
      failure jsonb
    );
    create index derivation_node on derivation (node_key);

    -- What the outputs of a floating content-addressed derivation turned out to be.
    create table realisation (
      drv_path text not null,
      output text not null,
      base_name text not null,
      primary key (drv_path, output)
    );

    -- Downloads that an evaluation mentioned and nobody needed yet: they become nodes when something does.
    create table known_fetch (
      base_name text primary key,
      request jsonb not null
    );

    create table node_input (
      node_key text not null references node (key),
      input_key text not null references node (key),
      primary key (node_key, input_key)
    );
    create index node_input_input on node_input (input_key);

    -- One row each time a worker set out to realise a node. Logs of attempts are kept apart.
    create table attempt (
      id bigint generated always as identity primary key,
      node_id bigint not null references node (id),
      number integer not null,
      -- the node's run it belongs to
      run bigint not null,
      worker text not null,
      step text not null default 'preparing' check (step in ('preparing', 'substituting', 'fetching', 'building', 'uploading', 'ended')),
      started_at timestamptz not null default now(),
      ended_at timestamptz,
      outcome jsonb,
      -- bytes fetched and uploaded, seconds per step, peak memory: shown, never decided upon
      figures jsonb not null default '{}',
      -- the finished log as a zstd-compressed blob (hex BLAKE3 digest); before that, its chunks are in log_chunk
      log_blob text,
      log_bytes bigint not null default 0,
      unique (node_id, number)
    );

    create table log_chunk (
      attempt_id bigint not null references attempt (id) on delete cascade,
      seq integer not null,
      -- offset of this chunk's first byte in the log
      position bigint not null,
      content bytea not null,
      primary key (attempt_id, seq)
    );

    create table evaluation (
      id bigint generated always as identity primary key,
      -- what is evaluated (contract/evaluations.ts)
      request jsonb not null,
      state text not null default 'queued' check (state in ('queued', 'evaluating', 'waiting', 'building', 'succeeded', 'failed', 'cancelled')),
      error text,
      -- {attributesDone, attributesWaiting, imports, seconds}: shown while it runs
      progress jsonb not null default '{}',
      idempotency_key text unique,
      created_at timestamptz not null default now(),
      started_at timestamptz,
      evaluated_at timestamptz,
      ended_at timestamptz
    );

    create table job (
      evaluation_id bigint not null references evaluation (id) on delete cascade,
      attr text not null,
      attr_path text[] not null,
      name text,
      system text,
      drv_path text,
      node_key text references node (key),
      -- {output: store path base name}
      outputs jsonb,
      meta jsonb,
      -- evaluation error of this attribute, with position
      error text,
      position jsonb,
      -- the error came from an import that failed: a retry evaluates again
      through_import boolean not null default false,
      primary key (evaluation_id, attr)
    );
    create index job_node on job (node_key);

    -- Who wants which outputs of which node. A node runs as long as a demand reaches it through node_input.
    create table demand (
      node_key text not null references node (key),
      evaluation_id bigint not null references evaluation (id) on delete cascade,
      -- an import is a need of the evaluator; a job is something to build
      reason text not null check (reason in ('job', 'import')),
      outputs text[] not null default '{}',
      priority smallint not null default 3,
      created_at timestamptz not null default now(),
      met_at timestamptz,
      primary key (node_key, evaluation_id, reason)
    );
    create index demand_evaluation on demand (evaluation_id);

    -- Every node that an evaluation caused: what it demanded, and what that needed and was not valid then.
    create table evaluation_node (
      evaluation_id bigint not null references evaluation (id) on delete cascade,
      node_key text not null references node (key),
      primary key (evaluation_id, node_key)
    );
    create index evaluation_node_node on evaluation_node (node_key);

    -- Workflows that wait for nodes. A row of waiter_node goes in the transaction that records its node's outcome, and
    -- the workflow is signalled after it; a sweep signals those whose signal was lost.
    create table waiter (
      id bigint generated always as identity primary key,
      workflow_id text not null unique,
      -- 'all': signalled when no node is left; 'any': with the first that goes
      mode text not null check (mode in ('all', 'any')),
      -- nodes it began with
      nodes integer not null,
      created_at timestamptz not null default now()
    );
    create table waiter_node (
      node_key text not null,
      waiter_id bigint not null references waiter (id) on delete cascade,
      primary key (node_key, waiter_id)
    );
    create index waiter_node_waiter on waiter_node (waiter_id);

    -- Results that differ from one moment to the next (unpinned fetches, the current time), so that an evaluator
    -- that starts again sees what the first one saw.
    create table evaluation_journal (
      evaluation_id bigint not null references evaluation (id) on delete cascade,
      key text not null,
      value jsonb not null,
      primary key (evaluation_id, key)
    );

    create table worker (
      id text primary key,
      host text not null,
      systems text[] not null,
      features text[] not null,
      slots integer not null,
      started_at timestamptz not null default now(),
      seen_at timestamptz not null default now()
    );

    -- Events for live views. Ids are given out before a transaction commits; who reads in the order of commits goes by
    -- (xid, id), and no further than the oldest transaction that is still open. xid comes first so that it is evaluated first.
    create table event (
      xid xid8 not null default pg_current_xact_id(),
      id bigint generated always as identity primary key,
      evaluation_id bigint,
      node_id bigint,
      kind text not null,
      data jsonb not null default '{}',
      at timestamptz not null default now()
    );
    create index event_order on event (xid, id);
    create index event_evaluation on event (evaluation_id, id);
    create index event_node on event (node_id, id);
  `.execute(db)
}
