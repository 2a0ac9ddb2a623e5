#pragma once

#include "channel/bytes.hpp"

#include <string>

namespace millrace::ledger::chain {

/// What revert data says, for logs and for reasons of failure: the name of a known error of the
/// escrow, a collector, the token or Permit2, the text of `Error(string)`, else the bare selector.
/// Printable ASCII and bounded, whatever the contract put in. Empty for empty data.
std::string revert_reason(channel::BytesView data);

}  // namespace millrace::ledger::chain
