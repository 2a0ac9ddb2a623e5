-- The transparency log (ledger/proof/README.md): a Merkle tree over everything that was committed.

-- One row: up to which number the tree goes. Whoever seals holds its lock.
create table log_head (
    id   smallint not null,
    size bigint   not null,
    constraint log_head_pkey primary key (id),
    constraint log_head_single check (id = 1),
    constraint log_head_not_negative check (size >= 0)
);
insert into log_head (id, size) values (1, 0);

-- C2SP tlog-tiles: up to 256 hashes, 32 bytes each, of the nodes at height 8 × level. The last of a level
-- grows until it is full. What it holds follows from the journal; the heads are what binds it.
create table log_tile (
    level      smallint not null,
    tile_index bigint   not null,
    hashes     bytea    not null,
    constraint log_tile_pkey primary key (level, tile_index),
    constraint log_tile_of_hashes check
        (octet_length(hashes) between 32 and 8192 and octet_length(hashes) % 32 = 0)
);

-- Every tree head that was signed: a C2SP tlog-checkpoint.
create table log_checkpoint (
    size bigint      not null,
    root bytea       not null,
    note text        not null,
    at   timestamptz not null,
    constraint log_checkpoint_pkey primary key (size),
    constraint log_checkpoint_of_hash check (octet_length(root) = 32)
);
