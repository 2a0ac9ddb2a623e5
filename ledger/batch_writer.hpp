#pragma once

#include "ledger/batch.hpp"
#include "ledger/batch_parameters.hpp"
#include "ledger/lease.hpp"
#include "ledger/payment_copy.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace millrace::ledger {

/// Commits batches, each as one transaction: fenced by the lease, numbered by the commit sequence,
/// set-based. A small one is a single statement, the payments of a large one go by COPY; and while
/// others commit, all but the last step can be done ahead. Uses libpq itself, as libpqxx 6 has no
/// binary arrays.
class BatchWriter {
public:
    BatchWriter(std::string postgres, HeldLease lease, std::chrono::milliseconds timeout);
    ~BatchWriter();

    struct Failure {
        enum Kind {
            /// Certainly not committed: the database could not be reached, or refused the batch.
            unavailable,
            /// Certainly not committed: a row of that key exists already (inference step, chain
            /// event).
            already_there,
        } kind;
        std::string message;
    };
    /// A batch on its way, bound to the writer's next batch number.
    struct Prepared {
        Time now;
        Ordinal numbers = 0;
        BatchParameters parameters;
        /// For a batch that is large enough.
        std::optional<PaymentCopy> payments;
    };
    struct Committed {
        /// Ordinal 1 has the seq `base + 1`.
        std::int64_t base = 0;
    };

    /// Puts the batch into the form in which it is sent: what can be done before its turn comes.
    Prepared prepare(const Batch& batch, Time now) const;

    /// Writes a batch of payments as far as that keeps no other writer waiting, in a transaction
    /// that stays open, under the numbers after `base`, which it does not take yet. Best effort:
    /// false when nothing was written, whatever the reason; `commit` will tell.
    bool write_ahead(Prepared& batch, std::int64_t base);
    /// Takes back what was written ahead.
    void take_back();

    /// Writes the batch, or what is left of it when it was written ahead, with
    /// synchronous_commit=on and waits for it. A batch that was written ahead under numbers that
    /// are not to be had is written anew. A connection that breaks while the commit is under way is
    /// reopened for as long as it takes; the lease row's batch number then tells what happened, and
    /// is used up if nothing did, so that no straggler commits later. Throws LeaseLost when the
    /// epoch is no longer ours.
    std::variant<Committed, Failure> commit(Prepared& batch);

    /// Extends the lease alone. Throws LeaseLost.
    void keep_lease(Time now);
    void release_lease(Time now);

private:
    class Connection;
    struct Attempt;
    bool connect();
    Attempt attempt(Prepared& batch);
    Attempt finish(Prepared& batch);
    std::variant<Committed, Failure> resolve(std::int64_t number);
    /// Under what base the batch of that number was committed; negative: it was not, and never
    /// will be. Nullopt while the database cannot say.
    std::optional<std::int64_t> base_of(std::int64_t number);

    std::string postgres_;
    HeldLease lease_;
    std::chrono::milliseconds timeout_;
    std::unique_ptr<Connection> connection_;
    /// Where the numbers begin of what was written ahead.
    std::optional<std::int64_t> ahead_;
};

}  // namespace millrace::ledger
