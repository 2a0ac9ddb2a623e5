-- Keys of auditors, made and revoked by the operator. Of a key only its SHA-256 is kept: whoever reads
-- this table cannot use one.

create table audit_key (
    key_id     text collate "C" not null,
    name       text             not null,
    digest     bytea            not null,
    created_at timestamptz      not null,
    expires_at timestamptz      not null,
    revoked_at timestamptz,
    constraint audit_key_pkey primary key (key_id),
    constraint audit_key_digest_is_sha256 check (octet_length(digest) = 32),
    constraint audit_key_expires_later check (expires_at > created_at)
);

create table audit_key_scope (
    key_id text collate "C" not null,
    scope  text collate "C" not null,
    constraint audit_key_scope_pkey primary key (key_id, scope),
    constraint audit_key_scope_of_key foreign key (key_id) references audit_key (key_id),
    constraint audit_key_scope_known check (scope in ('ledger', 'channels', 'export'))
);
