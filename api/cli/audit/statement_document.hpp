#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace millrace::api {

// What a statement shows to people. Amounts are token units as text ("1.250000"); all of it comes
// from the service, and none of it is trusted to be harmless text.

struct StatementBalance {
    std::string amount;
    /// "debit" or "credit".
    std::string side;
};

struct StatementHead {
    std::string account;
    std::string kind;
    /// Empty for accounts that have none.
    std::string owner;
    std::string network;
    std::string token;
    std::string symbol;
    /// Behind this seq, up to and including that.
    std::string from_seq;
    std::string to_seq;
    /// As they were asked for; empty: from the beginning, up to now.
    std::string from_asked;
    std::string to_asked;
    /// What the books had reached.
    std::string seq;
    StatementBalance opening;
    StatementBalance closing;
    std::string debits;
    std::string credits;
    std::string service_url;
    /// RFC 3339.
    std::string produced_at;
};

struct StatementLine {
    std::string seq;
    std::string leg;
    std::string at;
    std::string cause;
    /// "seq:leg" of what it undoes; or empty.
    std::string reverses;
    std::string counter_account;
    /// One of the two is empty.
    std::string debit;
    std::string credit;
    StatementBalance balance;
};

/// The newest head of the transparency log, as it was signed.
struct StatementProof {
    std::optional<std::string> note;
};

/// Writes a document from its head over its lines to its end, each part by itself.
struct StatementFormat {
    std::string (*begin)(const StatementHead& head);
    std::string (*line)(const StatementHead& head, const StatementLine& line);
    std::string (*end)(const StatementHead& head, const StatementProof& proof);
};

/// One page for screen and paper, without scripts or anything from elsewhere.
extern const StatementFormat kHtmlStatement;
/// RFC 4180. Each record says in its first field what it is.
extern const StatementFormat kCsvStatement;

/// Up to which seq a tree head reaches; nothing when the note is none.
std::optional<std::uint64_t> tree_size(const std::string& note);

}  // namespace millrace::api
