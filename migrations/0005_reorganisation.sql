-- What it takes to follow a chain that changes its mind.

-- Where the cursor stood, to find the block at which two branches part. A mirror of the chain, not
-- a journal: rows go when they are old, or when the chain no longer has their blocks.
create table chain_block (
    network      text   not null,
    block_number bigint not null,
    block_hash   bytea  not null,
    constraint chain_block_pkey primary key (network, block_number)
);
insert into chain_block (network, block_number, block_hash)
    select network, block_number, block_hash from chain_cursor;

-- Each reorganisation that went below the confirmations. `depth`: blocks of the longest known
-- branch that were given up.
create table chain_reorganisation (
    network    text        not null,
    number     bigint      not null,
    from_block bigint      not null,
    from_hash  bytea       not null,
    fork_block bigint      not null,
    fork_hash  bytea       not null,
    depth      bigint      not null,
    at         timestamptz not null,
    constraint chain_reorganisation_pkey primary key (network, number),
    constraint chain_reorganisation_goes_back check (fork_block < from_block)
);

-- The same log may be posted, undone and posted again any number of times: `inclusion` counts them.
alter table chain_event add column inclusion integer not null default 0;
-- Unix seconds of the request: of a withdraw_initiated its own, of a withdraw_finalized that which
-- it ended.
alter table chain_event add column requested_at bigint not null default 0;
alter table chain_event drop constraint chain_event_pkey;
alter table chain_event add constraint chain_event_pkey
    primary key (network, transaction_hash, log_index, inclusion);
create index chain_event_block on chain_event (network, block_number);

-- The contract's state that a channel was taken under care with, and the block it was read at.
create table channel_opening (
    channel_id    bytea         not null,
    seq           bigint        not null,
    network       text          not null,
    block_number  bigint        not null,
    block_hash    bytea         not null,
    balance       numeric(39,0) not null,
    total_claimed numeric(39,0) not null,
    constraint channel_opening_pkey primary key (channel_id, seq)
);
create index channel_opening_block on channel_opening (network, block_number);
create index channel_opening_seq on channel_opening (seq);

-- Which events (by the seq of their chain_event or channel_opening) are undone, and by which entry.
create table chain_reversal (
    event_seq bigint      not null,
    seq       bigint      not null,
    at        timestamptz not null,
    constraint chain_reversal_pkey primary key (event_seq)
);

alter table channel add column owed numeric(39,0) not null default 0;
alter table channel add column in_doubt boolean not null default false;
update channel set owed = least(charged, signed_max);
alter table channel add constraint channel_charged_as_owed
    check (charged = greatest(total_claimed, least(owed, balance)));
alter table channel add constraint channel_owed_within_signed check (owed <= signed_max);
create index channel_in_doubt on channel (channel_id) where in_doubt;

alter table transfer drop constraint transfer_cause_known;
alter table transfer add constraint transfer_cause_known check (cause in ('payment', 'deposit',
    'claim', 'settle', 'withdrawal', 'refund', 'charged_after_the_fact', 'uncollectable',
    'recharged', 'fee', 'reversal'));
