-- What auditors read with SQL, named as the resources of the REST interface; bytes are 0x and hex digits,
-- as there. For a report of several queries: begin isolation level repeatable read read only.

create function audit.hex(value bytea) returns text language sql immutable parallel safe
    return '0x' || encode(value, 'hex');

-- As ledger/account_id.cpp writes it.
create function audit.account_id(network text, token bytea, kind text, owner bytea) returns text
    language sql immutable parallel safe
    return substr(network, 8) || ':' || audit.hex(token) || ':' || kind
        || case when octet_length(owner) = 0 then '' else ':' || audit.hex(owner) end;
grant execute on function audit.hex, audit.account_id to millrace_auditor;

create view audit.accounts as
    select audit.account_id(s.network, s.token, a.kind, a.owner) as id, s.network, audit.hex(s.token) as token,
        s.symbol, s.decimals, a.kind,
        case when octet_length(a.owner) > 0 then audit.hex(a.owner) end as owner,
        a.debits, a.credits, abs(a.debits - a.credits) as balance,
        case when a.debits > a.credits or (a.debits = a.credits and a.kind in ('escrow', 'gas'))
             then 'debit' else 'credit' end as side
    from account a join asset s on s.asset_id = a.asset_id;

create view audit.postings as
    select t.seq, t.leg, t.at, t.first_seq, t.cause, s.network, audit.hex(s.token) as token,
        audit.account_id(s.network, s.token, t.debit_kind, t.debit_owner) as debit,
        audit.account_id(s.network, s.token, t.credit_kind, t.credit_owner) as credit,
        t.amount, t.reverses_seq || ':' || t.reverses_leg as reverses
    from transfer t join asset s on s.asset_id = t.asset_id;

create view audit.entries as
    select t.seq, min(t.at) as at, min(t.first_seq) as first_seq, count(*) as legs,
        string_agg(distinct t.cause, ', ' order by t.cause) as causes, sum(t.amount) as amount,
        e.network as chain, audit.hex(e.transaction_hash) as transaction_hash, e.log_index, e.block_number,
        audit.hex(e.block_hash) as block_hash, e.kind as chain_event
    from transfer t left join chain_event e on e.seq = t.seq
    group by t.seq, e.network, e.transaction_hash, e.log_index, e.inclusion, e.block_number, e.block_hash, e.kind;

-- An account's statement: where account = …, order by seq, leg. `balance` is credits less debits, after the leg.
create view audit.account_postings as
    with leg as (
        select asset_id, debit_kind as kind, debit_owner as owner, seq, leg, at, cause, amount as debit,
            0::numeric as credit, credit_kind as other_kind, credit_owner as other_owner
        from transfer
        union all
        select asset_id, credit_kind, credit_owner, seq, leg, at, cause, 0, amount, debit_kind, debit_owner
        from transfer
    )
    select audit.account_id(s.network, s.token, l.kind, l.owner) as account, l.seq, l.leg, l.at, l.cause,
        audit.account_id(s.network, s.token, l.other_kind, l.other_owner) as counterpart, l.debit, l.credit,
        sum(l.credit - l.debit) over (partition by l.asset_id, l.kind, l.owner order by l.seq, l.leg) as balance
    from leg l join asset s on s.asset_id = l.asset_id;

create view audit.payments as
    select audit.hex(p.channel_id) as channel_id, p.seq, p.at, p.kind, p.inference_id, p.step, p.amount, p.increment,
        p.charged as charged_cumulative_amount, p.reserved as reserved_amount, p.signed_max as signed_max_claimable,
        p.balance, p.voucher_max as voucher_max_claimable, audit.hex(p.signature) as voucher_signature, p.covered_by,
        p.detail as details, p.channel_month, audit.hex(p.content) as content
    from payment p;

create view audit.channels as
    select audit.hex(c.channel_id) as channel_id, s.network, audit.hex(s.token) as token, audit.hex(c.payer) as payer,
        audit.hex(c.payer_authorizer) as payer_authorizer, audit.hex(c.receiver) as receiver,
        audit.hex(c.receiver_authorizer) as receiver_authorizer, c.withdraw_delay_seconds as withdraw_delay,
        audit.hex(c.salt) as salt, c.app, c.voucher_signer, c.status, c.balance,
        c.charged as charged_cumulative_amount, c.reserved as reserved_amount, c.refunding as refunding_amount,
        c.signed_max as signed_max_claimable, audit.hex(c.signature) as signature, c.total_claimed,
        c.withdraw_requested_at, c.refund_nonce, c.in_doubt, c.opened_at, c.seq
    from channel c join asset s on s.asset_id = c.asset_id
    where c.seq > 0;

-- From the transfers alone. Differences are 0, always.
create view audit.trial_balance as
    with leg as (
        select asset_id, debit_kind as kind, debit_owner as owner, amount as debit, 0::numeric as credit from transfer
        union all
        select asset_id, credit_kind, credit_owner, 0, amount from transfer
    ), moved as (
        select asset_id, kind, owner, sum(debit) as debits, sum(credit) as credits from leg
        group by asset_id, kind, owner
    ), compared as (
        select asset_id, kind, coalesce(m.debits, 0) as debits, coalesce(m.credits, 0) as credits,
            a.debits is distinct from coalesce(m.debits, 0)
                or a.credits is distinct from coalesce(m.credits, 0) as differs
        from account a full join moved m using (asset_id, kind, owner)
    )
    select s.network, audit.hex(s.token) as token, s.symbol, c.kind, count(*) as accounts, sum(c.debits) as debits,
        sum(c.credits) as credits, count(*) filter (where c.differs) as accounts_differing,
        sum(sum(c.debits - c.credits)) over (partition by s.asset_id) as asset_difference
    from compared c join asset s on s.asset_id = c.asset_id
    group by s.asset_id, s.network, s.token, s.symbol, c.kind;

-- Whatever of the books contradicts another part of them: no row, if all is well.
create view audit.reconciliation as
    with leg as (
        select asset_id, debit_kind as kind, debit_owner as owner, amount as debit, 0::numeric as credit from transfer
        union all
        select asset_id, credit_kind, credit_owner, 0, amount from transfer
    ), moved as (
        select asset_id, kind, owner, sum(debit) as debits, sum(credit) as credits from leg
        group by asset_id, kind, owner
    ), paid as (
        select channel_id, count(*) filter (where p.channel_month
                is distinct from date_trunc('month', c.opened_at at time zone 'UTC')::date) as misplaced,
            max(p.seq) as newest
        from payment p left join channel c using (channel_id)
        group by channel_id
    )
    select 'account_differs_from_transfers' as break, audit.account_id(s.network, s.token, kind, owner) as subject,
        coalesce(m.credits - m.debits, 0) as expected, coalesce(a.credits - a.debits, 0) as found
    from account a full join moved m using (asset_id, kind, owner) join asset s using (asset_id)
    where a.debits is distinct from coalesce(m.debits, 0) or a.credits is distinct from coalesce(m.credits, 0)
    union all
    select 'channel_differs_from_account', audit.hex(c.channel_id), coalesce(a.credits - a.debits, 0),
        c.balance - c.charged
    from channel c left join account a on a.asset_id = c.asset_id and a.kind = 'channel' and a.owner = c.channel_id
    where coalesce(a.credits - a.debits, 0) <> c.balance - c.charged
    union all
    select 'channel_differs_from_reservations', audit.hex(c.channel_id),
        (select coalesce(sum(r.max_amount - r.charged), 0) from reservation r where r.channel_id = c.channel_id),
        c.reserved
    from channel c
    where c.reserved <> (select coalesce(sum(r.max_amount - r.charged), 0) from reservation r
                         where r.channel_id = c.channel_id)
    union all
    select 'payment_after_channel', audit.hex(p.channel_id), p.newest, c.seq
    from paid p join channel c using (channel_id) where p.newest > c.seq
    union all
    select 'payment_without_channel', audit.hex(p.channel_id), p.newest, null
    from paid p left join channel c using (channel_id) where c.channel_id is null
    union all
    select 'payment_in_another_month', audit.hex(p.channel_id), 0, p.misplaced
    from paid p join channel c using (channel_id) where p.misplaced > 0;
