#pragma once

#include "api/chain/chain_service.hpp"
#include "api/stream/members.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"

#include <string_view>

namespace millrace::api::stream {

// What x402 payloads and the stream's requests have in common, member by member as x402 has it.
// What the payer signs is read strictly: members that no signature covers are refused.

/// The member `key`, a `ChannelConfig`.
channel::ChannelConfig read_channel_config(Members& params, std::string_view key);

/// The member `deposit`: `amount`, and `authorization` of one of the two kinds.
GaslessDeposit read_deposit(Members& params);

/// A uint256 as clients of x402 write it: decimal, or hex with or without leading zeros.
channel::Word read_word(Members& members, std::string_view key);

}  // namespace millrace::api::stream
