#include "ledger/batch_writer.hpp"

#include "ledger/batch_statement.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <set>
#include <string_view>
#include <thread>

namespace millrace::ledger {
namespace {

using namespace std::chrono_literals;

/// From so many payments on, COPY with its three more round trips is the faster way.
constexpr std::size_t kCopyFrom = 256;
constexpr auto kConnectSeconds = "2";
constexpr auto kPauseMax = 1000ms;
/// A transaction whose holder says no more between two statements, for so many time-outs, is ended
/// by the server: it has the row of the lease, which another process may be waiting for.
constexpr int kWaits = 2;

// One generic plan by index for every batch size: planning anew would cost more than most batches,
// and a plan made while the tables were small must not scan them once they are large.
constexpr const char* kSession = R"sql(
    set synchronous_commit = on;
    set idle_in_transaction_session_timeout = {};
    set plan_cache_mode = force_generic_plan;
    set enable_seqscan = off;
    set enable_hashjoin = off;
    set enable_mergejoin = off;
    set jit = off;
    set work_mem = '64MB';
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

/// Takes the batch's numbers at the beginning of its transaction, as a statement does that takes
/// them itself.
std::string begin_batch(const HeldLease& lease, std::int64_t numbers, Time now) {
    return fmt::format(
        "begin; with lease as (update shard_lease set batch = {0} + 1, expires_at = '{1}', "
        "batch_base = (select last_seq from commit_sequence where id = 1 for update) "
        "where shard = {2} and epoch = {3} and batch = {0} returning shard) "
        "update commit_sequence set last_seq = last_seq + {4} from lease where id = 1 "
        "returning last_seq - {4}",
        lease.batch, to_rfc3339(now + lease.duration), lease.shard, lease.epoch, numbers);
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
        // What does not fit into the socket waits in `wait`, which has a deadline.
        if (PQsetnonblocking(handle_, 1) != 0) return;
        const auto waiting = kWaits * timeout;
        const auto session = command(fmt::format(kSession, waiting.count()).c_str(), timeout);
        ready_ = PQresultStatus(session.get()) == PGRES_COMMAND_OK;
    }
    ~Connection() { PQfinish(handle_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    bool good() const { return ready_ && PQstatus(handle_) == CONNECTION_OK; }
    bool is_idle() const { return good() && PQtransactionStatus(handle_) == PQTRANS_IDLE; }
    std::string error() const {
        const std::string said = PQerrorMessage(handle_);
        return said.empty() ? "the database does not answer" : said;
    }

    // Null when the connection broke or nothing came in time: the outcome is then unknown.

    Answered commit(BatchParameters& parameters, std::chrono::milliseconds timeout) {
        return execute(BatchNumbers::taken_here, parameters, timeout);
    }

    /// The payments by COPY, which costs the server half of what arrays do. Nothing is committed
    /// unless the last step is reached, so a refusal by an earlier one is certain.
    Answered commit_with_copy(const std::string& begin, Prepared& batch,
                              std::chrono::milliseconds timeout) {
        auto numbers = command(begin.c_str(), timeout);
        if (!is_written(numbers.get())) return rolled_back(std::move(numbers), timeout);
        auto copied = copy("", batch.payments->numbered(int8_at(numbers.get(), 0)), timeout);
        if (PQresultStatus(copied.get()) != PGRES_COMMAND_OK)
            return rolled_back(std::move(copied), timeout);
        auto done = execute(BatchNumbers::taken_before, batch.parameters, timeout);
        if (!is_written(done.get())) return rolled_back(std::move(done), timeout);
        const auto committed = command("commit", timeout);
        return PQresultStatus(committed.get()) == PGRES_COMMAND_OK ? std::move(done) : nullptr;
    }

    /// In a transaction that stays open, unless anything is refused. True when all was written;
    /// false is no news of the connection.
    bool write_ahead(Prepared& batch, std::int64_t base, std::chrono::milliseconds timeout) {
        constexpr auto numbers = BatchNumbers::foretold;
        batch.parameters.foretell(base);
        const auto prepared = prepare(numbers, batch.parameters, timeout);
        // Made ready before the transaction, so that `finish` has but one step.
        const auto last = prepare(BatchNumbers::taken_at_last, batch.parameters, timeout);
        if (prepared.failed || last.failed) return false;
        Answered done;
        if (batch.payments) {
            const auto copied = copy("begin; ", batch.payments->numbered(base), timeout);
            if (PQresultStatus(copied.get()) == PGRES_COMMAND_OK)
                done = execute(numbers, batch.parameters, timeout);
        } else {
            const bool sent = PQenterPipelineMode(handle_) && send_command("begin") &&
                              send(prepared.name, numbers, batch.parameters);
            if (auto answers = sent ? end_pipeline(timeout) : std::nullopt)
                done = std::move(answers->second);
        }
        if (is_written(done.get())) return true;
        roll_back(timeout);
        return false;
    }

    /// Between two statements the server says nothing, but that it ends the session and with it
    /// the transaction.
    bool is_alive() const { return good() && !has_come(); }

    /// The last statement and the commit in one round trip.
    Answered finish(BatchParameters& parameters, std::chrono::milliseconds timeout) {
        constexpr auto numbers = BatchNumbers::taken_at_last;
        const bool sent = PQenterPipelineMode(handle_) &&
                          send(name_of(numbers, parameters), numbers, parameters) &&
                          send_command("commit");
        auto answers = sent ? end_pipeline(timeout) : std::nullopt;
        if (!answers) return nullptr;
        auto& [done, committed] = *answers;
        if (!is_written(done.get())) return rolled_back(std::move(done), timeout);
        return PQresultStatus(committed.get()) == PGRES_COMMAND_OK ? std::move(done) : nullptr;
    }

    /// False when the connection is not good any more.
    bool roll_back(std::chrono::milliseconds timeout) {
        const auto ended = command("rollback", timeout);
        return PQresultStatus(ended.get()) == PGRES_COMMAND_OK;
    }

    static bool is_written(const PGresult* result) {
        return PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0;
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
    Answered execute(BatchNumbers numbers, BatchParameters& parameters,
                     std::chrono::milliseconds timeout) {
        auto prepared = prepare(numbers, parameters, timeout);
        if (prepared.failed) return std::move(prepared.answer);
        return send(prepared.name, numbers, parameters) ? wait(timeout) : nullptr;
    }

    static std::string name_of(BatchNumbers numbers, const BatchParameters& parameters) {
        return fmt::format("batch_{}_{}_{}", static_cast<int>(numbers),
                           parameters.rows(numbers) == BatchRows::few ? "few" : "many",
                           parameters.parts(numbers).to_string());
    }

    struct PreparedStatement {
        std::string name;
        bool failed = false;
        /// Of the server, where it failed.
        Answered answer;
    };
    PreparedStatement prepare(BatchNumbers numbers, const BatchParameters& parameters,
                              std::chrono::milliseconds timeout) {
        auto name = name_of(numbers, parameters);
        if (prepared_.contains(name)) return {std::move(name), false, nullptr};
        const auto text =
            batch_statement(numbers, parameters.parts(numbers), parameters.rows(numbers));
        const auto types = parameters.types(numbers);
        const bool sent = PQsendPrepare(handle_, name.c_str(), text.c_str(),
                                        static_cast<int>(types.size()), types.data());
        auto answer = sent ? wait(timeout) : nullptr;
        if (PQresultStatus(answer.get()) != PGRES_COMMAND_OK)
            return {std::move(name), true, std::move(answer)};
        prepared_.insert(name);
        return {std::move(name), false, nullptr};
    }

    bool send(const std::string& name, BatchNumbers numbers, BatchParameters& parameters) {
        const auto raw = parameters.raw(numbers);
        return PQsendQueryPrepared(handle_, name.c_str(), static_cast<int>(raw.values.size()),
                                   raw.values.data(), raw.lengths.data(), raw.formats.data(),
                                   0) == 1;
    }

    Answered command(const char* sql, std::chrono::milliseconds timeout) {
        return PQsendQuery(handle_, sql) ? wait(timeout) : nullptr;
    }

    bool send_command(const char* sql) {
        return PQsendQueryParams(handle_, sql, 0, nullptr, nullptr, nullptr, nullptr, 0) == 1;
    }

    /// The answers to the two that were sent; the second was not tried if the first was refused.
    /// Nullopt when the connection broke or nothing came in time.
    std::optional<std::pair<Answered, Answered>> end_pipeline(std::chrono::milliseconds timeout) {
        if (!PQpipelineSync(handle_)) return std::nullopt;
        auto first = wait(timeout);
        auto second = first ? wait(timeout) : nullptr;
        const auto synced = second ? wait(timeout) : nullptr;
        if (PQresultStatus(synced.get()) != PGRES_PIPELINE_SYNC || !PQexitPipelineMode(handle_))
            return std::nullopt;
        return std::pair(std::move(first), std::move(second));
    }

    Answered copy(const std::string& before, const std::string& rows,
                  std::chrono::milliseconds timeout) {
        auto begun = command((before + kPaymentCopy).c_str(), timeout);
        if (PQresultStatus(begun.get()) != PGRES_COPY_IN) return begun;
        if (PQputCopyData(handle_, rows.data(), static_cast<int>(rows.size())) != 1 ||
            PQputCopyEnd(handle_, nullptr) != 1)
            return nullptr;
        return wait(timeout);
    }

    /// Ends a transaction in which a step was refused, and gives what that step was answered.
    Answered rolled_back(Answered answer, std::chrono::milliseconds timeout) {
        return answer && roll_back(timeout) ? std::move(answer) : nullptr;
    }

    bool has_come() const {
        pollfd ready{PQsocket(handle_), POLLIN, 0};
        return poll(&ready, 1, 0) > 0;
    }

    bool wait_until_readable(short events, std::chrono::milliseconds timeout) {
        pollfd ready{PQsocket(handle_), events, 0};
        if (poll(&ready, 1, static_cast<int>(timeout.count())) <= 0) return false;
        return !(ready.revents & POLLIN) || PQconsumeInput(handle_) == 1;
    }

    /// The first error if there is one, else the last result of what was sent.
    Answered wait(std::chrono::milliseconds timeout) {
        for (int pending = PQflush(handle_); pending != 0; pending = PQflush(handle_))
            if (pending < 0 || !wait_until_readable(POLLIN | POLLOUT, timeout)) return nullptr;
        Answered kept;
        for (;;) {
            while (PQisBusy(handle_))
                if (!wait_until_readable(POLLIN, timeout)) return nullptr;
            Answered next(PQgetResult(handle_));
            if (!next) break;
            if (PQresultStatus(kept.get()) != PGRES_FATAL_ERROR || !kept) kept = std::move(next);
            const auto status = PQresultStatus(kept.get());
            // Nothing follows these.
            if (status == PGRES_COPY_IN || status == PGRES_PIPELINE_SYNC) break;
        }
        return PQstatus(handle_) == CONNECTION_OK ? std::move(kept) : nullptr;
    }

    PGconn* handle_ = nullptr;
    bool ready_ = false;
    std::set<std::string> prepared_;
};

struct BatchWriter::Attempt {
    enum { committed, refused, fenced, unknown, again } outcome;
    std::int64_t base = 0;
    Failure failure{};
};

BatchWriter::BatchWriter(std::string postgres, HeldLease lease, std::chrono::milliseconds timeout)
    : postgres_(std::move(postgres)), lease_(std::move(lease)), timeout_(timeout) {}

BatchWriter::~BatchWriter() = default;

BatchWriter::Prepared BatchWriter::prepare(const Batch& batch, Time now) const {
    using Payments = BatchParameters::Payments;
    const bool copied = batch.payments.size() >= kCopyFrom;
    Prepared prepared{
        now, batch.ordinals,
        BatchParameters(batch, lease_, now, copied ? Payments::copied : Payments::included),
        std::nullopt};
    if (copied) prepared.payments.emplace(batch, now);
    return prepared;
}

bool BatchWriter::connect() {
    if (!connection_ || !connection_->good())
        connection_ = std::make_unique<Connection>(postgres_, timeout_);
    return connection_->good();
}

bool BatchWriter::write_ahead(Prepared& batch, std::int64_t base) {
    if (!connect()) return false;
    if (connection_->write_ahead(batch, base, timeout_)) ahead_ = base;
    // What is still under way there was not told to be committed.
    if (!ahead_ && !connection_->is_idle()) connection_.reset();
    return ahead_.has_value();
}

void BatchWriter::take_back() {
    ahead_.reset();
    if (connection_ && !connection_->roll_back(timeout_)) connection_.reset();
}

BatchWriter::Attempt BatchWriter::attempt(Prepared& batch) {
    const auto result = batch.payments
                            ? connection_->commit_with_copy(
                                  begin_batch(lease_, batch.numbers, batch.now), batch, timeout_)
                            : connection_->commit(batch.parameters, timeout_);
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

BatchWriter::Attempt BatchWriter::finish(Prepared& batch) {
    const auto base = *std::exchange(ahead_, std::nullopt);
    // Nothing was told to be committed yet.
    if (!connection_->is_alive()) {
        connection_.reset();
        return {Attempt::again};
    }
    const auto result = connection_->finish(batch.parameters, timeout_);
    if (!result) return {Attempt::unknown};
    if (PQresultStatus(result.get()) == PGRES_TUPLES_OK) return {Attempt::committed, base};
    return {Attempt::again};
}

std::variant<BatchWriter::Committed, BatchWriter::Failure> BatchWriter::commit(Prepared& batch) {
    for (;;) {
        if (!ahead_ && !connect()) return Failure{Failure::unavailable, connection_->error()};
        const auto tried = ahead_ ? finish(batch) : attempt(batch);
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
    if (!connect()) return;
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
