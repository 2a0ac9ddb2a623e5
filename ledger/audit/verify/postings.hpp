#pragma once

#include "ledger/audit/verify/entry.hpp"

#include <string>

namespace millrace::ledger {

std::string channel_account(const AuditedChannel& audited);
/// `kind`: earned or claimed.
std::string receiver_account(const AuditedChannel& audited, std::string_view kind);

/// Rule `posting`, save for payments and reversals, which need what came before: each event and
/// opening has just the transfer that it stands for, and no transfer is without one. Throws Broken.
void check_postings(const AuditedEntry& entry, const AuditedChannels& channels);

}  // namespace millrace::ledger
