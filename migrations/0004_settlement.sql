-- What was broadcast under a nonce before its fees were raised: any of them may be the one that is
-- mined. The newest stands in the outbox itself.

create table outbox_attempt (
    outbox_id    bigint        not null,
    hash         bytea         not null,
    max_fee      numeric(39,0) not null,
    priority_fee numeric(39,0) not null,
    raw          bytea         not null,
    replaced_at  timestamptz   not null,
    constraint outbox_attempt_pkey primary key (outbox_id, hash),
    constraint outbox_attempt_of_outbox foreign key (outbox_id) references outbox (outbox_id)
);

-- Whether a channel is in a claim that is still on its way, and whether a receiver has one.
create index claim_row_channel on claim_row (channel_id);
create index claim_unfinished on claim (receiver, asset_id) where status in ('queued', 'sent');
