-- What this service sent to the chain because somebody asked at /x402/settle, a row for each transaction,
-- written in one transaction with its row of the outbox. What was asked is named by the outbox's reference.

create table facilitated (
    outbox_id bigint      not null,
    network   text        not null,
    action    text        not null,
    -- Whom it pays, or whose channel it is about, and in what.
    receiver  bytea       not null,
    token     bytea       not null,
    -- As whom the request was authenticated; null: it was anonymous.
    asked_as  bytea,
    at        timestamptz not null,
    constraint facilitated_pkey primary key (outbox_id),
    constraint facilitated_of_outbox foreign key (outbox_id) references outbox (outbox_id),
    constraint facilitated_action_known check (action in ('deposit', 'claim', 'settle', 'refund'))
);
create index facilitated_at on facilitated (network, at);
create index facilitated_settlement on facilitated (network, receiver, token, outbox_id) where action = 'settle';
