#pragma once

#include "ledger/asset.hpp"
#include "ledger/request.hpp"

#include <string>
#include <string_view>

namespace millrace::ledger {

/// Appends the members of a channel object (stream-protocol, Channel object) without `seq` and
/// without braces.
void append_channel_members(std::string& out, const ChannelTerms& terms,
                            const channel::State& state, const Asset& asset);

/// The data of an event of topic `channel`: {"name": …, "amount": …, channel members}. `amount` is
/// what was deposited, claimed, withdrawn or refunded.
std::string channel_event_data(std::string_view name, const ChannelTerms& terms,
                               const channel::State& state, const Asset& asset,
                               channel::Amount amount);

}  // namespace millrace::ledger
