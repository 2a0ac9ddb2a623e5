#pragma once

#include "ledger/acknowledgement.hpp"
#include "ledger/batch.hpp"
#include "ledger/batch_connection.hpp"
#include "ledger/batch_parameters.hpp"
#include "ledger/lease.hpp"
#include "ledger/payment_copy.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace millrace::ledger {

/// Commits batches, each as one transaction: fenced by the lease and numbered by the commit
/// sequence. Either to the tables of the ledger, set-based, a small one as a single statement and
/// the payments of a large one by COPY; or, payments alone, as they are acknowledged, to be posted
/// by a `Poster`.
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

    using Outcome = std::variant<Committed, Failure>;
    /// Writes the batch with synchronous_commit=on and waits for it. A connection that breaks while
    /// the commit is under way is reopened for as long as it takes; the lease row's batch number
    /// then tells what happened, and is used up if nothing did, so that no straggler commits later.
    /// Throws LeaseLost when the epoch is no longer ours.
    Outcome commit(Prepared& batch);
    /// The same of payments that are to be posted later; `meanwhile` is done until it is known.
    Outcome acknowledge(Acknowledgement& batch, const BatchConnection::Meanwhile& meanwhile = {});

    /// Extends the lease alone. Throws LeaseLost.
    void keep_lease(Time now);
    void release_lease(Time now);

private:
    struct Attempt;
    bool connect();
    Answered rolled_back(Answered answer);
    Answered commit_with_copy(Prepared& batch);
    /// `there_already`: the SQLSTATE that says so.
    static Attempt outcome_of(const Answered& answer, std::string_view there_already);
    template <class Try>
    Outcome until_known(std::string_view there_already, Try&& attempt);
    Outcome resolve(std::int64_t number);
    /// Under what base the batch of that number was committed; negative: it was not, and never
    /// will be. Nullopt while the database cannot say.
    std::optional<std::int64_t> base_of(std::int64_t number);

    std::string postgres_;
    HeldLease lease_;
    std::chrono::milliseconds timeout_;
    std::unique_ptr<BatchConnection> connection_;
};

}  // namespace millrace::ledger
