-- What auditors asked: a row for every request that came with a key or a configured token of an auditor,
-- written before its answer goes out.

create table audit_query (
    -- A key's id, or the first digits of the SHA-256 of a configured token.
    caller          text collate "C" not null,
    at              timestamptz      not null,
    -- Drawn at random: of one caller, several may come in one microsecond.
    query_id        bigint           not null,
    caller_kind     text collate "C" not null,
    remote_address  text             not null,
    method          text             not null,
    -- Path and query, escaped.
    target          text             not null,
    status          integer          not null,
    -- Up to where in the books the answer reached, if it was about them.
    seq             bigint,
    -- Until the answer was there; of one that is streamed, until its beginning.
    duration_micros bigint           not null,
    constraint audit_query_pkey primary key (caller, at, query_id),
    constraint audit_query_caller_known check (caller_kind in ('key', 'token'))
);
create index audit_query_at on audit_query (at, query_id);
