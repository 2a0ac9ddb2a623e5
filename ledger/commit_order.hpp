#pragma once

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
    /// Gets each batch of payments that was committed, in commit order, for the transparency log.
    std::function<void(CommittedBatch)> committed{};

    /// A place in the order, left at the end of its life. Turns come in the order in which places
    /// were taken. Of one thread.
    class Turn {
    public:
        /// Takes a place for a commit that will take so many sequence numbers.
        Turn(CommitOrder& order, std::int64_t numbers);
        /// Takes a place, and waits. What the commit takes of the sequence is not known beforehand.
        explicit Turn(CommitOrder& order);
        ~Turn();
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

        /// Nobody is before it.
        bool has_come() const;
        void wait();
        /// The number before its first, as long as all before it take as many as they said and
        /// nobody else takes any. Null when that is not known, or has turned out otherwise by the
        /// time that its turn has come.
        std::optional<std::int64_t> foretold() const;
        /// To be told within the turn; else nothing is known of the sequence afterwards.
        void took_numbers_until(std::int64_t last);

    private:
        Turn(CommitOrder& order, std::optional<std::int64_t> numbers);

        CommitOrder& order_;
        std::uint64_t place_;
        /// Null: not known beforehand.
        std::optional<std::int64_t> numbers_;
        std::optional<std::int64_t> foretold_;
        std::optional<std::int64_t> last_;
    };

private:
    mutable std::mutex mutex_;
    std::condition_variable ended_;
    std::uint64_t places_taken_ = 0;
    std::uint64_t turns_ended_ = 0;
    /// Of all whose turn has not ended: what they said, and how many did not say.
    std::int64_t numbers_waiting_ = 0;
    std::uint64_t untold_waiting_ = 0;
    /// The newest number, after the last turn.
    std::optional<std::int64_t> last_;
};

}  // namespace millrace::ledger
