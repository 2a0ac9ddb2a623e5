#pragma once

#include "channel/bytes.hpp"
#include "ledger/proof/tree.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// What a field is, and so how it is written into a leaf (README.md, Leaves).
enum class FieldKind { integer, text, bytes, time };

struct JournalField {
    /// The column, and in camelCase the member of an export.
    std::string_view column;
    FieldKind kind;
};

enum class JournalTable : std::uint8_t {
    payment = 1,
    transfer,
    chain_event,
    channel_opening,
    chain_reversal,
    event
};
inline constexpr std::size_t kJournalTables = 6;

/// The fields of a record, in their order.
std::span<const JournalField> fields_of(JournalTable table);
/// As in the database.
std::string_view to_string(JournalTable table);
/// In the order of their types.
std::array<JournalTable, kJournalTables> journal_tables();

inline constexpr std::size_t kJournalFieldsMax = 17;

/// One row as text, null where it is: integers in decimal, bytes in hex behind two characters
/// ("\x" or "0x"), times as Postgres (in UTC) or RFC 3339 have them.
struct JournalRow {
    JournalTable table{};
    /// Bytes as they are, and times in microseconds since 1970: rows that no database wrote out.
    bool is_raw = false;
    std::array<std::optional<std::string_view>, kJournalFieldsMax> fields;

    const std::optional<std::string_view>& operator[](std::string_view column) const;
};

/// All rows of one number.
struct JournalNumber {
    std::uint64_t seq = 0;
    std::vector<JournalRow> rows;
};

/// The rows of a stretch of numbers; owns the text that the rows point into.
struct JournalPage {
    std::vector<JournalNumber> numbers;
    std::vector<pqxx::result> results;
};

/// Each number from `from` to `to`, whether or not it has rows. The session's time zone has to be
/// UTC, as in a `Snapshot`. Throws std::runtime_error for rows of numbers out of order.
JournalPage read_journal(pqxx::transaction_base& transaction, std::uint64_t from, std::uint64_t to);

/// The first `limit` numbers behind `after` at which an inference of a channel was paid,
/// authorized, charged or released.
std::vector<std::uint64_t> numbers_of(pqxx::transaction_base& transaction,
                                      const channel::ChannelId& channel,
                                      const std::string& inference_id, std::uint64_t after,
                                      std::size_t limit);

/// Microseconds since 1970 of a timestamp in UTC as `JournalRow` has it; nullopt when malformed.
std::optional<std::int64_t> parse_time(std::string_view text);

/// Writes a leaf row by row, in the order of the format.
class LeafWriter {
public:
    /// Over what `leaf` held, which outlives it.
    LeafWriter(channel::Bytes& leaf, std::uint64_t seq);
    /// False when a field is malformed.
    bool add(const JournalRow& row);

private:
    channel::Bytes& leaf_;
    std::size_t rows_ = 0;
};

/// The leaf's bytes, over what `leaf` held; false when a field is malformed.
bool write_leaf(const JournalNumber& number, channel::Bytes& leaf);

}  // namespace millrace::ledger
