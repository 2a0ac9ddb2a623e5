#include "ledger/batch_connection.hpp"

#include "ledger/batch_statement.hpp"
#include "ledger/payment_copy.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace millrace::ledger {
namespace {

constexpr auto kConnectSeconds = "2";
/// A transaction whose holder says no more between two statements, for so many time-outs, is ended
/// by the server: it has rows that another process may be waiting for.
constexpr int kWaits = 2;
/// After so long there may be something to do meanwhile.
constexpr std::chrono::milliseconds kPause{1};

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

}  // namespace

std::string sqlstate(const PGresult* result) {
    const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return code ? code : "";
}

std::int64_t int8_at(const PGresult* result, int column) {
    return std::stoll(PQgetvalue(result, 0, column));
}

bool is_written(const PGresult* result) {
    return PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0;
}

BatchConnection::BatchConnection(const char* name, const std::string& postgres,
                                 std::chrono::milliseconds timeout)
    : timeout_(timeout) {
    const char* keywords[] = {"dbname", "connect_timeout", "application_name", nullptr};
    const char* values[] = {postgres.c_str(), kConnectSeconds, name, nullptr};
    handle_ = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(handle_) != CONNECTION_OK) return;
    // What does not fit into the socket waits in `wait`, which has a deadline.
    if (PQsetnonblocking(handle_, 1) != 0) return;
    const auto session = command(fmt::format(kSession, (kWaits * timeout).count()).c_str());
    ready_ = PQresultStatus(session.get()) == PGRES_COMMAND_OK;
}

BatchConnection::~BatchConnection() {
    PQfinish(handle_);
}

bool BatchConnection::good() const {
    return ready_ && PQstatus(handle_) == CONNECTION_OK;
}

std::string BatchConnection::error() const {
    const std::string said = PQerrorMessage(handle_);
    return said.empty() ? "the database does not answer" : said;
}

Answered BatchConnection::command(const char* sql) {
    return PQsendQuery(handle_, sql) ? wait() : nullptr;
}

Answered BatchConnection::query(const char* sql, const std::vector<std::string>& parameters,
                                Format format) {
    std::vector<const char*> values;
    for (const auto& parameter : parameters) values.push_back(parameter.c_str());
    if (!PQsendQueryParams(handle_, sql, static_cast<int>(values.size()), nullptr, values.data(),
                           nullptr, nullptr, static_cast<int>(format)))
        return nullptr;
    return wait();
}

Answered BatchConnection::execute(const Statement& statement,
                                  const BatchParameters::Raw& parameters,
                                  const Meanwhile& meanwhile) {
    if (!prepared_.contains(statement.name)) {
        const bool sent =
            PQsendPrepare(handle_, statement.name.c_str(), statement.text.c_str(),
                          static_cast<int>(statement.types.size()), statement.types.data());
        auto answer = sent ? wait() : nullptr;
        if (PQresultStatus(answer.get()) != PGRES_COMMAND_OK) return answer;
        prepared_.insert(statement.name);
    }
    const bool sent =
        PQsendQueryPrepared(handle_, statement.name.c_str(),
                            static_cast<int>(parameters.values.size()), parameters.values.data(),
                            parameters.lengths.data(), parameters.formats.data(), 0) == 1;
    return sent ? wait(meanwhile) : nullptr;
}

Answered BatchConnection::write(BatchNumbers numbers, BatchParameters& parameters) {
    const auto parts = parameters.parts();
    const auto rows = parameters.rows();
    Statement statement{fmt::format("batch_{}_{}_{}", static_cast<int>(numbers),
                                    rows == BatchRows::few ? "few" : "many", parts.to_string()),
                        {},
                        {}};
    if (!prepared_.contains(statement.name)) {
        statement.text = batch_statement(numbers, parts, rows);
        statement.types = parameters.types();
    }
    return execute(statement, parameters.raw());
}

Answered BatchConnection::copy_payments(const std::string& rows) {
    auto begun = command(kPaymentCopy);
    if (PQresultStatus(begun.get()) != PGRES_COPY_IN) return begun;
    if (PQputCopyData(handle_, rows.data(), static_cast<int>(rows.size())) != 1 ||
        PQputCopyEnd(handle_, nullptr) != 1)
        return nullptr;
    return wait();
}

bool BatchConnection::roll_back() {
    const auto ended = command("rollback");
    return PQresultStatus(ended.get()) == PGRES_COMMAND_OK;
}

bool BatchConnection::wait_until_readable(short events, const Meanwhile& meanwhile) {
    using Clock = std::chrono::steady_clock;
    using namespace std::chrono_literals;
    pollfd ready{PQsocket(handle_), events, 0};
    const auto deadline = Clock::now() + timeout_;
    for (;;) {
        auto pause = timeout_;
        if (meanwhile) pause = meanwhile() ? 0ms : kPause;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            std::max<Clock::duration>(deadline - Clock::now(), 0ns));
        const auto found = poll(&ready, 1, static_cast<int>(std::min(pause, left).count()));
        if (found > 0) break;
        if ((found < 0 && errno != EINTR) || left == 0ms) return false;
    }
    return !(ready.revents & POLLIN) || PQconsumeInput(handle_) == 1;
}

Answered BatchConnection::wait(const Meanwhile& meanwhile) {
    for (int pending = PQflush(handle_); pending != 0; pending = PQflush(handle_))
        if (pending < 0 || !wait_until_readable(POLLIN | POLLOUT)) return nullptr;
    Answered kept;
    for (;;) {
        while (PQisBusy(handle_))
            if (!wait_until_readable(POLLIN, meanwhile)) return nullptr;
        Answered next(PQgetResult(handle_));
        if (!next) break;
        if (PQresultStatus(kept.get()) != PGRES_FATAL_ERROR || !kept) kept = std::move(next);
        // Nothing follows it.
        if (PQresultStatus(kept.get()) == PGRES_COPY_IN) break;
    }
    return PQstatus(handle_) == CONNECTION_OK ? std::move(kept) : nullptr;
}

}  // namespace millrace::ledger
