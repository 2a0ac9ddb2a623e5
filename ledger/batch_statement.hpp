#pragma once

#include <string_view>

namespace millrace::ledger {

/// How a batch gets its numbers. It writes nothing at all unless the lease still has the epoch
/// ($2); everything else hangs on the sequence numbers, which hang on the lease.
inline constexpr std::string_view kBatchHead = R"sql(
with lease as (
    update shard_lease
    set batch = $3, expires_at = $4,
        batch_base = (select last_seq from commit_sequence where id = 1 for update)
    where shard = $1 and epoch = $2 and batch = $3 - 1
    returning shard
), sequence as (
    update commit_sequence set last_seq = last_seq + $5 from lease where id = 1
    returning last_seq - $5 as base
)sql";

/// The same in a transaction that has taken its numbers already, by `begin_batch`.
inline constexpr std::string_view kBatchHeadNumbered = R"sql(
with sequence as (
    select batch_base as base from shard_lease where shard = $1 and epoch = $2 and batch = $3
)sql";

/// Everything that a batch writes: one statement, one round trip. Follows one of the heads. Returns
/// the seq before the batch's first; no row when fenced; fails (division by zero) when fewer
/// channels and accounts were there to be changed than $7. Parameters: BatchParameters.
inline constexpr std::string_view kBatchBody = R"sql(), new_payment as (
    insert into payment (channel_id, seq, inference_id, step, kind, content, amount, increment,
                         charged, reserved, signed_max, balance, voucher_max, signature, covered_by,
                         detail, channel_month, at)
    select u.channel_id, s.base + u.ordinal, u.inference_id, u.step, u.kind, u.content, u.amount,
           u.increment, u.charged, u.reserved, u.signed_max, u.balance, u.voucher_max, u.signature,
           s.base + u.covered_by, u.detail, u.channel_month, $6
    from sequence s,
         unnest($8::bytea[], $9::bigint[], $10::text[], $11::int[], $12::text[], $13::bytea[],
                $14::numeric[], $15::numeric[], $16::numeric[], $17::numeric[], $18::numeric[],
                $19::numeric[], $20::numeric[], $21::bytea[], $22::bigint[], $23::text[],
                $91::date[])
         as u(channel_id, ordinal, inference_id, step, kind, content, amount, increment, charged,
              reserved, signed_max, balance, voucher_max, signature, covered_by, detail,
              channel_month)
), changed_channel as (
    update channel c
    set status = u.status, balance = u.balance, charged = u.charged, reserved = u.reserved,
        signed_max = u.signed_max, signature = u.signature, total_claimed = u.total_claimed,
        withdraw_requested_at = u.withdraw_requested_at, refund_nonce = u.refund_nonce,
        owed = u.owed, in_doubt = u.in_doubt <> 0, withdraw_amount = u.withdraw_amount,
        refunding = u.refunding, refunds_begun = u.refunds_begun, seq = s.base + u.ordinal
    from sequence s,
         unnest($24::bytea[], $25::text[], $26::numeric[], $27::numeric[], $28::numeric[],
                $29::numeric[], $30::bytea[], $31::numeric[], $32::bigint[], $33::bigint[],
                $34::bigint[], $72::numeric[], $73::int[], $87::numeric[], $88::numeric[],
                $89::bigint[])
         as u(channel_id, status, balance, charged, reserved, signed_max, signature, total_claimed,
              withdraw_requested_at, refund_nonce, ordinal, owed, in_doubt, withdraw_amount,
              refunding, refunds_begun)
    where c.channel_id = u.channel_id
    returning 1
), kept_reservation as (
    insert into reservation (channel_id, inference_id, max_amount, charged, steps)
    select u.channel_id, u.inference_id, u.max_amount, u.charged, u.steps
    from sequence s,
         unnest($35::bytea[], $36::text[], $37::numeric[], $38::numeric[], $39::int[])
         as u(channel_id, inference_id, max_amount, charged, steps)
    on conflict (channel_id, inference_id)
        do update set charged = excluded.charged, steps = excluded.steps
), gone_reservation as (
    delete from reservation r
    using sequence s, unnest($40::bytea[], $41::text[]) as u(channel_id, inference_id)
    where r.channel_id = u.channel_id and r.inference_id = u.inference_id
), new_transfer as (
    insert into transfer (seq, leg, asset_id, debit_kind, debit_owner, credit_kind, credit_owner,
                          amount, cause, first_seq, reverses_seq, reverses_leg, at)
    select s.base + u.ordinal, u.leg, u.asset_id, u.debit_kind, u.debit_owner, u.credit_kind,
           u.credit_owner, u.amount, u.cause, s.base + u.first, u.reverses_seq, u.reverses_leg, $6
    from sequence s,
         unnest($42::bigint[], $43::int[], $44::int[], $45::text[], $46::bytea[], $47::text[],
                $48::bytea[], $49::numeric[], $50::text[], $51::bigint[], $74::bigint[],
                $75::int[])
         as u(ordinal, leg, asset_id, debit_kind, debit_owner, credit_kind, credit_owner, amount,
              cause, first, reverses_seq, reverses_leg)
), changed_account as (
    update account a set debits = a.debits + u.debits, credits = a.credits + u.credits
    from sequence s,
         unnest($52::int[], $53::text[], $54::bytea[], $55::numeric[], $56::numeric[])
         as u(asset_id, kind, owner, debits, credits)
    where a.asset_id = u.asset_id and a.kind = u.kind and a.owner = u.owner
    returning 1
), new_chain_event as (
    insert into chain_event (network, transaction_hash, log_index, block_number, block_hash, kind,
                             channel_id, amount, inclusion, requested_at, withdraw_amount,
                             seq, at)
    select u.network, u.transaction_hash, u.log_index, u.block_number, u.block_hash, u.kind,
           u.channel_id, u.amount, u.inclusion, u.requested_at, u.withdraw_amount,
           s.base + u.ordinal, $6
    from sequence s,
         unnest($57::text[], $58::bytea[], $59::int[], $60::bigint[], $61::bytea[], $62::text[],
                $63::bytea[], $64::numeric[], $65::bigint[], $76::int[], $77::bigint[],
                $90::numeric[])
         as u(network, transaction_hash, log_index, block_number, block_hash, kind, channel_id,
              amount, ordinal, inclusion, requested_at, withdraw_amount)
), new_opening as (
    insert into channel_opening (channel_id, seq, network, block_number, block_hash, balance,
                                 total_claimed)
    select u.channel_id, s.base + u.ordinal, u.network, u.block_number, u.block_hash, u.balance,
           u.total_claimed
    from sequence s,
         unnest($78::bytea[], $79::text[], $80::bigint[], $81::bytea[], $82::numeric[],
                $83::numeric[], $84::bigint[])
         as u(channel_id, network, block_number, block_hash, balance, total_claimed, ordinal)
), new_reversal as (
    insert into chain_reversal (event_seq, seq, at)
    select u.event_seq, s.base + u.ordinal, $6
    from sequence s, unnest($85::bigint[], $86::bigint[]) as u(event_seq, ordinal)
), new_event as (
    insert into event (seq, topic, name, asset_id, channel_id, receiver, data, at)
    select s.base + u.ordinal, 'channel', u.name, u.asset_id, u.channel_id, u.receiver, u.data, $6
    from sequence s,
         unnest($66::bigint[], $67::text[], $68::int[], $69::bytea[], $70::bytea[], $71::text[])
         as u(ordinal, name, asset_id, channel_id, receiver, data)
)
select s.base / case when (select count(*) from changed_channel)
                        + (select count(*) from changed_account) = $7 then 1 else 0 end
from sequence s
)sql";

}  // namespace millrace::ledger
