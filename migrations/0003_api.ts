/** What the API needs of its own: events in the order of commits, and tokens. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- Numbers of rows are given out before their transaction commits, so a reader that remembers the last id it saw would miss a
    -- row with a lower id that commits later. Readers go by (xid, id), and only up to the oldest transaction still open.
    alter table event add column xid xid8 not null default pg_current_xact_id();
    create index event_commit on event (xid, id);
    create index event_node on event (node_id, xid, id) where node_id is not null;

    create table api_token (
      id bigint generated always as identity primary key,
      name text not null,
      -- SHA-256 of the token, which has 32 random bytes: it needs no salt, and is shown only once
      hash bytea not null unique,
      scopes text[] not null,
      created_at timestamptz not null default now(),
      expires_at timestamptz,
      revoked_at timestamptz,
      used_at timestamptz
    );
  `.execute(db)
}
