#pragma once

#include "ledger/batch_parameters.hpp"

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::ledger {

struct PgResultDeleter {
    void operator()(PGresult* result) const { PQclear(result); }
};
/// What the server answered. Null: the connection broke, or nothing came in time, and the outcome
/// is unknown.
using Answered = std::unique_ptr<PGresult, PgResultDeleter>;

/// SQLSTATE of an error; empty if there is none.
std::string sqlstate(const PGresult* result);
/// Of the first row.
std::int64_t int8_at(const PGresult* result, int column);
/// A row came of a statement that returns one when it has done its work.
bool is_written(const PGresult* result);

/// A session that writes to the journal or the ledger: durable commits, plans by index, and a
/// deadline for each answer. Uses libpq itself, as libpqxx 6 has no binary arrays. Blocking; of one
/// thread.
class BatchConnection {
public:
    /// Broken when the server cannot be reached within the connect time-out. By its name the server
    /// tells it from others (`pg_stat_activity.application_name`).
    BatchConnection(const char* name, const std::string& postgres,
                    std::chrono::milliseconds timeout);
    ~BatchConnection();
    BatchConnection(const BatchConnection&) = delete;
    BatchConnection& operator=(const BatchConnection&) = delete;

    bool good() const;
    std::string error() const;

    /// Without parameters; may be several statements.
    Answered command(const char* sql);
    enum class Format { text = 0, binary = 1 };
    Answered query(const char* sql, const std::vector<std::string>& parameters,
                   Format format = Format::text);

    struct Statement {
        std::string name;
        std::string text;
        std::vector<std::uint32_t> types;
    };
    /// Work that does not wait for the server: asked for again and again until the server has
    /// answered, at once while it returns true, which is that there is more of it.
    using Meanwhile = std::function<bool()>;
    /// Made ready at its first use.
    Answered execute(const Statement& statement, const BatchParameters::Raw& parameters,
                     const Meanwhile& meanwhile = {});
    /// The statement that writes what `parameters` hold.
    Answered write(BatchNumbers numbers, BatchParameters& parameters);
    /// What `PaymentCopy` makes.
    Answered copy_payments(const std::string& rows);
    /// False when the connection is not good any more.
    bool roll_back();

private:
    bool wait_until_readable(short events, const Meanwhile& meanwhile = {});
    /// The first error if there is one, else the last result of what was sent.
    Answered wait(const Meanwhile& meanwhile = {});

    std::chrono::milliseconds timeout_;
    PGconn* handle_ = nullptr;
    bool ready_ = false;
    std::set<std::string> prepared_;
};

}  // namespace millrace::ledger
