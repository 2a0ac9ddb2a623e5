#include "ledger/request.hpp"

namespace millrace::ledger {

const channel::ChannelId* channel_of(const Request& request) {
    if (const auto* open = std::get_if<OpenChannel>(&request)) return &open->terms.id;
    return std::visit(
        [](const auto& one) -> const channel::ChannelId* {
            if constexpr (requires { one.channel; })
                return &one.channel;
            else
                return nullptr;
        },
        request);
}

const channel::InferenceId& inference_of(const PaymentRequest& request) {
    return std::visit(
        [](const auto& command) -> const channel::InferenceId& { return command.inference; },
        request.command);
}

bool opens_inference(const PaymentRequest& request) {
    return !std::holds_alternative<channel::Charge>(request.command) &&
           !std::holds_alternative<channel::Release>(request.command);
}

bool is_payer_side(const channel::ChannelConfig& config, const channel::Address& address) {
    return address == config.payer || address == config.payer_authorizer;
}

bool is_provider_side(const channel::ChannelConfig& config, const channel::Address& address) {
    return address == config.receiver || address == config.receiver_authorizer;
}

bool may_ask_for_refund(const channel::ChannelConfig& config, const channel::Address& address) {
    return is_payer_side(config, address) || address == config.receiver;
}

std::string_view to_string(PaymentKind kind) {
    switch (kind) {
        case PaymentKind::pay:
            return "pay";
        case PaymentKind::authorize:
            return "authorize";
        case PaymentKind::charge:
            return "charge";
        case PaymentKind::release:
            return "release";
    }
    return {};
}

}  // namespace millrace::ledger
