-- What the chain said, and what this service sends to it.

create table chain_cursor (
    network      text   not null,
    block_number bigint not null,
    block_hash   bytea  not null,
    constraint chain_cursor_pkey primary key (network)
);

create table chain_event (
    network          text        not null,
    transaction_hash bytea       not null,
    log_index        integer     not null,
    block_number     bigint      not null,
    block_hash       bytea       not null,
    kind             text        not null,
    channel_id       bytea,
    amount           numeric(39,0) not null,
    seq              bigint      not null,
    at               timestamptz not null,
    constraint chain_event_pkey primary key (network, transaction_hash, log_index)
);
create index chain_event_seq on chain_event (seq);

create table outbox (
    outbox_id        bigint        not null,
    network          text          not null,
    signer           bytea         not null,
    nonce            bigint        not null,
    purpose          text          not null,
    reference        text          not null,
    to_address       bytea         not null,
    data             bytea         not null,
    gas_limit        bigint        not null,
    max_fee          numeric(39,0) not null,
    priority_fee     numeric(39,0) not null,
    raw              bytea         not null,
    hash             bytea         not null,
    status           text          not null,
    block_number     bigint,
    gas_used         bigint,
    fee              numeric(39,0),
    error            text,
    created_at       timestamptz   not null,
    updated_at       timestamptz   not null,
    constraint outbox_pkey primary key (outbox_id),
    constraint outbox_nonce_once unique (network, signer, nonce),
    constraint outbox_status_known check (status in ('queued', 'sent', 'confirmed', 'failed'))
);
create index outbox_reference on outbox (purpose, reference);
create index outbox_unfinished on outbox (network, nonce) where status in ('queued', 'sent');

create table claim (
    claim_id   text          not null,
    asset_id   integer       not null,
    receiver   bytea         not null,
    status     text          not null,
    channels   integer       not null,
    amount     numeric(39,0) not null,
    error      text,
    created_at timestamptz   not null,
    updated_at timestamptz   not null,
    constraint claim_pkey primary key (claim_id),
    constraint claim_of_asset foreign key (asset_id) references asset (asset_id),
    constraint claim_status_known check (status in ('queued', 'sent', 'confirmed', 'failed'))
);
create index claim_receiver on claim (receiver, claim_id);

create table claim_row (
    claim_id      text          not null,
    channel_id    bytea         not null,
    max_claimable numeric(39,0) not null,
    signature     bytea         not null,
    total_claimed numeric(39,0) not null,
    increment     numeric(39,0) not null,
    constraint claim_row_pkey primary key (claim_id, channel_id),
    constraint claim_row_of_claim foreign key (claim_id) references claim (claim_id),
    constraint claim_row_within_voucher check (total_claimed <= max_claimable and increment > 0)
);

-- Events of the topics `channel` and `settlement`; those of `payment` are the payments themselves.
create table event (
    seq        bigint      not null,
    topic      text        not null,
    name       text        not null,
    asset_id   integer     not null,
    channel_id bytea,
    receiver   bytea       not null,
    data       text        not null,
    at         timestamptz not null,
    constraint event_pkey primary key (seq),
    constraint event_topic_known check (topic in ('channel', 'settlement'))
);
create index event_channel on event (channel_id, seq);
create index event_receiver on event (receiver, seq);
