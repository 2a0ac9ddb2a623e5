-- Payments are acknowledged as soon as their batch is here, one row for all of it, and then posted: to
-- payment, channel, reservation, transfer and account, many batches at once.

create table acknowledged_batch (
    -- The number before its first, and how many it has; numbers in between are of what is in the tables.
    base    bigint not null,
    numbers bigint not null,
    -- ledger/acknowledged_batch.hpp says what it is.
    content bytea  not null,
    constraint acknowledged_batch_pkey primary key (base),
    constraint acknowledged_batch_has_numbers check (base >= 0 and numbers > 0)
);

-- One row: where the last posting ended; what is acknowledged at or after it is not posted yet. Whoever
-- posts holds its lock.
create table posting (
    id  smallint not null,
    seq bigint   not null,
    constraint posting_pkey primary key (id),
    constraint posting_single check (id = 1),
    constraint posting_not_negative check (seq >= 0)
) with (fillfactor = 50);
insert into posting (id, seq) values (1, 0);
