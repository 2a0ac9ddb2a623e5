#include "ledger/poster.hpp"

#include "ledger/acknowledged_batch.hpp"
#include "ledger/batch_parameters.hpp"
#include "ledger/batch_statement.hpp"
#include "ledger/payment_copy.hpp"

#include <fmt/format.h>
#include <boost/endian/conversion.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <vector>

namespace millrace::ledger {
namespace {

constexpr auto kPosting = "millrace-posting";
/// What fails by its size does not fail with these.
constexpr std::size_t kTogetherMin = 64;
/// One batch is posted as a whole, and may be large.
constexpr std::chrono::milliseconds kTimeoutMin{10'000};
constexpr std::size_t kContentMax = 16 * 1024 * 1024;
/// Some milliseconds of work; where nobody pauses, each piece costs more than it is worth.
constexpr std::size_t kPaymentsInPiece = 512;
constexpr std::size_t kOthersInPiece = 128;
constexpr std::size_t kWithoutPause = 16;

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

/// From there on so many of each of channels, reservations and transfers, which do not refer to one
/// another. Nothing: there are no more.
std::optional<Batch> piece_of(const Batch& rows, std::size_t at, std::size_t many) {
    Batch piece;
    const auto take = [at, many](const auto& from, auto& to) {
        const auto begin = std::min(at, from.size());
        const auto end = std::min(begin + many, from.size());
        to.assign(from.begin() + static_cast<std::ptrdiff_t>(begin),
                  from.begin() + static_cast<std::ptrdiff_t>(end));
        return begin != end;
    };
    const bool channels = take(rows.channels, piece.channels);
    const bool reservations = take(rows.reservations, piece.reservations);
    const bool transfers = take(rows.transfers, piece.transfers);
    if (!channels && !reservations && !transfers) return std::nullopt;
    return piece;
}

}  // namespace

Poster::Poster(std::string postgres, std::chrono::milliseconds timeout, Pause pause)
    : postgres_(std::move(postgres)),
      timeout_(std::max(timeout, kTimeoutMin)),
      pause_(std::move(pause)) {}

Answered Poster::checked(Answered answer, ExecStatusType wanted) {
    if (PQresultStatus(answer.get()) == wanted) return answer;
    throw std::runtime_error(answer ? PQresultErrorMessage(answer.get()) : connection_->error());
}

std::optional<CommittedBatch> Poster::post(std::size_t payments_max) {
    if (!connection_ || !connection_->good())
        connection_ = std::make_unique<BatchConnection>(kPosting, postgres_, timeout_);
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
    write(rows, base, now);
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

/// In pieces: where it has a core to itself for long, those who are waited for have only the
/// others.
void Poster::write(const Batch& rows, std::int64_t base, Time now) {
    using Clock = std::chrono::steady_clock;
    auto begun = Clock::now();
    std::size_t factor = pause_ ? 1 : kWithoutPause;
    const auto pause = [&] {
        if (pause_) factor = pause_(Clock::now() - begun) ? 1 : kWithoutPause;
        begun = Clock::now();
    };
    const std::span payments(rows.payments);
    for (std::size_t at = 0; at < payments.size();) {
        const auto piece =
            payments.subspan(at, std::min(factor * kPaymentsInPiece, payments.size() - at));
        PaymentCopy copy(piece, now);
        checked(connection_->copy_payments(copy.numbered(base)), PGRES_COMMAND_OK);
        at += piece.size();
        pause();
    }
    for (std::size_t at = 0;;) {
        const auto many = factor * kOthersInPiece;
        const auto piece = piece_of(rows, at, many);
        if (!piece) return;
        if (at > 0) pause();
        BatchParameters parameters(*piece, base, now);
        checked(connection_->write(BatchNumbers::given, parameters), PGRES_TUPLES_OK);
        at += many;
    }
}

void post_all(const std::string& postgres, std::chrono::milliseconds timeout) {
    Poster poster(postgres, timeout);
    while (poster.post()) {
    }
}

}  // namespace millrace::ledger
