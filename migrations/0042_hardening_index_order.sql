-- An account's owner first: it tells accounts apart at the first comparison, where asset and kind are the
-- same for nearly all of them. Every query names all three.

drop index transfer_debit;
drop index transfer_credit;
create index transfer_debit on transfer (debit_owner, debit_kind, asset_id, seq);
create index transfer_credit on transfer (credit_owner, credit_kind, asset_id, seq);

-- Named as the parent's, like those of partitions that are made later.
do $$
declare
    former text;
    wanted text;
begin
    for former, wanted in
        select own.relname, part.relname || substr(above.relname, length('transfer') + 1)
        from pg_index i
        join pg_class own on own.oid = i.indexrelid
        join pg_class part on part.oid = i.indrelid
        join pg_inherits h on h.inhrelid = i.indexrelid
        join pg_class above on above.oid = h.inhparent
        where h.inhparent in ('transfer_debit'::regclass, 'transfer_credit'::regclass)
            and own.relname <> part.relname || substr(above.relname, length('transfer') + 1)
    loop
        execute format('alter index %I rename to %I', former, wanted);
    end loop;
end $$;
