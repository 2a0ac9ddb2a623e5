#pragma once

#include "ledger/batch_connection.hpp"
#include "ledger/proof/committed_batch.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace millrace::ledger {

/// Posts what is acknowledged to the tables of the ledger, in the order of its numbers. Several may
/// be at it, also of several processes: whoever has the row of table `posting` goes on from there.
/// Blocking; used by one thread.
class Poster {
public:
    /// So many payments are worth a transaction of their own: the more of one channel are together,
    /// the less each costs. A second of work, where they are of as many channels.
    static constexpr std::size_t kPaymentsMax = 32'768;
    /// Enough where what was posted should be told soon.
    static constexpr std::size_t kPaymentsOfMuch = kPaymentsMax / 2;

    /// Called between the pieces of a posting with how long the last one took, to let others at the
    /// cores. False: there is no time for it, and pieces may be larger.
    using Pause = std::function<bool(std::chrono::nanoseconds took)>;

    /// So long each answer of the database is waited for, but for ten seconds at least.
    Poster(std::string postgres, std::chrono::milliseconds timeout, Pause pause = {});

    /// Posts the oldest batches, of some `payments_max` payments, as one transaction; fewer after a
    /// failure. What was posted, for whoever seals it; nullopt: nothing is left. Throws
    /// std::runtime_error: nothing was posted, or it was and will not be posted again.
    std::optional<CommittedBatch> post(std::size_t payments_max = kPaymentsMax);
    /// Up to which number all was posted, by the last call.
    std::int64_t seq() const { return seq_; }

private:
    std::optional<CommittedBatch> post_within(std::size_t payments_max);
    void write(const Batch& rows, std::int64_t base, Time now);
    Answered checked(Answered answer, ExecStatusType wanted);

    std::string postgres_;
    std::chrono::milliseconds timeout_;
    Pause pause_;
    std::unique_ptr<BatchConnection> connection_;
    std::int64_t seq_ = 0;
    /// So many are posted together for now.
    std::size_t together_ = kPaymentsMax;
};

/// Posts all that is left of earlier processes.
void post_all(const std::string& postgres, std::chrono::milliseconds timeout);

}  // namespace millrace::ledger
