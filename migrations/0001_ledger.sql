-- The books: assets, accounts, transfers. One transfer row moves one amount between two accounts of
-- one asset, so no row can be unbalanced.

create table asset (
    asset_id integer  not null,
    network  text     not null,
    token    bytea    not null,
    name     text     not null,
    symbol   text     not null,
    decimals smallint not null,
    constraint asset_pkey primary key (asset_id),
    constraint asset_once unique (network, token),
    constraint asset_token_is_address check (octet_length(token) = 20)
);

-- One row. Every committing writer takes its sequence numbers here, inside its own transaction, so
-- that numbers are dense and strictly increasing in commit order.
create table commit_sequence (
    id       smallint not null,
    last_seq bigint   not null,
    constraint commit_sequence_pkey primary key (id),
    constraint commit_sequence_single check (id = 1)
);
insert into commit_sequence (id, last_seq) values (1, 0);

create table account (
    asset_id integer       not null,
    kind     text collate "C"          not null,
    owner    bytea         not null,
    debits   numeric(39,0) not null,
    credits  numeric(39,0) not null,
    constraint account_pkey primary key (asset_id, kind, owner),
    constraint account_of_asset foreign key (asset_id) references asset (asset_id),
    constraint account_kind_known
        check (kind in ('escrow', 'channel', 'earned', 'held', 'claimed', 'gas', 'wallet')),
    constraint account_not_negative check (
        debits >= 0 and credits >= 0 and case
            when kind in ('escrow', 'gas') then debits >= credits
            when kind = 'wallet' then true
            else credits >= debits
        end)
) with (fillfactor = 70);

-- No foreign keys to `account`: measured, the two checks cost more than the row itself. The statement
-- that inserts transfers changes their accounts too and fails unless every one of them was there.
create table transfer (
    seq           bigint        not null,
    leg           smallint      not null,
    asset_id      integer       not null,
    debit_kind    text collate "C"          not null,
    debit_owner   bytea         not null,
    credit_kind   text collate "C"          not null,
    credit_owner  bytea         not null,
    amount        numeric(39,0) not null,
    cause         text collate "C"          not null,
    -- For cause 'payment': the entry sums the charges of its channel from this seq up to its own.
    first_seq     bigint        not null,
    reverses_seq  bigint,
    reverses_leg  smallint,
    at            timestamptz   not null,
    constraint transfer_pkey primary key (seq, leg),
    constraint transfer_moves_something check (amount > 0),
    constraint transfer_between_two check
        ((debit_kind, debit_owner) is distinct from (credit_kind, credit_owner)),
    constraint transfer_cause_known check (cause in ('payment', 'deposit', 'claim', 'settle',
        'withdrawal', 'refund', 'charged_after_the_fact', 'uncollectable', 'fee', 'reversal')),
    constraint transfer_reversal check
        ((cause = 'reversal') = (reverses_seq is not null) and
         (reverses_seq is null) = (reverses_leg is null))
);
create index transfer_debit on transfer (asset_id, debit_kind, debit_owner, seq);
create index transfer_credit on transfer (asset_id, credit_kind, credit_owner, seq);
