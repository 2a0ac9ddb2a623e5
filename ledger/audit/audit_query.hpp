#pragma once

#include "ledger/time.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// Who asks as an auditor: the key of this id, or a configured token, named by the first digits of
/// its SHA-256.
struct AuditCaller {
    enum class Kind { key, token };
    Kind kind = Kind::key;
    std::string id;
    friend bool operator==(const AuditCaller&, const AuditCaller&) = default;
};
std::string_view to_string(AuditCaller::Kind kind);

/// One request of an auditor, and what became of it.
struct AuditQuery {
    AuditCaller caller;
    Time at;
    /// At random: tells those of one caller and moment apart.
    std::int64_t id = 0;
    std::string remote_address;
    std::string method;
    /// Path and query, escaped.
    std::string target;
    unsigned status = 0;
    /// Up to where in the books the answer reached, if it was about them.
    std::optional<std::uint64_t> seq{};
    std::chrono::microseconds duration{};
};

/// Behind which a page begins.
struct AuditQueryKey {
    Time at;
    std::int64_t id = 0;
};

// Blocking; both throw pqxx::failure.

/// Committed when this returns.
void record_audit_query(pqxx::connection& connection, const AuditQuery& query);
/// In the order of time, of one caller (a key's id, or a token's digits) or of all when it is
/// empty.
std::vector<AuditQuery> list_audit_queries(pqxx::connection& connection, const std::string& caller,
                                           const AuditQueryKey& after, std::size_t limit);

}  // namespace millrace::ledger
