-- Channels, their payments, and who may write them.

-- `epoch` fences: a writer names the epoch it holds in every batch, and a take-over raises it.
-- `batch` numbers the batches, so that a writer whose commit got no answer can ask what became of it;
-- `batch_base` is the seq that the last one began after.
create table shard_lease (
    shard      smallint    not null,
    holder     text        not null,
    epoch      bigint      not null,
    batch      bigint      not null,
    batch_base bigint      not null,
    expires_at timestamptz not null,
    constraint shard_lease_pkey primary key (shard)
) with (fillfactor = 50);

create table channel (
    channel_id             bytea         not null,
    asset_id               integer       not null,
    payer                  bytea         not null,
    payer_authorizer       bytea         not null,
    receiver               bytea         not null,
    receiver_authorizer    bytea         not null,
    withdraw_delay_seconds bigint        not null,
    salt                   bytea         not null,
    app                    text,
    status                 text collate "C"          not null,
    balance                numeric(39,0) not null,
    charged                numeric(39,0) not null,
    reserved               numeric(39,0) not null,
    signed_max             numeric(39,0) not null,
    signature              bytea,
    total_claimed          numeric(39,0) not null,
    withdraw_requested_at  bigint        not null,
    refund_nonce           bigint        not null,
    seq                    bigint        not null,
    opened_at              timestamptz   not null,
    constraint channel_pkey primary key (channel_id),
    constraint channel_of_asset foreign key (asset_id) references asset (asset_id),
    constraint channel_status_known check (status in ('pending', 'open', 'closing', 'closed')),
    constraint channel_within_balance check (charged + reserved <= balance),
    constraint channel_within_signed check (charged <= signed_max or charged = total_claimed),
    constraint channel_claimed_within_charged check (total_claimed between 0 and charged),
    constraint channel_signature_of_voucher check ((signature is null) = (signed_max = 0)),
    constraint channel_id_is_digest check (octet_length(channel_id) = 32),
    constraint channel_signature_length check (octet_length(signature) = 65)
) with (fillfactor = 50);
create index channel_payer on channel (payer, channel_id);
create index channel_payer_authorizer on channel (payer_authorizer, channel_id);
create index channel_receiver on channel (receiver, channel_id);
create index channel_receiver_authorizer on channel (receiver_authorizer, channel_id);

create table reservation (
    channel_id   bytea         not null,
    inference_id text collate "C"          not null,
    max_amount   numeric(39,0) not null,
    charged      numeric(39,0) not null,
    steps        integer       not null,
    constraint reservation_pkey primary key (channel_id, inference_id),
    constraint reservation_within check (charged between 0 and max_amount)
);

-- Every update of the stream, as it was acknowledged. The four figures after it are the result that
-- a repeat of the same request gets again. `signature` is there only if it was checked; otherwise
-- `covered_by` is the payment of the same channel whose checked voucher covers this one.
create table payment (
    channel_id    bytea         not null,
    seq           bigint        not null,
    inference_id  text collate "C"          not null,
    step          integer       not null,
    kind          text collate "C"          not null,
    content       bytea         not null,
    amount        numeric(39,0) not null,
    increment     numeric(39,0) not null,
    charged       numeric(39,0) not null,
    reserved      numeric(39,0) not null,
    signed_max    numeric(39,0) not null,
    balance       numeric(39,0) not null,
    voucher_max   numeric(39,0),
    signature     bytea,
    covered_by    bigint,
    detail        text          not null,
    at            timestamptz   not null,
    constraint payment_pkey primary key (channel_id, seq),
    constraint payment_inference_step unique (channel_id, inference_id, step),
    constraint payment_kind_known check (kind in ('pay', 'authorize', 'charge', 'release')),
    constraint payment_within_balance check (charged + reserved <= balance),
    constraint payment_evidence check (
        case when voucher_max is null then signature is null and covered_by is null
             else (signature is null) <> (covered_by is null) end)
);
