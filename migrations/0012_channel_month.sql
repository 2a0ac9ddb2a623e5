-- The month (UTC, its first day) in which a payment's channel was opened, by which payments are kept
-- apart where there are many. It never changes, so that whatever is unique in a channel stays so.

alter table payment add column channel_month date;
update payment set channel_month = (date_trunc('month', c.opened_at at time zone 'UTC'))::date
    from channel c where c.channel_id = payment.channel_id;
alter table payment alter column channel_month set not null;
alter table payment add constraint payment_month_begins
    check (extract(day from channel_month) = 1);
-- Reading by number: reports, the log, exports.
create index payment_seq on payment (seq);
