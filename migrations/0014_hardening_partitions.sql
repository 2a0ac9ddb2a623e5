-- Payments by the month in which their channel was opened, transfers by their own; and the triggers that
-- refuse to change history. What was there is kept.

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise restrict_violation using
        message = format('%s is append-only: %s is refused', tg_table_name, lower(tg_op));
end $$;

-- Rows of a partitioned table are guarded by the parent's trigger, which each partition gets; but its
-- truncate trigger stands for statements that name the parent alone.
create function protect_journal(journal regclass) returns void language plpgsql as $$
begin
    if not (select relispartition from pg_class where oid = journal) then
        execute format('create trigger append_only before update or delete on %s
                        for each row execute function refuse_change()', journal);
    end if;
    execute format('create trigger no_truncate before truncate on %s
                    for each statement execute function refuse_change()', journal);
    -- Also in sessions whose replication role switches triggers off.
    if exists (select from pg_trigger where tgrelid = journal and tgname = 'append_only') then
        execute format('alter table %s enable always trigger append_only', journal);
    end if;
    execute format('alter table %s enable always trigger no_truncate', journal);
end $$;

-- Made apart and then attached, which lets readers and writers of the parent go on. Indexes and keys are
-- named as the parent's.
create function make_partition(parent regclass, part text, lower_bound text, upper_bound text)
returns void language plpgsql set timezone = 'UTC' as $$
declare
    index_name text;
    wanted text;
begin
    execute format('create table %I (like %s including defaults including constraints)', part, parent);
    execute format('alter table %s attach partition %I for values from (%s) to (%s)', parent, part,
                   lower_bound, upper_bound);
    for index_name, wanted in
        select own.relname, part || substr(above.relname, length(parent::text) + 1)
        from pg_index i
        join pg_class own on own.oid = i.indexrelid
        join pg_inherits h on h.inhrelid = i.indexrelid
        join pg_class above on above.oid = h.inhparent
        where i.indrelid = part::regclass
            and own.relname <> part || substr(above.relname, length(parent::text) + 1)
    loop
        execute format('alter index %I rename to %I', index_name, wanted);
    end loop;
    perform protect_journal(part::regclass);
    execute format('grant select on %I to millrace_auditor', part);
end $$;

create function make_month(parent regclass, month date) returns text language plpgsql as $$
declare
    part text := format('%s_%s', parent, to_char(month, 'YYYY_MM'));
begin
    perform make_partition(parent, part, quote_literal(to_char(month, 'YYYY-MM-DD')),
                           quote_literal(to_char(month + interval '1 month', 'YYYY-MM-DD')));
    return part;
end $$;

-- All months up to that of `until` that are missing after the last one there is; `made` gets their names.
create procedure make_partitions(until date, inout made text default '')
language plpgsql security definer set lock_timeout = '10s' as $$
declare
    parent regclass;
    month date;
begin
    if until > current_date + 3660 then
        raise invalid_parameter_value using message = format('%s is more than ten years away', until);
    end if;
    -- Two services may ask at once: the second waits here, nobody else does.
    lock table payment, transfer in share update exclusive mode;
    foreach parent in array array['payment', 'transfer']::regclass[] loop
        select max(to_date(right(c.relname, 7), 'YYYY_MM')) + interval '1 month' into month
        from pg_inherits h join pg_class c on c.oid = h.inhrelid
        where h.inhparent = parent and c.relname ~ '_\d{4}_\d{2}$';
        while month <= until loop
            made := concat_ws(', ', nullif(made, ''), make_month(parent, month));
            month := month + interval '1 month';
        end loop;
    end loop;
end $$;

-- The definer's rights meet no object of another schema.
do $$
declare
    fixed text := format('set search_path = %I, pg_temp', current_schema());
begin
    execute 'alter procedure make_partitions ' || fixed;
    execute 'alter function make_month ' || fixed;
    execute 'alter function make_partition ' || fixed;
    execute 'alter function protect_journal ' || fixed;
end $$;

-- The old tables make room for the names.
do $$
declare
    former text;
begin
    foreach former in array array['payment', 'transfer'] loop
        execute format('alter table %I rename to %I', former, former || '_whole');
        execute (select string_agg(format('alter index %I rename to %I', c.relname, 'whole_' || c.relname), ';')
                 from pg_index i join pg_class c on c.oid = i.indexrelid
                 where i.indrelid = (former || '_whole')::regclass);
    end loop;
end $$;

create table payment (like payment_whole including defaults including constraints)
    partition by range (channel_month);
alter table payment
    add constraint payment_pkey primary key (channel_id, seq, channel_month),
    add constraint payment_inference_step unique (channel_id, inference_id, step, channel_month);
create index payment_seq on payment (seq);

create table transfer (like transfer_whole including defaults including constraints)
    partition by range (at);
alter table transfer add constraint transfer_pkey primary key (seq, leg, at);
create index transfer_debit on transfer (asset_id, debit_kind, debit_owner, seq);
create index transfer_credit on transfer (asset_id, credit_kind, credit_owner, seq);

-- From the first month that has rows, or from this one; what is older than that has a place as well.
do $$
declare
    this_month date := date_trunc('month', now() at time zone 'UTC');
    first_payment date := coalesce((select min(channel_month) from payment_whole), this_month);
    first_transfer date := coalesce((select date_trunc('month', min(at) at time zone 'UTC')
                                     from transfer_whole), this_month);
begin
    perform make_partition('payment', 'payment_before', 'minvalue',
                           quote_literal(to_char(least(first_payment, this_month), 'YYYY-MM-DD')));
    perform make_month('payment', least(first_payment, this_month));
    perform make_partition('transfer', 'transfer_before', 'minvalue',
                           quote_literal(to_char(least(first_transfer, this_month), 'YYYY-MM-DD')));
    perform make_month('transfer', least(first_transfer, this_month));
end $$;
call make_partitions((current_date + interval '12 months')::date);

insert into payment select * from payment_whole order by seq;
insert into transfer select * from transfer_whole order by seq;
drop table payment_whole;
drop table transfer_whole;
