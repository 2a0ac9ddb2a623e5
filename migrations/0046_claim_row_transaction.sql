-- In which of its claim's transactions a row is: when one of several is reverted, the rows of the others are
-- not under suspicion. Rows of before have none, and count as never reverted: at worst they are reverted once
-- more.

alter table claim_row
    add column outbox_id bigint,
    add constraint claim_row_in_transaction foreign key (outbox_id) references outbox (outbox_id);
create index claim_row_transaction on claim_row (outbox_id);
