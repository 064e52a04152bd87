/** What the API needs of its own: tokens. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
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
