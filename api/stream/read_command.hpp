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

void read_accept(Members& params, const LimitsConfig& limits, Command& command);

/// The parameters of auth.login.
Login read_login(Members& params);

/// The member `voucher` of a request about this channel.
channel::SignedVoucher read_voucher(Members& params, const channel::ChannelId& channel);
/// The same where the channel is not known yet, and what the voucher says of it.
struct NamedVoucher {
    std::optional<channel::ChannelId> channel;
    channel::SignedVoucher voucher;
};
NamedVoucher read_named_voucher(Members& params);

/// The id of a request's inference, and all that it says of it beside that, as it is stored.
struct NamedInference {
    channel::InferenceId id;
    std::string detail;
};
NamedInference read_inference(Members& params, std::size_t detail_bytes_max);

channel::Network read_network(Members& params);

}  // namespace millrace::api::stream
