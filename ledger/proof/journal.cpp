#include "ledger/proof/journal.hpp"

#include "ledger/bytea.hpp"

#include <fmt/format.h>
#include <boost/algorithm/hex.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <stdexcept>
#include <string>

namespace millrace::ledger {
namespace {

constexpr auto kInt = FieldKind::integer;
constexpr auto kText = FieldKind::text;
constexpr auto kBytes = FieldKind::bytes;
constexpr auto kTime = FieldKind::time;

constexpr JournalField kPayment[] = {
    {"channel_id", kBytes}, {"inference_id", kText}, {"step", kInt},      {"kind", kText},
    {"content", kBytes},    {"amount", kInt},        {"increment", kInt}, {"charged", kInt},
    {"reserved", kInt},     {"signed_max", kInt},    {"balance", kInt},   {"voucher_max", kInt},
    {"signature", kBytes},  {"covered_by", kInt},    {"detail", kText},   {"channel_month", kText},
    {"at", kTime}};
constexpr JournalField kTransfer[] = {{"leg", kInt},
                                      {"network", kText},
                                      {"token", kBytes},
                                      {"debit_kind", kText},
                                      {"debit_owner", kBytes},
                                      {"credit_kind", kText},
                                      {"credit_owner", kBytes},
                                      {"amount", kInt},
                                      {"cause", kText},
                                      {"first_seq", kInt},
                                      {"reverses_seq", kInt},
                                      {"reverses_leg", kInt},
                                      {"at", kTime}};
constexpr JournalField kChainEvent[] = {
    {"network", kText},     {"transaction_hash", kBytes}, {"log_index", kInt},
    {"inclusion", kInt},    {"block_number", kInt},       {"block_hash", kBytes},
    {"kind", kText},        {"channel_id", kBytes},       {"amount", kInt},
    {"requested_at", kInt}, {"withdraw_amount", kInt},    {"at", kTime}};
constexpr JournalField kOpening[] = {{"channel_id", kBytes}, {"network", kText},
                                     {"block_number", kInt}, {"block_hash", kBytes},
                                     {"balance", kInt},      {"total_claimed", kInt}};
constexpr JournalField kReversal[] = {{"event_seq", kInt}, {"at", kTime}};
constexpr JournalField kEvent[] = {{"topic", kText},  {"name", kText},        {"network", kText},
                                   {"token", kBytes}, {"channel_id", kBytes}, {"receiver", kBytes},
                                   {"data", kText},   {"at", kTime}};

/// By step, which both indexes lead to at once however long the inference is; $3: the number behind
/// which to go on, $4: how many.
constexpr const char* kNumbersOf =
    "select seq from payment where channel_id = $1::bytea and inference_id = $2 and step > "
    "coalesce((select step from payment where channel_id = $1::bytea and inference_id = $2 "
    "and seq <= $3 order by seq desc limit 1), -1) order by step limit $4";

struct TableSpec {
    std::string_view name;
    std::span<const JournalField> fields;
    /// The number, then the fields; $1 and $2: from and to.
    const char* sql;
};
// Payments, which are nearly all rows, are put in order here: the server would merge and sort the
// rows of all months.

const TableSpec kTables[] = {
    {"payment", kPayment,
     "select seq, channel_id, inference_id, step, kind, content, amount, increment, charged, "
     "reserved, signed_max, balance, voucher_max, signature, covered_by, detail, channel_month, at "
     "from payment where seq between $1 and $2"},
    {"transfer", kTransfer,
     "select t.seq, t.leg, s.network, s.token, t.debit_kind, t.debit_owner, t.credit_kind, "
     "t.credit_owner, t.amount, t.cause, t.first_seq, t.reverses_seq, t.reverses_leg, t.at "
     "from transfer t left join asset s on s.asset_id = t.asset_id "
     "where t.seq between $1 and $2 order by t.seq, t.leg"},
    {"chain_event", kChainEvent,
     "select seq, network, transaction_hash, log_index, inclusion, block_number, block_hash, kind, "
     "channel_id, amount, requested_at, withdraw_amount, at from chain_event "
     "where seq between $1 and $2 "
     "order by seq, network collate \"C\", transaction_hash, log_index, inclusion"},
    {"channel_opening", kOpening,
     "select seq, channel_id, network, block_number, block_hash, balance, total_claimed "
     "from channel_opening where seq between $1 and $2 order by seq, channel_id"},
    {"chain_reversal", kReversal,
     "select seq, event_seq, at from chain_reversal where seq between $1 and $2 "
     "order by seq, event_seq"},
    {"event", kEvent,
     "select e.seq, e.topic, e.name, s.network, s.token, e.channel_id, e.receiver, e.data, e.at "
     "from event e left join asset s on s.asset_id = e.asset_id "
     "where e.seq between $1 and $2 order by e.seq"}};

const TableSpec& spec_of(JournalTable table) {
    return kTables[static_cast<std::size_t>(table) - 1];
}

void append_big_endian(channel::Bytes& out, std::uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void append_raw(channel::Bytes& out, std::string_view text) {
    append_big_endian(out, text.size(), 4);
    out.insert(out.end(), text.begin(), text.end());
}

bool append_bytes(channel::Bytes& out, std::string_view text) {
    if (text.size() < 2 || text.size() % 2 != 0) return false;
    const auto size = text.size() / 2 - 1;
    append_big_endian(out, size, 4);
    const auto at = out.size();
    out.resize(at + size);
    try {
        boost::algorithm::unhex(text.begin() + 2, text.end(),
                                out.begin() + static_cast<std::ptrdiff_t>(at));
    } catch (const boost::algorithm::hex_decode_error&) {
        return false;
    }
    return true;
}

bool append_field(channel::Bytes& out, FieldKind kind, std::string_view text) {
    switch (kind) {
        case FieldKind::integer:
        case FieldKind::text:
            append_raw(out, text);
            return true;
        case FieldKind::bytes:
            return append_bytes(out, text);
        case FieldKind::time: {
            const auto time = parse_time(text);
            if (time) append_raw(out, std::to_string(*time));
            return time.has_value();
        }
    }
    return false;
}

/// Digits of fixed width at the front of `text`, cut off, and what has to follow them.
bool take_number(std::string_view& text, std::size_t digits, std::string_view follows,
                 int& number) {
    if (text.size() < digits) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
    if (error != std::errc{} || end != text.data() + digits) return false;
    text.remove_prefix(digits);
    if (follows.empty()) return true;
    if (text.empty() || follows.find(text.front()) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
}

/// ".5" is 500,000 µs; nothing is none.
bool take_fraction(std::string_view& text, std::int64_t& micros) {
    micros = 0;
    if (!text.starts_with('.')) return true;
    text.remove_prefix(1);
    std::int64_t unit = 100'000;
    bool any = false;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
        if (unit == 0) return false;
        micros += (text.front() - '0') * unit;
        unit /= 10;
        any = true;
    }
    return any;
}

/// Only somebody who writes past the service puts two under one number.
void sort_payments(JournalPage& page) {
    for (auto& number : page.numbers)
        if (number.rows.size() > 1)
            std::sort(number.rows.begin(), number.rows.end(),
                      [](const JournalRow& a, const JournalRow& b) {
                          return a.fields.front() < b.fields.front();
                      });
}

}  // namespace

std::span<const JournalField> fields_of(JournalTable table) {
    return spec_of(table).fields;
}

std::string_view to_string(JournalTable table) {
    return spec_of(table).name;
}

std::array<JournalTable, kJournalTables> journal_tables() {
    using enum JournalTable;
    return {payment, transfer, chain_event, channel_opening, chain_reversal, event};
}

const std::optional<std::string_view>& JournalRow::operator[](std::string_view column) const {
    const auto columns = fields_of(table);
    for (std::size_t at = 0; at < columns.size(); ++at)
        if (columns[at].column == column) return fields[at];
    throw std::logic_error(
        fmt::format("{} has no column {}", millrace::ledger::to_string(table), column));
}

JournalPage read_journal(pqxx::transaction_base& transaction, std::uint64_t from,
                         std::uint64_t to) {
    JournalPage page;
    if (from > to) return page;
    page.numbers.resize(to - from + 1);
    for (std::uint64_t seq = from; seq <= to; ++seq) page.numbers[seq - from].seq = seq;
    for (const auto table : journal_tables()) {
        const auto& spec = spec_of(table);
        page.results.push_back(transaction.exec_params(spec.sql, from, to));
        for (const auto& found : page.results.back()) {
            JournalRow row{table, false, {}};
            for (std::size_t at = 0; at < spec.fields.size(); ++at) {
                const auto field = found[static_cast<pqxx::row::size_type>(at + 1)];
                if (!field.is_null()) row.fields[at].emplace(field.c_str(), field.size());
            }
            page.numbers.at(found[0].as<std::uint64_t>() - from).rows.push_back(row);
        }
        if (table == JournalTable::payment) sort_payments(page);
    }
    return page;
}

std::vector<std::uint64_t> numbers_of(pqxx::transaction_base& transaction,
                                      const channel::ChannelId& channel,
                                      const std::string& inference_id, std::uint64_t after,
                                      std::size_t limit) {
    std::vector<std::uint64_t> numbers;
    for (const auto& row :
         transaction.exec_params(kNumbersOf, to_bytea(channel), inference_id, after, limit))
        numbers.push_back(row[0].as<std::uint64_t>());
    return numbers;
}

std::optional<std::int64_t> parse_time(std::string_view text) {
    using namespace std::chrono;
    int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
    std::int64_t micros = 0;
    if (!take_number(text, 4, "-", y) || !take_number(text, 2, "-", mo) ||
        !take_number(text, 2, " T", d) || !take_number(text, 2, ":", h) ||
        !take_number(text, 2, ":", mi) || !take_number(text, 2, "", s) ||
        !take_fraction(text, micros) || (text != "+00" && text != "Z"))
        return std::nullopt;
    const year_month_day date{year{y} / static_cast<unsigned>(mo) / static_cast<unsigned>(d)};
    if (!date.ok() || h > 23 || mi > 59 || s > 59) return std::nullopt;
    const auto time = sys_days{date} + hours{h} + minutes{mi} + seconds{s};
    return duration_cast<microseconds>(time.time_since_epoch()).count() + micros;
}

LeafWriter::LeafWriter(channel::Bytes& leaf, std::uint64_t seq) : leaf_(leaf) {
    constexpr std::uint8_t kVersion = 1;
    leaf_.clear();
    leaf_.push_back(kVersion);
    append_big_endian(leaf_, seq, 8);
    append_big_endian(leaf_, 0, 2);
}

bool LeafWriter::add(const JournalRow& row) {
    constexpr std::uint64_t kNull = 0xffffffff;
    constexpr std::size_t kCountAt = 9;
    ++rows_;
    leaf_[kCountAt] = static_cast<std::uint8_t>(rows_ >> 8);
    leaf_[kCountAt + 1] = static_cast<std::uint8_t>(rows_);
    const auto columns = fields_of(row.table);
    leaf_.push_back(static_cast<std::uint8_t>(row.table));
    leaf_.push_back(static_cast<std::uint8_t>(columns.size()));
    for (std::size_t at = 0; at < columns.size(); ++at) {
        const auto& field = row.fields[at];
        if (!field)
            append_big_endian(leaf_, kNull, 4);
        else if (row.is_raw)
            append_raw(leaf_, *field);
        else if (!append_field(leaf_, columns[at].kind, *field))
            return false;
    }
    return true;
}

bool write_leaf(const JournalNumber& number, channel::Bytes& leaf) {
    LeafWriter writer(leaf, number.seq);
    return std::all_of(number.rows.begin(), number.rows.end(),
                       [&](const JournalRow& row) { return writer.add(row); });
}

}  // namespace millrace::ledger
