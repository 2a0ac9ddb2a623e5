#pragma once

#include "ledger/backlog.hpp"
#include "ledger/proof/committed_batch.hpp"
#include "ledger/request.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>

namespace millrace::ledger {

/// The order of this process's commits, in which it hears of them as well: whoever commits takes a
/// turn, and has it from before its commit until `published` has returned.
class CommitOrder {
public:
    std::function<void(std::span<const Answer>)> published;
    /// Gets the payments that were posted, in the order of their numbers, for the transparency log.
    std::function<void(CommittedBatch)> posted{};
    Backlog backlog{};

    enum class Commits {
        /// To what is acknowledged.
        to_backlog,
        /// To the tables of the ledger, in which all that was acknowledged before has to be first.
        to_ledger,
        /// The same, but where that cannot be posted it goes before: a payer who withdraws does not
        /// wait. Until it is posted, reports then tell of less than is in the tables.
        settlement,
    };

private:
    /// In the order, left at the end of its life. Turns come in the order in which places were
    /// taken.
    class Place {
    public:
        /// Waits until those before have left.
        explicit Place(CommitOrder& order);
        ~Place();
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

    private:
        CommitOrder& order_;
    };

public:
    /// A place in the order, and the ledger as the commit needs it.
    class Turn {
    public:
        /// Takes a place, and waits. Throws pqxx::failure when it is `to_ledger` and what was
        /// acknowledged before cannot be posted.
        explicit Turn(CommitOrder& order, Commits commits = Commits::settlement);

    private:
        std::optional<Place> place_;
    };

private:
    std::mutex mutex_;
    std::condition_variable ended_;
    std::uint64_t places_taken_ = 0;
    std::uint64_t turns_ended_ = 0;
};

}  // namespace millrace::ledger
