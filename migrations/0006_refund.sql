-- Cooperative refunds.

-- `refunding` is what a refund on its way to the chain will take: not to be paid from. It is the one
-- that `refunds_begun` counted last. `withdraw_amount` is 0 when the amount of a pending withdrawal is
-- not known.
alter table channel add column refunding       numeric(39,0) not null default 0;
alter table channel add column refunds_begun   bigint        not null default 0;
alter table channel add column withdraw_amount numeric(39,0) not null default 0;
-- Of the withdrawal that was pending before the event.
alter table chain_event add column withdraw_amount numeric(39,0) not null default 0;
alter table channel add constraint channel_refund_keeps_reserved check
    (refunding >= 0 and (reserved = 0 or charged + reserved + refunding <= balance));
create index channel_refunding on channel (channel_id) where refunding > 0;

-- What became of each refund that was begun. Whoever writes the row first decides: it is sent, and the
-- row is written in one transaction with its outbox entry and with the voucher that asked for it; or it
-- is given up, without a reference, and can never be sent. `asked` is what the request named; null: all
-- that was unspent.
create table refund (
    channel_id   bytea         not null,
    number       bigint        not null,
    amount       numeric(39,0) not null,
    asked        numeric(39,0),
    voucher_max  numeric(39,0),
    signature    bytea,
    refund_nonce bigint        not null,
    reference    text,
    error        text,
    at           timestamptz   not null,
    constraint refund_pkey primary key (channel_id, number),
    constraint refund_moves_something check (amount > 0),
    constraint refund_sent_or_given_up check ((reference is null) = (error is not null)),
    constraint refund_sent_with_evidence check
        (reference is null or (voucher_max is not null and signature is not null)),
    constraint refund_signature_length check (octet_length(signature) = 65)
);
