#pragma once

#include "api/auth/guesses.hpp"
#include "api/auth/tokens.hpp"
#include "api/task.hpp"
#include "ledger/audit/audit_key.hpp"
#include "ledger/time.hpp"

#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

namespace millrace::api {

class Database;

/// A key that was just made: its text is shown once and kept nowhere.
struct NewAuditKey {
    /// 16 hexadecimal digits.
    std::string id;
    /// "mra_<id>_<64 hexadecimal digits>", 256 bits drawn at random.
    std::string text;
    ledger::AuditKeyDigest digest;
};
NewAuditKey draw_audit_key();

/// The id in a bearer token that has the form of a key; nothing for other tokens.
std::optional<std::string> audit_key_id(std::string_view bearer);
ledger::AuditKeyDigest audit_key_digest(std::string_view bearer);

/// Why a key opens nothing. `expired` and `revoked` are only told to whoever has the whole key.
enum class KeyRefusal { unknown, expired, revoked, too_many_guesses };
struct RefusedKey {
    KeyRefusal why = KeyRefusal::unknown;
    /// Whose key it was, where it was the right one.
    std::optional<ledger::AuditCaller> caller{};
};

/// The keys of auditors, as the database has them. What was looked up is remembered for a moment,
/// so that a revoked key stops within `kRemembered`. Guesses cost little: from where too many were
/// wrong, only ids that are known to be somebody's are looked up. Safe to use from several threads.
class AuditKeys {
public:
    static constexpr std::chrono::seconds kRemembered{2};
    static constexpr std::size_t kRememberedMax = 1024;

    /// `bearer` has the form of a key. The time taken says nothing about how much of it was right.
    /// Throws pqxx::failure when the database cannot be asked.
    using Verified = std::variant<Principal, RefusedKey>;
    Task<Verified> verify(Database& database, std::string bearer, std::string remote_address,
                          ledger::Time now);

private:
    struct Remembered {
        std::optional<ledger::AuditKey> key;
        ledger::Time asked_at;
    };
    std::optional<Remembered> recall(const std::string& id);
    void remember(const std::string& id, Remembered one);
    void make_room();

    std::mutex mutex_;
    std::unordered_map<std::string, Remembered> remembered_;
    Guesses guesses_;
};

}  // namespace millrace::api
