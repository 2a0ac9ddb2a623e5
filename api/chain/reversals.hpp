#pragma once

#include "api/chain/chain_context.hpp"
#include "ledger/posted_event.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::api {

/// Keeps a network's books on the branch that its node follows: undoes what was posted of blocks
/// that are gone, and compares the channels concerned with the contract before they are claimed
/// again. Every step may be repeated, and may be the last before a crash: first the cursor goes
/// back to the fork, then what stands above it is undone one by one, newest first.
class Reversals {
public:
    Reversals(ChainContext& context, ChainNetwork& network);

    /// Has to succeed before anything more is posted. Gives the reason when it did not; empty when
    /// the cursor and all that was posted are of the node's branch.
    Task<std::string> check();

    /// Looks at the contract for each channel in doubt, as of the cursor.
    Task<void> reconcile();

private:
    Task<std::string> check_cursor();
    Task<std::string> go_back_to_fork();
    Task<std::string> find_fork(std::optional<ledger::chain::Cursor>& fork);
    Task<std::string> undo_orphans();
    std::uint64_t compare_from() const;
    Task<std::string> undo(const ledger::StandingEvent& event);
    Task<std::optional<ledger::Request>> request_for(const ledger::StandingEvent& event);

    ChainContext& context_;
    ChainNetwork& network_;
    /// Told once, not at every poll.
    bool lost_ = false;
    /// Where the cursor was when nothing stood of a block in whose place it had passed another:
    /// what it passed before need not be looked at again and again.
    std::optional<ledger::chain::Cursor> clean_at_;
    /// Whether there may be channels in doubt; nobody knows at the start.
    bool doubts_ = true;
};

}  // namespace millrace::api
