#pragma once

#include "api/config.hpp"
#include "api/stream/call.hpp"
#include "api/stream/json.hpp"
#include "api/stream/members.hpp"

#include <optional>

namespace millrace::api::stream {

/// Fills in the command of a method from its parameters, or the first thing that is wrong in them.
/// Members that no method knows are ignored, except in what is signed.
void read_command(Method method, std::optional<Json> params, const LimitsConfig& limits,
                  Command& command);

/// The same for payment.* only, the hot path.
void read_payment(Method method, std::optional<Json> params, const LimitsConfig& limits,
                  Command& command);
/// The same for channel.* only.
void read_channel_command(Method method, std::optional<Json> params, Command& command);

/// The member `voucher` of a request about this channel.
channel::SignedVoucher read_voucher(Members& params, const channel::ChannelId& channel);

}  // namespace millrace::api::stream
