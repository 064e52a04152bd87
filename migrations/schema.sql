-- Made from a migrated database; to make it anew: UPDATE_SCHEMA=1 node --test migrations/

CREATE TABLE api_token (
  id bigint not null generated always as identity,
  name text not null,
  hash bytea not null,
  scopes text[] not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  used_at timestamp with time zone,
  user_id bigint,
  project_id bigint,
  UNIQUE (hash),
  PRIMARY KEY (id),
  FOREIGN KEY (project_id) REFERENCES project(id) ON DELETE CASCADE,
  FOREIGN KEY (user_id) REFERENCES farm_user(id) ON DELETE CASCADE
);

CREATE TABLE attempt (
  id bigint not null generated always as identity,
  node_id bigint not null,
  number integer not null,
  run bigint not null,
  worker text not null,
  step text not null default 'preparing'::text,
  started_at timestamp with time zone not null default now(),
  ended_at timestamp with time zone,
  outcome jsonb,
  figures jsonb not null default '{}'::jsonb,
  log_blob text,
  log_bytes bigint not null default 0,
  UNIQUE (node_id, number),
  PRIMARY KEY (id),
  FOREIGN KEY (node_id) REFERENCES node(id),
  CHECK ((step = ANY (ARRAY['preparing'::text, 'substituting'::text, 'fetching'::text, 'building'::text, 'uploading'::text, 'ended'::text])))
);

CREATE TABLE audit (
  id bigint not null generated always as identity,
  at timestamp with time zone not null default now(),
  principal text not null,
  action text not null,
  project text,
  detail jsonb not null default '{}'::jsonb,
  request_id text,
  PRIMARY KEY (id)
);
CREATE INDEX audit_project ON audit USING btree (project, id);

CREATE TABLE blob_manifest (
  digest bytea not null,
  size bigint not null,
  pieces bytea not null,
  PRIMARY KEY (digest)
);

CREATE TABLE blob_piece (
  digest bytea not null,
  pack_id bigint not null,
  position bigint not null,
  length integer not null,
  PRIMARY KEY (digest),
  FOREIGN KEY (pack_id) REFERENCES pack(id)
);
CREATE INDEX blob_piece_pack ON blob_piece USING btree (pack_id);

CREATE TABLE build_metric (
  node_id bigint not null,
  name text not null,
  value double precision not null,
  unit text not null default ''::text,
  PRIMARY KEY (node_id, name),
  FOREIGN KEY (node_id) REFERENCES node(id) ON DELETE CASCADE
);

CREATE TABLE build_product (
  node_id bigint not null,
  number integer not null,
  type text not null,
  subtype text not null,
  name text not null,
  path text not null,
  default_path text not null default ''::text,
  file_size bigint,
  sha256 text,
  PRIMARY KEY (node_id, number),
  FOREIGN KEY (node_id) REFERENCES node(id) ON DELETE CASCADE
);

CREATE TABLE build_result (
  node_id bigint not null,
  release_name text,
  output_bytes bigint,
  closure_bytes bigint,
  failed_with_output boolean not null default false,
  keep boolean not null default false,
  read_at timestamp with time zone default now(),
  PRIMARY KEY (node_id),
  FOREIGN KEY (node_id) REFERENCES node(id) ON DELETE CASCADE
);

CREATE TABLE credential (
  project_id bigint not null,
  name text not null,
  username text not null default ''::text,
  sealed bytea not null,
  created_at timestamp with time zone not null default now(),
  PRIMARY KEY (project_id, name),
  FOREIGN KEY (project_id) REFERENCES project(id) ON DELETE CASCADE
);

CREATE TABLE demand (
  node_key text not null,
  evaluation_id bigint not null,
  reason text not null,
  outputs text[] not null default '{}'::text[],
  priority smallint not null default 3,
  created_at timestamp with time zone not null default now(),
  met_at timestamp with time zone,
  PRIMARY KEY (node_key, evaluation_id, reason),
  FOREIGN KEY (evaluation_id) REFERENCES evaluation(id) ON DELETE CASCADE,
  FOREIGN KEY (node_key) REFERENCES node(key),
  CHECK ((reason = ANY (ARRAY['job'::text, 'import'::text])))
);
CREATE INDEX demand_evaluation ON demand USING btree (evaluation_id);

CREATE TABLE derivation (
  drv_path text not null,
  node_key text not null,
  failure jsonb,
  PRIMARY KEY (drv_path),
  FOREIGN KEY (node_key) REFERENCES node(key)
);
CREATE INDEX derivation_node ON derivation USING btree (node_key);

CREATE TABLE evaluation (
  id bigint not null generated always as identity,
  request jsonb not null,
  state text not null default 'queued'::text,
  error text,
  progress jsonb not null default '{}'::jsonb,
  idempotency_key text,
  created_at timestamp with time zone not null default now(),
  started_at timestamp with time zone,
  evaluated_at timestamp with time zone,
  ended_at timestamp with time zone,
  jobset_id bigint,
  variant text not null default ''::text,
  inputs jsonb not null default '{}'::jsonb,
  inputs_digest text,
  cause jsonb,
  previous_id bigint,
  jobs_digest text,
  same_as bigint,
  keep boolean not null default false,
  job_counts jsonb,
  principal text,
  UNIQUE (idempotency_key),
  PRIMARY KEY (id),
  FOREIGN KEY (jobset_id) REFERENCES jobset(id) ON DELETE CASCADE,
  FOREIGN KEY (previous_id) REFERENCES evaluation(id) ON DELETE SET NULL,
  FOREIGN KEY (same_as) REFERENCES evaluation(id) ON DELETE SET NULL,
  CHECK ((state = ANY (ARRAY['queued'::text, 'evaluating'::text, 'waiting'::text, 'building'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text])))
);
CREATE INDEX evaluation_jobset ON evaluation USING btree (jobset_id, id);
CREATE INDEX evaluation_previous ON evaluation USING btree (previous_id) WHERE (previous_id IS NOT NULL);
CREATE INDEX evaluation_same_as ON evaluation USING btree (same_as) WHERE (same_as IS NOT NULL);
CREATE INDEX evaluation_unfinished ON evaluation USING btree (state) WHERE (state <> ALL (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text]));

CREATE TABLE evaluation_journal (
  evaluation_id bigint not null,
  key text not null,
  value jsonb not null,
  PRIMARY KEY (evaluation_id, key),
  FOREIGN KEY (evaluation_id) REFERENCES evaluation(id) ON DELETE CASCADE
);

CREATE TABLE evaluation_node (
  evaluation_id bigint not null,
  node_key text not null,
  PRIMARY KEY (evaluation_id, node_key),
  FOREIGN KEY (evaluation_id) REFERENCES evaluation(id) ON DELETE CASCADE,
  FOREIGN KEY (node_key) REFERENCES node(key)
);
CREATE INDEX evaluation_node_node ON evaluation_node USING btree (node_key);

CREATE TABLE event (
  xid xid8 not null default pg_current_xact_id(),
  id bigint not null generated always as identity,
  evaluation_id bigint,
  node_id bigint,
  kind text not null,
  data jsonb not null default '{}'::jsonb,
  at timestamp with time zone not null default now(),
  PRIMARY KEY (id)
);
CREATE INDEX event_evaluation ON event USING btree (evaluation_id, id);
CREATE INDEX event_node ON event USING btree (node_id, id);
CREATE INDEX event_order ON event USING btree (xid, id);

CREATE TABLE farm_user (
  id bigint not null generated always as identity,
  name text not null,
  display_name text not null default ''::text,
  email text,
  password text,
  subject text,
  role text,
  created_at timestamp with time zone not null default now(),
  disabled_at timestamp with time zone,
  UNIQUE (name),
  UNIQUE (subject),
  PRIMARY KEY (id),
  CHECK ((role = 'administrator'::text))
);

CREATE TABLE follower (
  name text not null,
  xid xid8 not null,
  event_id bigint not null,
  moved_at timestamp with time zone not null default now(),
  PRIMARY KEY (name)
);

CREATE TABLE job (
  evaluation_id bigint not null,
  attr text not null,
  attr_path text[] not null,
  name text,
  system text,
  drv_path text,
  node_key text,
  outputs jsonb,
  meta jsonb,
  error text,
  position jsonb,
  through_import boolean not null default false,
  constituents text[],
  PRIMARY KEY (evaluation_id, attr),
  FOREIGN KEY (evaluation_id) REFERENCES evaluation(id) ON DELETE CASCADE,
  FOREIGN KEY (node_key) REFERENCES node(key)
);
CREATE INDEX job_drv_path ON job USING btree (drv_path);
CREATE INDEX job_node ON job USING btree (node_key);

CREATE TABLE jobset (
  id bigint not null generated always as identity,
  project_id bigint not null,
  name text not null,
  description text not null default ''::text,
  source jsonb not null,
  inputs jsonb not null default '{}'::jsonb,
  settings jsonb not null default '{}'::jsonb,
  state text not null default 'enabled'::text,
  hidden boolean not null default false,
  poll_seconds integer not null default 0,
  schedule text[] not null default '{}'::text[],
  when_running text not null default 'overlap'::text,
  shares integer not null default 100,
  priority smallint not null default 3,
  keep integer not null default 0,
  pull_requests jsonb,
  notifications jsonb not null default '[]'::jsonb,
  generated boolean not null default false,
  checked_at timestamp with time zone,
  error text,
  error_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  version bigint not null default 1,
  UNIQUE (project_id, name),
  PRIMARY KEY (id),
  FOREIGN KEY (project_id) REFERENCES project(id) ON DELETE CASCADE,
  CHECK ((shares > 0)),
  CHECK ((state = ANY (ARRAY['enabled'::text, 'disabled'::text, 'one-shot'::text]))),
  CHECK ((when_running = ANY (ARRAY['overlap'::text, 'wait'::text, 'supersede'::text])))
);

CREATE TABLE jobset_trigger (
  id bigint not null generated always as identity,
  jobset_id bigint,
  project_id bigint not null,
  variant text not null default ''::text,
  cause jsonb not null,
  force boolean not null default false,
  overrides jsonb not null default '{}'::jsonb,
  idempotency_key text,
  created_at timestamp with time zone not null default now(),
  taken_at timestamp with time zone,
  evaluation_id bigint,
  UNIQUE (idempotency_key),
  PRIMARY KEY (id),
  FOREIGN KEY (evaluation_id) REFERENCES evaluation(id) ON DELETE SET NULL,
  FOREIGN KEY (jobset_id) REFERENCES jobset(id) ON DELETE CASCADE,
  FOREIGN KEY (project_id) REFERENCES project(id) ON DELETE CASCADE
);
CREATE INDEX jobset_trigger_evaluation ON jobset_trigger USING btree (evaluation_id) WHERE (evaluation_id IS NOT NULL);
CREATE INDEX jobset_trigger_taken ON jobset_trigger USING btree (taken_at) WHERE (taken_at IS NOT NULL);
CREATE INDEX jobset_trigger_waiting ON jobset_trigger USING btree (jobset_id, id) WHERE (taken_at IS NULL);

CREATE TABLE known_fetch (
  base_name text not null,
  request jsonb not null,
  PRIMARY KEY (base_name)
);

CREATE TABLE log_chunk (
  attempt_id bigint not null,
  seq integer not null,
  position bigint not null,
  content bytea not null,
  PRIMARY KEY (attempt_id, seq),
  FOREIGN KEY (attempt_id) REFERENCES attempt(id) ON DELETE CASCADE
);

CREATE TABLE node (
  id bigint not null generated always as identity,
  key text not null,
  kind text not null,
  name text not null,
  system text not null,
  features text[] not null default '{}'::text[],
  drv_path text,
  outputs jsonb not null,
  fetch jsonb,
  fixed boolean not null default false,
  inputs_known boolean not null default false,
  substitutable boolean not null default false,
  substitution_failed boolean not null default false,
  priority smallint not null default 3,
  state text not null default 'waiting'::text,
  outcome jsonb,
  run bigint not null default 0,
  planned_run bigint not null default 0,
  touched_at timestamp with time zone not null default now(),
  created_at timestamp with time zone not null default now(),
  queued_at timestamp with time zone,
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  trace_parent text,
  UNIQUE (key),
  PRIMARY KEY (id),
  CHECK ((kind = ANY (ARRAY['derivation'::text, 'fetch'::text]))),
  CHECK ((state = ANY (ARRAY['waiting'::text, 'queued'::text, 'running'::text, 'succeeded'::text, 'failed'::text])))
);
CREATE INDEX node_drv_path ON node USING btree (drv_path);
CREATE INDEX node_unfinished ON node USING btree (state) WHERE (state = ANY (ARRAY['waiting'::text, 'queued'::text, 'running'::text]));

CREATE TABLE node_input (
  node_key text not null,
  input_key text not null,
  PRIMARY KEY (node_key, input_key),
  FOREIGN KEY (input_key) REFERENCES node(key),
  FOREIGN KEY (node_key) REFERENCES node(key)
);
CREATE INDEX node_input_input ON node_input USING btree (input_key);

CREATE TABLE pack (
  id bigint not null generated always as identity,
  key text,
  content bytea,
  size bigint not null,
  created_at timestamp with time zone not null default now(),
  UNIQUE (key),
  PRIMARY KEY (id),
  CHECK (((key IS NULL) <> (content IS NULL)))
);
CREATE INDEX pack_inline ON pack USING btree (id) WHERE (key IS NULL);

CREATE TABLE path_info (
  hash text not null,
  name text not null,
  root bytea not null,
  nar_hash bytea not null,
  nar_size bigint not null,
  references_to text[] not null default '{}'::text[],
  deriver text,
  content_address text,
  signatures text[] not null default '{}'::text[],
  ultimate boolean not null,
  registered_at timestamp with time zone not null default now(),
  PRIMARY KEY (hash),
  CHECK ((length(hash) = 32)),
  CHECK ((length(nar_hash) = 32))
);
CREATE INDEX path_info_deriver ON path_info USING btree (deriver) WHERE (deriver IS NOT NULL);
CREATE INDEX path_info_references ON path_info USING gin (references_to);

CREATE TABLE project (
  id bigint not null generated always as identity,
  name text not null,
  display_name text not null,
  description text not null default ''::text,
  homepage text,
  enabled boolean not null default true,
  hidden boolean not null default false,
  declarative jsonb,
  error text,
  created_at timestamp with time zone not null default now(),
  version bigint not null default 1,
  UNIQUE (name),
  PRIMARY KEY (id)
);

CREATE TABLE project_role (
  project_id bigint not null,
  user_id bigint not null,
  role text not null,
  PRIMARY KEY (project_id, user_id),
  FOREIGN KEY (project_id) REFERENCES project(id) ON DELETE CASCADE,
  FOREIGN KEY (user_id) REFERENCES farm_user(id) ON DELETE CASCADE,
  CHECK ((role = ANY (ARRAY['restarter'::text, 'submitter'::text, 'maintainer'::text, 'owner'::text])))
);
CREATE INDEX project_role_user ON project_role USING btree (user_id);

CREATE TABLE realisation (
  drv_path text not null,
  output text not null,
  base_name text not null,
  PRIMARY KEY (drv_path, output)
);

CREATE TABLE substituter_miss (
  cache text not null,
  hash text not null,
  expires_at timestamp with time zone not null,
  PRIMARY KEY (cache, hash)
);
CREATE INDEX substituter_miss_expiry ON substituter_miss USING btree (expires_at);

CREATE TABLE user_session (
  hash bytea not null,
  user_id bigint not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  PRIMARY KEY (hash),
  FOREIGN KEY (user_id) REFERENCES farm_user(id) ON DELETE CASCADE
);
CREATE INDEX user_session_user ON user_session USING btree (user_id);

CREATE TABLE waiter (
  id bigint not null generated always as identity,
  workflow_id text not null,
  mode text not null,
  nodes integer not null,
  created_at timestamp with time zone not null default now(),
  UNIQUE (workflow_id),
  PRIMARY KEY (id),
  CHECK ((mode = ANY (ARRAY['all'::text, 'any'::text])))
);

CREATE TABLE waiter_node (
  node_key text not null,
  waiter_id bigint not null,
  PRIMARY KEY (node_key, waiter_id),
  FOREIGN KEY (waiter_id) REFERENCES waiter(id) ON DELETE CASCADE
);
CREATE INDEX waiter_node_waiter ON waiter_node USING btree (waiter_id);

CREATE TABLE worker (
  id text not null,
  host text not null,
  systems text[] not null,
  features text[] not null,
  slots integer not null,
  started_at timestamp with time zone not null default now(),
  seen_at timestamp with time zone not null default now(),
  PRIMARY KEY (id)
);
