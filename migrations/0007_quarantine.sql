-- Channels whose row the contract would refuse. They are left out of claims until their state changes,
-- somebody asks for it, or `retry_at` has come: a node may have erred. One row for each channel, gone
-- once the channel is in a claim again.

create table claim_quarantine (
    channel_id    bytea         not null,
    asset_id      integer       not null,
    receiver      bytea         not null,
    reason        text collate "C" not null,
    detail        text          not null,
    -- What the row would have claimed.
    amount        numeric(39,0) not null,
    -- The state that was refused: with another one the row is tried again.
    balance       numeric(39,0) not null,
    total_claimed numeric(39,0) not null,
    signature     bytea         not null,
    attempts      integer       not null,
    since         timestamptz   not null,
    retry_at      timestamptz   not null,
    constraint claim_quarantine_pkey primary key (channel_id),
    constraint claim_quarantine_of_channel foreign key (channel_id) references channel (channel_id),
    constraint claim_quarantine_reason_known check (reason in ('channel_id_mismatch',
        'exceeds_ceiling', 'exceeds_balance', 'invalid_signature', 'reverted'))
);
create index claim_quarantine_receiver on claim_quarantine (receiver, channel_id);
