#include "ledger/batch_statement.hpp"

#include <fmt/format.h>

#include <array>

namespace millrace::ledger {
namespace {

using Element = PgArray::Element;
constexpr auto b = Element::bytea;
constexpr auto d = Element::date;
constexpr auto i4 = Element::int4;
constexpr auto i8 = Element::int8;
constexpr auto n = Element::numeric;
constexpr auto t = Element::text;
constexpr auto tz = Element::timestamptz;

}  // namespace

const std::string_view kNumbersTakenHere = R"sql(
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

namespace {

constexpr std::string_view kNumbersTakenBefore = R"sql(
with sequence as (
    select batch_base as base from shard_lease where shard = $1 and epoch = $2 and batch = $3
))sql";

constexpr std::string_view kNumbersGiven = "with sequence as (select $5::bigint as base)";

std::string_view sequence_of(BatchNumbers numbers) {
    switch (numbers) {
        case BatchNumbers::taken_here:
            return kNumbersTakenHere;
        case BatchNumbers::taken_before:
            return kNumbersTakenBefore;
        case BatchNumbers::given:
            return kNumbersGiven;
    }
    return {};
}

/// `%rows` stands for the rows of the parameters, in `u`.
struct Part {
    std::span<const BatchColumn> columns;
    std::string_view sql;
};

constexpr BatchColumn kPaymentColumns[] = {
    {b, "channel_id"},   {i8, "ordinal"},  {t, "inference_id"}, {i4, "step"},
    {t, "kind"},         {b, "content"},   {n, "amount"},       {n, "increment"},
    {n, "charged"},      {n, "reserved"},  {n, "signed_max"},   {n, "balance"},
    {n, "voucher_max"},  {b, "signature"}, {i8, "covered_by"},  {t, "detail"},
    {d, "channel_month"}};
constexpr std::string_view kPayment = R"sql(new_payment as (
    insert into payment (channel_id, seq, inference_id, step, kind, content, amount, increment,
                         charged, reserved, signed_max, balance, voucher_max, signature, covered_by,
                         detail, channel_month, at)
    select u.channel_id, s.base + u.ordinal, u.inference_id, u.step, u.kind, u.content, u.amount,
           u.increment, u.charged, u.reserved, u.signed_max, u.balance, u.voucher_max, u.signature,
           s.base + u.covered_by, u.detail, u.channel_month, $6
    from sequence s, %rows
))sql";

constexpr BatchColumn kChannelColumns[] = {
    {b, "channel_id"},    {t, "status"},          {n, "balance"},
    {n, "charged"},       {n, "reserved"},        {n, "signed_max"},
    {b, "signature"},     {n, "total_claimed"},   {i8, "withdraw_requested_at"},
    {i8, "refund_nonce"}, {i8, "ordinal"},        {n, "owed"},
    {i4, "in_doubt"},     {n, "withdraw_amount"}, {n, "refunding"},
    {i8, "refunds_begun"}};
constexpr std::string_view kChannel = R"sql(changed_channel as (
    update channel c
    set status = u.status, balance = u.balance, charged = u.charged, reserved = u.reserved,
        signed_max = u.signed_max, signature = u.signature, total_claimed = u.total_claimed,
        withdraw_requested_at = u.withdraw_requested_at, refund_nonce = u.refund_nonce,
        owed = u.owed, in_doubt = u.in_doubt <> 0, withdraw_amount = u.withdraw_amount,
        refunding = u.refunding, refunds_begun = u.refunds_begun, seq = s.base + u.ordinal
    from sequence s, %rows
    where c.channel_id = u.channel_id
    returning 1
))sql";

constexpr BatchColumn kKeptReservationColumns[] = {
    {b, "channel_id"}, {t, "inference_id"}, {n, "max_amount"}, {n, "charged"}, {i4, "steps"}};
constexpr std::string_view kKeptReservation = R"sql(kept_reservation as (
    insert into reservation (channel_id, inference_id, max_amount, charged, steps)
    select u.channel_id, u.inference_id, u.max_amount, u.charged, u.steps
    from sequence s, %rows
    on conflict (channel_id, inference_id)
        do update set charged = excluded.charged, steps = excluded.steps
))sql";

constexpr BatchColumn kGoneReservationColumns[] = {{b, "channel_id"}, {t, "inference_id"}};
constexpr std::string_view kGoneReservation = R"sql(gone_reservation as (
    delete from reservation r
    using sequence s, %rows
    where r.channel_id = u.channel_id and r.inference_id = u.inference_id
))sql";

constexpr BatchColumn kTransferColumns[] = {
    {i8, "ordinal"},    {i4, "leg"},        {i4, "asset_id"},     {t, "debit_kind"},
    {b, "debit_owner"}, {t, "credit_kind"}, {b, "credit_owner"},  {n, "amount"},
    {t, "cause"},       {i8, "first"},      {i8, "reverses_seq"}, {i4, "reverses_leg"},
    {tz, "at"}};
constexpr std::string_view kTransfer = R"sql(new_transfer as (
    insert into transfer (seq, leg, asset_id, debit_kind, debit_owner, credit_kind, credit_owner,
                          amount, cause, first_seq, reverses_seq, reverses_leg, at)
    select s.base + u.ordinal, u.leg, u.asset_id, u.debit_kind, u.debit_owner, u.credit_kind,
           u.credit_owner, u.amount, u.cause, s.base + u.first, u.reverses_seq, u.reverses_leg, u.at
    from sequence s, %rows
))sql";

constexpr BatchColumn kAccountColumns[] = {
    {i4, "asset_id"}, {t, "kind"}, {b, "owner"}, {n, "debits"}, {n, "credits"}};
constexpr std::string_view kAccount = R"sql(changed_account as (
    update account a set debits = a.debits + u.debits, credits = a.credits + u.credits
    from sequence s, %rows
    where a.asset_id = u.asset_id and a.kind = u.kind and a.owner = u.owner
    returning 1
))sql";

constexpr BatchColumn kChainEventColumns[] = {
    {t, "network"},       {b, "transaction_hash"}, {i4, "log_index"},
    {i8, "block_number"}, {b, "block_hash"},       {t, "kind"},
    {b, "channel_id"},    {n, "amount"},           {i8, "ordinal"},
    {i4, "inclusion"},    {i8, "requested_at"},    {n, "withdraw_amount"}};
constexpr std::string_view kChainEvent = R"sql(new_chain_event as (
    insert into chain_event (network, transaction_hash, log_index, block_number, block_hash, kind,
                             channel_id, amount, inclusion, requested_at, withdraw_amount,
                             seq, at)
    select u.network, u.transaction_hash, u.log_index, u.block_number, u.block_hash, u.kind,
           u.channel_id, u.amount, u.inclusion, u.requested_at, u.withdraw_amount,
           s.base + u.ordinal, $6
    from sequence s, %rows
))sql";

constexpr BatchColumn kOpeningColumns[] = {{b, "channel_id"}, {t, "network"}, {i8, "block_number"},
                                           {b, "block_hash"}, {n, "balance"}, {n, "total_claimed"},
                                           {i8, "ordinal"}};
constexpr std::string_view kOpening = R"sql(new_opening as (
    insert into channel_opening (channel_id, seq, network, block_number, block_hash, balance,
                                 total_claimed)
    select u.channel_id, s.base + u.ordinal, u.network, u.block_number, u.block_hash, u.balance,
           u.total_claimed
    from sequence s, %rows
))sql";

constexpr BatchColumn kReversalColumns[] = {{i8, "event_seq"}, {i8, "ordinal"}};
constexpr std::string_view kReversal = R"sql(new_reversal as (
    insert into chain_reversal (event_seq, seq, at)
    select u.event_seq, s.base + u.ordinal, $6
    from sequence s, %rows
))sql";

constexpr BatchColumn kEventColumns[] = {{i8, "ordinal"},   {t, "name"},     {i4, "asset_id"},
                                         {b, "channel_id"}, {b, "receiver"}, {t, "data"}};
constexpr std::string_view kEvent = R"sql(new_event as (
    insert into event (seq, topic, name, asset_id, channel_id, receiver, data, at)
    select s.base + u.ordinal, 'channel', u.name, u.asset_id, u.channel_id, u.receiver, u.data, $6
    from sequence s, %rows
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

bool has(const BatchParts& parts, BatchPart part) {
    return parts[static_cast<std::size_t>(part)];
}

std::string_view type_name(Element type) {
    switch (type) {
        case b:
            return "bytea";
        case d:
            return "date";
        case i4:
            return "integer";
        case i8:
            return "bigint";
        case n:
            return "numeric";
        case t:
            return "text";
        case tz:
            return "timestamptz";
    }
    return {};
}

template <class Text>
std::string list(std::span<const BatchColumn> columns, Text&& text) {
    std::string all;
    for (const auto& column : columns) (all += all.empty() ? "" : ", ") += text(column);
    return all;
}

/// One array for each column.
std::string many_rows(std::span<const BatchColumn> columns, std::size_t number) {
    return "unnest(" +
           list(columns,
                [&](const BatchColumn& column) {
                    return fmt::format("${}::{}[]", ++number, type_name(column.type));
                }) +
           ")";
}

/// One parameter for each column of each row.
std::string few_rows(std::span<const BatchColumn> columns, std::size_t rows, std::size_t number) {
    std::string all;
    for (std::size_t row = 0; row < rows; ++row)
        (all += row == 0 ? "(select " : " union all select ") +=
            list(columns, [&](const BatchColumn& column) {
                return fmt::format("${}::{}", ++number, type_name(column.type));
            });
    return all + ")";
}

}  // namespace

std::span<const BatchColumn> columns_of(BatchPart part) {
    return kParts[static_cast<std::size_t>(part)].columns;
}

std::string batch_statement(BatchNumbers numbers, const BatchParts& parts, BatchRows rows) {
    constexpr std::string_view kRows = "%rows";
    std::string statement(sequence_of(numbers));
    auto before = kBatchSingles;
    for (std::size_t part = 0; part < kBatchParts; ++part) {
        if (!parts[part]) continue;
        const auto& [columns, sql] = kParts[part];
        const auto few = few_rows_of(static_cast<BatchPart>(part));
        const auto at = sql.find(kRows);
        (statement += ", ") += sql.substr(0, at);
        statement +=
            rows == BatchRows::few ? few_rows(columns, few, before) : many_rows(columns, before);
        statement += fmt::format(
            " as u({})", list(columns, [](const BatchColumn& column) { return column.name; }));
        statement += sql.substr(at + kRows.size());
        before += columns.size() * (rows == BatchRows::few ? few : 1);
    }
    std::string changed = "0";
    if (has(parts, BatchPart::channel)) changed += " + (select count(*) from changed_channel)";
    if (has(parts, BatchPart::account)) changed += " + (select count(*) from changed_account)";
    return statement += fmt::format(
               " select s.base / case when {} = $7 then 1 else 0 end from sequence s", changed);
}

}  // namespace millrace::ledger
