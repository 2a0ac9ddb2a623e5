#pragma once

#include "api/cli/audit/network_books.hpp"
#include "api/cli/audit/node_batch.hpp"
#include "ledger/chain/escrow_events.hpp"

#include <cstdint>

namespace millrace::api {

/// Notes what an event of the chain says of a receiver; `decoded` is its log.
void note_receiver(const ledger::AuditedChainEvent& event,
                   const ledger::chain::EscrowEvent& decoded,
                   const ledger::AuditedChannels& channels, NetworkBooks& books);

/// Notes what the books have of each receiver, of figures that are as of the newest number.
void add_accounts(const ledger::Verification& verification, NetworkBooks& books);

/// Compares each receiver with the contract, and notes what the contract owes to it. What only
/// grows is compared as of `block`; what the books have as owed may have been settled since the
/// export. Throws as `check_chain` does.
void check_receivers(const NodeBatch& node, NetworkBooks& books, std::uint64_t block);

/// Whether the contract has the tokens that it owes. Both sides as of one block, whatever the books
/// have reached. Throws as `check_chain` does.
void check_tokens(const NodeBatch& node, const NetworkBooks& books, std::uint64_t block);

}  // namespace millrace::api
