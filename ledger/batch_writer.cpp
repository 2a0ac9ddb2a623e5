#include "ledger/batch_writer.hpp"

#include "ledger/batch_connection.hpp"
#include "ledger/batch_statement.hpp"

#include <fmt/format.h>

#include <string_view>
#include <thread>

namespace millrace::ledger {
namespace {

using namespace std::chrono_literals;

constexpr auto kShard = "millrace-shard";
/// From so many payments on, COPY with its three more round trips is the faster way.
constexpr std::size_t kCopyFrom = 256;
constexpr auto kPauseMax = 1000ms;
constexpr auto kUniqueViolation = "23505";
/// Division by zero: what an acknowledgement comes to that meets an inference of old.
constexpr auto kMetOld = "22012";
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
    if (copied) prepared.payments.emplace(batch.payments, now);
    return prepared;
}

bool BatchWriter::connect() {
    if (!connection_ || !connection_->good())
        connection_ = std::make_unique<BatchConnection>(kShard, postgres_, timeout_);
    return connection_->good();
}

/// Ends a transaction in which a step was refused, and gives what that step was answered.
Answered BatchWriter::rolled_back(Answered answer) {
    return answer && connection_->roll_back() ? std::move(answer) : nullptr;
}

/// The payments by COPY, which costs the server half of what arrays do. Nothing is committed unless
/// the last step is reached, so a refusal by an earlier one is certain.
Answered BatchWriter::commit_with_copy(Prepared& batch) {
    auto numbers = connection_->command(begin_batch(lease_, batch.numbers, batch.now).c_str());
    if (!is_written(numbers.get())) return rolled_back(std::move(numbers));
    auto copied = connection_->copy_payments(batch.payments->numbered(int8_at(numbers.get(), 0)));
    if (PQresultStatus(copied.get()) != PGRES_COMMAND_OK) return rolled_back(std::move(copied));
    auto done = connection_->write(BatchNumbers::taken_before, batch.parameters);
    if (!is_written(done.get())) return rolled_back(std::move(done));
    const auto committed = connection_->command("commit");
    return PQresultStatus(committed.get()) == PGRES_COMMAND_OK ? std::move(done) : nullptr;
}

BatchWriter::Attempt BatchWriter::outcome_of(const Answered& answer,
                                             std::string_view there_already) {
    if (!answer) return {Attempt::unknown};
    if (PQresultStatus(answer.get()) == PGRES_TUPLES_OK) {
        if (PQntuples(answer.get()) == 0) return {Attempt::fenced};
        return {Attempt::committed, int8_at(answer.get(), 0)};
    }
    const auto state = sqlstate(answer.get());
    // Serialisation failure and deadlock: rolled back, to be tried again as it is.
    if (state == "40001" || state == "40P01") return {Attempt::again};
    const auto kind = state == there_already ? Failure::already_there : Failure::unavailable;
    return {Attempt::refused, 0, {kind, PQresultErrorMessage(answer.get())}};
}

template <class Try>
BatchWriter::Outcome BatchWriter::until_known(std::string_view there_already, Try&& attempt) {
    for (;;) {
        if (!connect()) return Failure{Failure::unavailable, connection_->error()};
        const auto tried = outcome_of(attempt(), there_already);
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

BatchWriter::Outcome BatchWriter::commit(Prepared& batch) {
    return until_known(kUniqueViolation, [&] {
        return batch.payments ? commit_with_copy(batch)
                              : connection_->write(BatchNumbers::taken_here, batch.parameters);
    });
}

BatchWriter::Outcome BatchWriter::acknowledge(Acknowledgement& batch,
                                              const BatchConnection::Meanwhile& meanwhile) {
    return until_known(kMetOld, [&] {
        return connection_->execute(batch.statement(), batch.parameters(lease_), meanwhile);
    });
}

BatchWriter::Outcome BatchWriter::resolve(std::int64_t number) {
    for (auto pause = 10ms;; pause = std::min<std::chrono::milliseconds>(2 * pause, kPauseMax)) {
        connection_ = std::make_unique<BatchConnection>(kShard, postgres_, timeout_);
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
        kTakeNumber, {shard, std::to_string(lease_.epoch), std::to_string(number)});
    if (!taken || PQresultStatus(taken.get()) != PGRES_COMMAND_OK) return std::nullopt;
    const auto row = connection_->query(kAsk, {shard});
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
        connection_->query(kExtend, {std::to_string(lease_.shard), std::to_string(lease_.epoch),
                                     to_rfc3339(now + lease_.duration)});
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
        kExtend, {std::to_string(lease_.shard), std::to_string(lease_.epoch), to_rfc3339(now)});
}

}  // namespace millrace::ledger
