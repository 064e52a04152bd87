/**
 * What the store remembers: where the pieces of blobs lie, which paths are valid, and what upstream caches didn't have.
 * Row types are in store/database.ts.
 */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- An object that holds many pieces one after the other. What is too small to be worth an object lies here itself.
    create table pack (
      id bigint generated always as identity primary key,
      key text unique,
      content bytea,
      size bigint not null,
      created_at timestamptz not null default now(),
      check ((key is null) <> (content is null))
    );
    -- incompressible or tiny: not worth the attempt
    alter table pack alter column content set storage external;
    create index pack_inline on pack (id) where key is null;

    -- A run of bytes by its BLAKE3 digest: a whole small blob, or a chunk of a large one. Compaction moves a piece by
    -- writing its place anew; what a pack holds beside the pieces that point to it is garbage.
    create table blob_piece (
      digest bytea primary key,
      pack_id bigint not null references pack (id),
      position bigint not null,
      length integer not null
    );
    create index blob_piece_pack on blob_piece (pack_id);

    -- A blob of more than one piece: for each, 32 bytes of digest and its length as 4 bytes, big-endian.
    create table blob_manifest (
      digest bytea primary key,
      size bigint not null,
      pieces bytea not null
    );

    -- One row a valid path: its being here is what makes a path valid.
    create table path_info (
      -- the 32 characters before the name
      hash text primary key check (length(hash) = 32),
      name text not null,
      -- encoded castore node
      root bytea not null,
      nar_hash bytea not null check (length(nar_hash) = 32),
      nar_size bigint not null,
      -- base names, sorted
      references_to text[] not null default '{}',
      -- base name of the .drv
      deriver text,
      content_address text,
      signatures text[] not null default '{}',
      ultimate boolean not null,
      registered_at timestamptz not null default now()
    );
    create index path_info_references on path_info using gin (references_to);
    create index path_info_deriver on path_info (deriver) where deriver is not null;

    -- Paths that an upstream cache said it doesn't have, so that it isn't asked again at once.
    create table substituter_miss (
      cache text not null,
      hash text not null,
      expires_at timestamptz not null,
      primary key (cache, hash)
    );
    create index substituter_miss_expiry on substituter_miss (expires_at);
  `.execute(db)
}
