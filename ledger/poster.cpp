#include "ledger/poster.hpp"

#include "ledger/acknowledged_batch.hpp"
#include "ledger/batch_parameters.hpp"
#include "ledger/batch_statement.hpp"
#include "ledger/payment_copy.hpp"

#include <fmt/format.h>
#include <boost/endian/conversion.hpp>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace millrace::ledger {
namespace {

/// What fails by its size does not fail with these.
constexpr std::size_t kTogetherMin = 64;
/// One batch is posted as a whole, and may be large.
constexpr std::chrono::milliseconds kTimeoutMin{10'000};
constexpr std::size_t kContentMax = 16 * 1024 * 1024;

// Whoever else posts waits here, and then sees what this one has left.
constexpr const char* kBegin = "begin; select seq from posting where id = 1 for update";
constexpr const char* kOldest = R"sql(
    select base, content
    from (select base, content, sum(numbers) over (order by base) - numbers as before,
                 sum(octet_length(content)) over (order by base) - octet_length(content) as bytes
          from acknowledged_batch where base >= $1::bigint) oldest
    where before < $2::bigint and bytes < $3::bigint
    order by base)sql";

std::int64_t binary_int8(const PGresult* result, int row, int column) {
    return boost::endian::load_big_s64(
        reinterpret_cast<const unsigned char*>(PQgetvalue(result, row, column)));
}

/// Those that follow one another without a gap, from the oldest on.
std::vector<AcknowledgedBatch> read_batches(const PGresult* result) {
    std::vector<AcknowledgedBatch> batches;
    for (int row = 0; row < PQntuples(result); ++row) {
        const auto base = binary_int8(result, row, 0);
        if (!batches.empty() && batches.back().last() != base) break;
        batches.push_back(decode(base, {PQgetvalue(result, row, 1),
                                        static_cast<std::size_t>(PQgetlength(result, row, 1))}));
    }
    return batches;
}

CommittedBatch handed_on(std::vector<AcknowledgedBatch>& batches, Batch rows) {
    CommittedBatch posted;
    posted.base = static_cast<std::uint64_t>(batches.front().base);
    posted.numbers = static_cast<std::uint64_t>(rows.ordinals);
    posted.payments = std::move(rows.payments);
    posted.transfers = std::move(rows.transfers);
    for (auto& batch : batches) posted.terms.push_back(std::move(batch.terms));
    return posted;
}

}  // namespace

Poster::Poster(std::string postgres, std::chrono::milliseconds timeout)
    : postgres_(std::move(postgres)), timeout_(std::max(timeout, kTimeoutMin)) {}

Answered Poster::checked(Answered answer, ExecStatusType wanted) {
    if (PQresultStatus(answer.get()) == wanted) return answer;
    throw std::runtime_error(answer ? PQresultErrorMessage(answer.get()) : connection_->error());
}

std::optional<CommittedBatch> Poster::post(std::size_t payments_max) {
    if (!connection_ || !connection_->good())
        connection_ = std::make_unique<BatchConnection>(postgres_, timeout_);
    if (!connection_->good()) throw std::runtime_error(connection_->error());
    try {
        auto posted = post_within(std::min(together_, payments_max));
        together_ = std::min(2 * together_, kPaymentsMax);
        return posted;
    } catch (...) {
        together_ = std::max(together_ / 2, kTogetherMin);
        // Rolls back.
        connection_.reset();
        throw;
    }
}

std::optional<CommittedBatch> Poster::post_within(std::size_t payments_max) {
    auto& database = *connection_;
    const auto begun = checked(database.command(kBegin), PGRES_TUPLES_OK);
    const auto seq = int8_at(begun.get(), 0);
    const auto oldest = checked(database.query(kOldest,
                                               {std::to_string(seq), std::to_string(payments_max),
                                                std::to_string(kContentMax)},
                                               BatchConnection::Format::binary),
                                PGRES_TUPLES_OK);
    auto batches = read_batches(oldest.get());
    if (batches.empty()) {
        checked(database.command("rollback"), PGRES_COMMAND_OK);
        seq_ = seq;
        return std::nullopt;
    }
    const auto base = batches.front().base;
    auto rows = merge(batches);
    const auto now = batches.back().at;
    PaymentCopy payments(rows, now);
    checked(database.copy_payments(payments.numbered(base)), PGRES_COMMAND_OK);
    BatchParameters parameters(rows, base, now);
    checked(database.write(BatchNumbers::given, parameters), PGRES_TUPLES_OK);
    const auto last = base + rows.ordinals;
    checked(database.command(
                fmt::format("delete from acknowledged_batch where base >= {} and base < {}; "
                            "update posting set seq = {} where id = 1; commit",
                            base, last, last)
                    .c_str()),
            PGRES_COMMAND_OK);
    seq_ = last;
    return handed_on(batches, std::move(rows));
}

void post_all(const std::string& postgres, std::chrono::milliseconds timeout) {
    Poster poster(postgres, timeout);
    while (poster.post()) {
    }
}

}  // namespace millrace::ledger
