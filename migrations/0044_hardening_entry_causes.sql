-- What a channel brought when it was taken under care was posted because of the contract's state at a block,
-- not of a log: that block is the entry's cause, shown as the event 'opened' of no transaction.

drop view audit.entries;
create view audit.entries as
    select t.seq, min(t.at) as at, min(t.first_seq) as first_seq, count(*) as legs,
        string_agg(distinct t.cause, ', ' order by t.cause) as causes, sum(t.amount) as amount,
        coalesce(e.network, o.network) as chain, audit.hex(e.transaction_hash) as transaction_hash, e.log_index,
        coalesce(e.block_number, o.block_number) as block_number,
        audit.hex(coalesce(e.block_hash, o.block_hash)) as block_hash,
        coalesce(e.kind, case when o.seq is not null then 'opened' end) as chain_event,
        audit.hex(coalesce(e.channel_id, o.channel_id)) as channel_id
    from transfer t left join chain_event e on e.seq = t.seq left join channel_opening o on o.seq = t.seq
    group by t.seq, e.network, e.transaction_hash, e.log_index, e.inclusion, e.block_number, e.block_hash, e.kind,
        e.channel_id, o.channel_id, o.seq, o.network, o.block_number, o.block_hash;
grant select on audit.entries to millrace_auditor;
