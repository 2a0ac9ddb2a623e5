#include "api/stream/read_command.hpp"
#include "api/stream/x402_members.hpp"

namespace millrace::api::stream {

void read_accept(Members& params, const LimitsConfig& limits, Command& command) {
    auto& accept = command.emplace<AcceptPayment>();
    if (params.has("network")) accept.network = read_network(params);
    accept.config = read_channel_config(params, "channelConfig");
    auto inference = read_inference(params, limits.detail_bytes_max);
    accept.payment.inference = inference.id;
    accept.detail = std::move(inference.detail);
    accept.payment.max_amount = params.positive_amount("maxAmount");
    auto named = read_named_voucher(params);
    accept.channel = named.channel;
    accept.payment.voucher = std::move(named.voucher);
    if (params.has("deposit")) accept.deposit = read_deposit(params);
}

}  // namespace millrace::api::stream
