#include "ledger/batch_statement.hpp"

#include <array>
#include <cctype>

namespace millrace::ledger {
namespace {

using Element = PgArray::Element;
constexpr auto b = Element::bytea;
constexpr auto d = Element::date;
constexpr auto i4 = Element::int4;
constexpr auto i8 = Element::int8;
constexpr auto n = Element::numeric;
constexpr auto t = Element::text;

constexpr std::string_view kNumbersTakenHere = R"sql(
with lease as (
    update shard_lease
    set batch = $3, expires_at = $4,
        batch_base = (select last_seq from commit_sequence where id = 1 for update)
    where shard = $1 and epoch = $2 and batch = $3 - 1
    returning shard
), sequence as (
    update commit_sequence set last_seq = last_seq + $5 from lease where id = 1
    returning last_seq - $5 as base
))sql";

constexpr std::string_view kNumbersTakenBefore = R"sql(
with sequence as (
    select batch_base as base from shard_lease where shard = $1 and epoch = $2 and batch = $3
))sql";

/// The parameters of each are %1, %2, … in its text.
struct Part {
    std::span<const Element> columns;
    std::string_view sql;
};

constexpr std::array kPaymentColumns{b, i8, t, i4, t, b, n, n, n, n, n, n, n, b, i8, t, d};
constexpr std::string_view kPayment = R"sql(new_payment as (
    insert into payment (channel_id, seq, inference_id, step, kind, content, amount, increment,
                         charged, reserved, signed_max, balance, voucher_max, signature, covered_by,
                         detail, channel_month, at)
    select u.channel_id, s.base + u.ordinal, u.inference_id, u.step, u.kind, u.content, u.amount,
           u.increment, u.charged, u.reserved, u.signed_max, u.balance, u.voucher_max, u.signature,
           s.base + u.covered_by, u.detail, u.channel_month, $6
    from sequence s,
         unnest(%1::bytea[], %2::bigint[], %3::text[], %4::int[], %5::text[], %6::bytea[],
                %7::numeric[], %8::numeric[], %9::numeric[], %10::numeric[], %11::numeric[],
                %12::numeric[], %13::numeric[], %14::bytea[], %15::bigint[], %16::text[],
                %17::date[])
         as u(channel_id, ordinal, inference_id, step, kind, content, amount, increment, charged,
              reserved, signed_max, balance, voucher_max, signature, covered_by, detail,
              channel_month)
))sql";

constexpr std::array kChannelColumns{b, t, n, n, n, n, b, n, i8, i8, i8, n, i4, n, n, i8};
constexpr std::string_view kChannel = R"sql(changed_channel as (
    update channel c
    set status = u.status, balance = u.balance, charged = u.charged, reserved = u.reserved,
        signed_max = u.signed_max, signature = u.signature, total_claimed = u.total_claimed,
        withdraw_requested_at = u.withdraw_requested_at, refund_nonce = u.refund_nonce,
        owed = u.owed, in_doubt = u.in_doubt <> 0, withdraw_amount = u.withdraw_amount,
        refunding = u.refunding, refunds_begun = u.refunds_begun, seq = s.base + u.ordinal
    from sequence s,
         unnest(%1::bytea[], %2::text[], %3::numeric[], %4::numeric[], %5::numeric[],
                %6::numeric[], %7::bytea[], %8::numeric[], %9::bigint[], %10::bigint[],
                %11::bigint[], %12::numeric[], %13::int[], %14::numeric[], %15::numeric[],
                %16::bigint[])
         as u(channel_id, status, balance, charged, reserved, signed_max, signature, total_claimed,
              withdraw_requested_at, refund_nonce, ordinal, owed, in_doubt, withdraw_amount,
              refunding, refunds_begun)
    where c.channel_id = u.channel_id
    returning 1
))sql";

constexpr std::array kKeptReservationColumns{b, t, n, n, i4};
constexpr std::string_view kKeptReservation = R"sql(kept_reservation as (
    insert into reservation (channel_id, inference_id, max_amount, charged, steps)
    select u.channel_id, u.inference_id, u.max_amount, u.charged, u.steps
    from sequence s,
         unnest(%1::bytea[], %2::text[], %3::numeric[], %4::numeric[], %5::int[])
         as u(channel_id, inference_id, max_amount, charged, steps)
    on conflict (channel_id, inference_id)
        do update set charged = excluded.charged, steps = excluded.steps
))sql";

constexpr std::array kGoneReservationColumns{b, t};
constexpr std::string_view kGoneReservation = R"sql(gone_reservation as (
    delete from reservation r
    using sequence s, unnest(%1::bytea[], %2::text[]) as u(channel_id, inference_id)
    where r.channel_id = u.channel_id and r.inference_id = u.inference_id
))sql";

constexpr std::array kTransferColumns{i8, i4, i4, t, b, t, b, n, t, i8, i8, i4};
constexpr std::string_view kTransfer = R"sql(new_transfer as (
    insert into transfer (seq, leg, asset_id, debit_kind, debit_owner, credit_kind, credit_owner,
                          amount, cause, first_seq, reverses_seq, reverses_leg, at)
    select s.base + u.ordinal, u.leg, u.asset_id, u.debit_kind, u.debit_owner, u.credit_kind,
           u.credit_owner, u.amount, u.cause, s.base + u.first, u.reverses_seq, u.reverses_leg, $6
    from sequence s,
         unnest(%1::bigint[], %2::int[], %3::int[], %4::text[], %5::bytea[], %6::text[],
                %7::bytea[], %8::numeric[], %9::text[], %10::bigint[], %11::bigint[],
                %12::int[])
         as u(ordinal, leg, asset_id, debit_kind, debit_owner, credit_kind, credit_owner, amount,
              cause, first, reverses_seq, reverses_leg)
))sql";

constexpr std::array kAccountColumns{i4, t, b, n, n};
constexpr std::string_view kAccount = R"sql(changed_account as (
    update account a set debits = a.debits + u.debits, credits = a.credits + u.credits
    from sequence s,
         unnest(%1::int[], %2::text[], %3::bytea[], %4::numeric[], %5::numeric[])
         as u(asset_id, kind, owner, debits, credits)
    where a.asset_id = u.asset_id and a.kind = u.kind and a.owner = u.owner
    returning 1
))sql";

constexpr std::array kChainEventColumns{t, b, i4, i8, b, t, b, n, i8, i4, i8, n};
constexpr std::string_view kChainEvent = R"sql(new_chain_event as (
    insert into chain_event (network, transaction_hash, log_index, block_number, block_hash, kind,
                             channel_id, amount, inclusion, requested_at, withdraw_amount,
                             seq, at)
    select u.network, u.transaction_hash, u.log_index, u.block_number, u.block_hash, u.kind,
           u.channel_id, u.amount, u.inclusion, u.requested_at, u.withdraw_amount,
           s.base + u.ordinal, $6
    from sequence s,
         unnest(%1::text[], %2::bytea[], %3::int[], %4::bigint[], %5::bytea[], %6::text[],
                %7::bytea[], %8::numeric[], %9::bigint[], %10::int[], %11::bigint[],
                %12::numeric[])
         as u(network, transaction_hash, log_index, block_number, block_hash, kind, channel_id,
              amount, ordinal, inclusion, requested_at, withdraw_amount)
))sql";

constexpr std::array kOpeningColumns{b, t, i8, b, n, n, i8};
constexpr std::string_view kOpening = R"sql(new_opening as (
    insert into channel_opening (channel_id, seq, network, block_number, block_hash, balance,
                                 total_claimed)
    select u.channel_id, s.base + u.ordinal, u.network, u.block_number, u.block_hash, u.balance,
           u.total_claimed
    from sequence s,
         unnest(%1::bytea[], %2::text[], %3::bigint[], %4::bytea[], %5::numeric[],
                %6::numeric[], %7::bigint[])
         as u(channel_id, network, block_number, block_hash, balance, total_claimed, ordinal)
))sql";

constexpr std::array kReversalColumns{i8, i8};
constexpr std::string_view kReversal = R"sql(new_reversal as (
    insert into chain_reversal (event_seq, seq, at)
    select u.event_seq, s.base + u.ordinal, $6
    from sequence s, unnest(%1::bigint[], %2::bigint[]) as u(event_seq, ordinal)
))sql";

constexpr std::array kEventColumns{i8, t, i4, b, b, t};
constexpr std::string_view kEvent = R"sql(new_event as (
    insert into event (seq, topic, name, asset_id, channel_id, receiver, data, at)
    select s.base + u.ordinal, 'channel', u.name, u.asset_id, u.channel_id, u.receiver, u.data, $6
    from sequence s,
         unnest(%1::bigint[], %2::text[], %3::int[], %4::bytea[], %5::bytea[], %6::text[])
         as u(ordinal, name, asset_id, channel_id, receiver, data)
))sql";

/// In the order of BatchPart.
constexpr std::array<Part, kBatchParts> kParts{{{kPaymentColumns, kPayment},
                                                {kChannelColumns, kChannel},
                                                {kKeptReservationColumns, kKeptReservation},
                                                {kGoneReservationColumns, kGoneReservation},
                                                {kTransferColumns, kTransfer},
                                                {kAccountColumns, kAccount},
                                                {kChainEventColumns, kChainEvent},
                                                {kOpeningColumns, kOpening},
                                                {kReversalColumns, kReversal},
                                                {kEventColumns, kEvent}}};

/// With the numbers of the parameters, of which so many are there before.
void append(std::string& statement, std::string_view sql, std::size_t before) {
    statement += ", ";
    while (!sql.empty()) {
        const auto mark = sql.find('%');
        statement += sql.substr(0, mark);
        if (mark == std::string_view::npos) return;
        sql.remove_prefix(mark + 1);
        std::size_t number = 0;
        for (; !sql.empty() && std::isdigit(static_cast<unsigned char>(sql.front())) != 0;
             sql.remove_prefix(1))
            number = number * 10 + static_cast<std::size_t>(sql.front() - '0');
        (statement += '$') += std::to_string(before + number);
    }
}

}  // namespace

std::span<const PgArray::Element> columns_of(BatchPart part) {
    return kParts[static_cast<std::size_t>(part)].columns;
}

std::string batch_statement(BatchNumbers numbers, const BatchParts& parts) {
    std::string statement(numbers == BatchNumbers::taken_here ? kNumbersTakenHere
                                                              : kNumbersTakenBefore);
    auto before = kBatchSingles;
    for (std::size_t part = 0; part < kBatchParts; ++part) {
        if (!parts[part]) continue;
        append(statement, kParts[part].sql, before);
        before += kParts[part].columns.size();
    }
    statement += " select s.base / case when 0";
    if (parts[static_cast<std::size_t>(BatchPart::channel)])
        statement += " + (select count(*) from changed_channel)";
    if (parts[static_cast<std::size_t>(BatchPart::account)])
        statement += " + (select count(*) from changed_account)";
    return statement += " = $7 then 1 else 0 end from sequence s";
}

}  // namespace millrace::ledger
