/**
 * Who may do what, and what was done: users, roles, sessions, credentials of projects, the audit log. Triggers stay for a while after they
 * were taken, so that a message that a forge sends twice is one.
 */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table jobset_trigger
      add column taken_at timestamptz,
      -- what came of it; null where nothing had changed
      add column evaluation_id bigint references evaluation (id) on delete set null;
    drop index jobset_trigger_jobset;
    create index jobset_trigger_waiting on jobset_trigger (jobset_id, id) where taken_at is null;
    create index jobset_trigger_taken on jobset_trigger (taken_at) where taken_at is not null;
    create index jobset_trigger_evaluation on jobset_trigger (evaluation_id) where evaluation_id is not null;

    create table farm_user (
      id bigint generated always as identity primary key,
      name text not null unique,
      display_name text not null default '',
      email text,
      -- scrypt, with its parameters and salt; null for who comes by OpenID Connect only
      password text,
      -- issuer and subject of OpenID Connect
      subject text unique,
      -- 'administrator' of the whole farm, or none
      role text check (role in ('administrator')),
      created_at timestamptz not null default now(),
      disabled_at timestamptz
    );

    create table project_role (
      project_id bigint not null references project (id) on delete cascade,
      user_id bigint not null references farm_user (id) on delete cascade,
      role text not null check (role in ('restarter', 'submitter', 'maintainer', 'owner')),
      primary key (project_id, user_id)
    );
    create index project_role_user on project_role (user_id);

    create table user_session (
      -- SHA-256 of the cookie's 32 random bytes
      hash bytea primary key,
      user_id bigint not null references farm_user (id) on delete cascade,
      created_at timestamptz not null default now(),
      expires_at timestamptz not null
    );
    create index user_session_user on user_session (user_id);

    alter table api_token
      -- whose it is; null for those made by the command line
      add column user_id bigint references farm_user (id) on delete cascade,
      -- its scopes hold in this project only
      add column project_id bigint references project (id) on delete cascade;

    -- Names and secrets for servers that a project's inputs and notifications use; sealed with the farm's key (state/credentials.ts).
    create table credential (
      project_id bigint not null references project (id) on delete cascade,
      name text not null,
      username text not null default '',
      sealed bytea not null,
      created_at timestamptz not null default now(),
      primary key (project_id, name)
    );

    -- Every change, by whom. Names rather than references: it outlives what it tells of.
    create table audit (
      id bigint generated always as identity primary key,
      at timestamptz not null default now(),
      principal text not null,
      action text not null,
      project text,
      -- the route's parameters, and what of the body is no secret
      detail jsonb not null default '{}',
      request_id text
    );
    create index audit_project on audit (project, id);
  `.execute(db)
}
