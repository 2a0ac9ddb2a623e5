#include "ledger/batch_writer.hpp"

#include "ledger/batch_parameters.hpp"
#include "ledger/batch_statement.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <thread>

namespace millrace::ledger {
namespace {

using namespace std::chrono_literals;

constexpr const char* kStatement = "commit_batch";
constexpr auto kConnectSeconds = "2";
constexpr auto kPauseMax = 1000ms;

// One generic plan by index for every batch size: planning anew would cost more than most batches,
// and a plan made while the tables were small must not scan them once they are large.
constexpr const char* kSession = R"sql(
    set synchronous_commit = on;
    set plan_cache_mode = force_generic_plan;
    set enable_seqscan = off;
    set enable_hashjoin = off;
    set enable_mergejoin = off;
    set jit = off;
    set client_min_messages = warning)sql";

constexpr const char* kExtend =
    "update shard_lease set expires_at = $3::timestamptz where shard = $1::smallint and epoch = "
    "$2::bigint";
/// Takes the number of a batch whose outcome is unknown, with a base that no batch has. Waits for
/// the lease's row while the batch itself may still be running, and afterwards it can only be
/// fenced.
constexpr const char* kTakeNumber =
    "update shard_lease set batch = $3::bigint, batch_base = -1 where shard = $1::smallint and "
    "epoch = $2::bigint and batch = $3::bigint - 1";
constexpr const char* kAsk =
    "select epoch, batch, batch_base from shard_lease where shard = $1::smallint";

struct ResultDeleter {
    void operator()(PGresult* result) const { PQclear(result); }
};
using Answered = std::unique_ptr<PGresult, ResultDeleter>;

std::string sqlstate(const PGresult* result) {
    const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return code ? code : "";
}

std::int64_t int8_at(const PGresult* result, int column) {
    return std::stoll(PQgetvalue(result, 0, column));
}

}  // namespace

class BatchWriter::Connection {
public:
    /// Broken when the server cannot be reached within the connect time-out.
    Connection(const std::string& postgres, std::chrono::milliseconds timeout) {
        const char* keywords[] = {"dbname", "connect_timeout", "application_name", nullptr};
        const char* values[] = {postgres.c_str(), kConnectSeconds, "millrace-shard", nullptr};
        handle_ = PQconnectdbParams(keywords, values, 1);
        if (PQstatus(handle_) != CONNECTION_OK) return;
        const auto session = PQsendQuery(handle_, kSession) ? wait(timeout) : nullptr;
        ready_ = PQresultStatus(session.get()) == PGRES_COMMAND_OK;
    }
    ~Connection() { PQfinish(handle_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    bool good() const { return ready_ && PQstatus(handle_) == CONNECTION_OK; }
    std::string error() const { return PQerrorMessage(handle_); }

    /// Null when the connection broke or nothing came in time: the outcome is then unknown.
    Answered commit(BatchParameters& parameters, std::chrono::milliseconds timeout) {
        if (!prepared_) {
            const bool sent =
                PQsendPrepare(handle_, kStatement, kBatchStatement, BatchParameters::kCount,
                              BatchParameters::types().data());
            auto prepared = sent ? wait(timeout) : nullptr;
            prepared_ = PQresultStatus(prepared.get()) == PGRES_COMMAND_OK;
            if (!prepared_) return prepared;
        }
        const auto raw = parameters.raw();
        if (!PQsendQueryPrepared(handle_, kStatement, BatchParameters::kCount, raw.values.data(),
                                 raw.lengths.data(), raw.formats.data(), 0))
            return nullptr;
        return wait(timeout);
    }

    Answered query(const char* sql, const std::vector<std::string>& parameters,
                   std::chrono::milliseconds timeout) {
        std::vector<const char*> values;
        for (const auto& parameter : parameters) values.push_back(parameter.c_str());
        if (!PQsendQueryParams(handle_, sql, static_cast<int>(values.size()), nullptr,
                               values.data(), nullptr, nullptr, 0))
            return nullptr;
        return wait(timeout);
    }

private:
    Answered wait(std::chrono::milliseconds timeout) {
        PQsetnonblocking(handle_, 1);
        for (int pending = 1; pending != 0;) {
            pending = PQflush(handle_);
            if (pending < 0) return nullptr;
            pollfd ready{PQsocket(handle_), static_cast<short>(pending ? POLLIN | POLLOUT : POLLIN),
                         0};
            if (pending && poll(&ready, 1, static_cast<int>(timeout.count())) <= 0) return nullptr;
            if (pending && (ready.revents & POLLIN) && !PQconsumeInput(handle_)) return nullptr;
        }
        while (PQisBusy(handle_)) {
            pollfd ready{PQsocket(handle_), POLLIN, 0};
            if (poll(&ready, 1, static_cast<int>(timeout.count())) <= 0) return nullptr;
            if (!PQconsumeInput(handle_)) return nullptr;
        }
        Answered first(PQgetResult(handle_));
        while (Answered rest{PQgetResult(handle_)}) {
        }
        PQsetnonblocking(handle_, 0);
        return PQstatus(handle_) == CONNECTION_OK ? std::move(first) : nullptr;
    }

    PGconn* handle_ = nullptr;
    bool ready_ = false;
    bool prepared_ = false;
};

struct BatchWriter::Attempt {
    enum { committed, refused, fenced, unknown, again } outcome;
    std::int64_t base = 0;
    Failure failure{};
};

BatchWriter::BatchWriter(std::string postgres, HeldLease lease, std::chrono::milliseconds timeout)
    : postgres_(std::move(postgres)), lease_(std::move(lease)), timeout_(timeout) {}

BatchWriter::~BatchWriter() = default;

BatchWriter::Attempt BatchWriter::attempt(Batch& batch, Time now) {
    BatchParameters parameters(batch, lease_, now);
    const auto result = connection_->commit(parameters, timeout_);
    if (!result) return {Attempt::unknown};
    if (PQresultStatus(result.get()) == PGRES_TUPLES_OK) {
        if (PQntuples(result.get()) == 0) return {Attempt::fenced};
        return {Attempt::committed, int8_at(result.get(), 0)};
    }
    const auto state = sqlstate(result.get());
    // Serialisation failure and deadlock: rolled back, to be tried again as it is.
    if (state == "40001" || state == "40P01") return {Attempt::again};
    const auto kind = state == "23505" ? Failure::already_there : Failure::unavailable;
    return {Attempt::refused, 0, {kind, PQresultErrorMessage(result.get())}};
}

std::variant<BatchWriter::Committed, BatchWriter::Failure> BatchWriter::commit(Batch& batch,
                                                                               Time now) {
    for (;;) {
        if (!connection_ || !connection_->good())
            connection_ = std::make_unique<Connection>(postgres_, timeout_);
        if (!connection_->good()) return Failure{Failure::unavailable, connection_->error()};
        const auto tried = attempt(batch, now);
        switch (tried.outcome) {
            case Attempt::committed:
                ++lease_.batch;
                return Committed{tried.base};
            case Attempt::refused:
                return tried.failure;
            case Attempt::fenced:
                throw LeaseLost("shard " + std::to_string(lease_.shard) + " was taken over");
            case Attempt::unknown:
                return resolve(lease_.batch + 1);
            case Attempt::again:
                break;
        }
    }
}

std::variant<BatchWriter::Committed, BatchWriter::Failure> BatchWriter::resolve(
    std::int64_t number) {
    for (auto pause = 10ms;; pause = std::min<std::chrono::milliseconds>(2 * pause, kPauseMax)) {
        connection_ = std::make_unique<Connection>(postgres_, timeout_);
        if (const auto base = base_of(number)) {
            lease_.batch = number;
            if (*base >= 0) return Committed{*base};
            return Failure{Failure::unavailable, "the connection broke before the commit"};
        }
        std::this_thread::sleep_for(pause);
    }
}

std::optional<std::int64_t> BatchWriter::base_of(std::int64_t number) {
    if (!connection_->good()) return std::nullopt;
    const auto shard = std::to_string(lease_.shard);
    const auto taken = connection_->query(
        kTakeNumber, {shard, std::to_string(lease_.epoch), std::to_string(number)}, timeout_);
    if (!taken || PQresultStatus(taken.get()) != PGRES_COMMAND_OK) return std::nullopt;
    const auto row = connection_->query(kAsk, {shard}, timeout_);
    if (!row || PQresultStatus(row.get()) != PGRES_TUPLES_OK || PQntuples(row.get()) != 1)
        return std::nullopt;
    if (int8_at(row.get(), 0) != lease_.epoch)
        throw LeaseLost("shard " + shard + " was taken over");
    if (int8_at(row.get(), 1) != number) return std::nullopt;
    return int8_at(row.get(), 2);
}

void BatchWriter::keep_lease(Time now) {
    if (!connection_ || !connection_->good())
        connection_ = std::make_unique<Connection>(postgres_, timeout_);
    if (!connection_->good()) return;
    const auto result =
        connection_->query(kExtend,
                           {std::to_string(lease_.shard), std::to_string(lease_.epoch),
                            to_rfc3339(now + lease_.duration)},
                           timeout_);
    if (!result) {
        connection_.reset();
        return;
    }
    if (PQresultStatus(result.get()) == PGRES_COMMAND_OK &&
        std::string_view(PQcmdTuples(result.get())) == "0")
        throw LeaseLost("shard " + std::to_string(lease_.shard) + " was taken over");
}

void BatchWriter::release_lease(Time now) {
    if (!connection_ || !connection_->good()) return;
    connection_->query(
        kExtend, {std::to_string(lease_.shard), std::to_string(lease_.epoch), to_rfc3339(now)},
        timeout_);
}

}  // namespace millrace::ledger
