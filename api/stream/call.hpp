#pragma once

#include "api/auth/login.hpp"
#include "api/chain/chain_service.hpp"
#include "api/stream/failure.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/network.hpp"
#include "ledger/event_reader.hpp"
#include "ledger/request.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace millrace::api::stream {

/// stream-protocol, table of methods.
enum class Method : std::uint8_t {
    server_info,
    auth_challenge,
    auth_login,
    channel_open,
    channel_top_up,
    channel_get,
    channel_list,
    channel_refund,
    payment_pay,
    payment_authorize,
    payment_accept,
    payment_charge,
    payment_release,
    settlement_claim,
    settlement_get,
    events_subscribe,
    events_unsubscribe,
};
std::string_view to_string(Method method);
std::optional<Method> method_named(std::string_view name);
/// False for what anyone may ask.
bool needs_login(Method method);
/// What only a payer does, and so no key that acts for a provider.
bool is_of_payers(Method method);

struct ServerInfo {};
struct AskChallenge {
    channel::Address address;
};
struct OpenAChannel {
    channel::Network network;
    channel::ChannelConfig config;
    std::string app;
    std::optional<GaslessDeposit> deposit;
};
struct TopUp {
    channel::ChannelId channel;
    GaslessDeposit deposit;
};
struct GetChannel {
    channel::ChannelId channel;
};
struct ListChannels {
    std::optional<channel::ChannelId> cursor;
    std::size_t limit = 100;
};
struct AskForRefund {
    channel::ChannelId channel;
    channel::AskRefund asked;
};
/// An x402 payload that its caller, the receiver, was given over HTTP.
struct AcceptPayment {
    /// Without it the network is the one that the voucher's channel id tells, or the only one.
    std::optional<channel::Network> network;
    channel::ChannelConfig config;
    /// As the voucher names its channel, where it does.
    std::optional<channel::ChannelId> channel;
    channel::Accept payment;
    /// As `ledger::PaymentRequest::detail`.
    std::string detail;
    std::optional<GaslessDeposit> deposit;
};
struct MakeClaim {
    std::optional<channel::Network> network;
    std::optional<channel::Address> token;
};
struct GetClaim {
    std::string claim_id;
};
struct Subscribe {
    std::vector<ledger::Topic> topics;
    std::optional<channel::ChannelId> channel;
    std::optional<std::uint64_t> from_seq;
};
struct Unsubscribe {
    std::string subscription;
};

/// What a request asks for, checked in form, or why it is none. A payment's `caller` and `reply_to`
/// are left to the session.
using Command = std::variant<Failure, ledger::PaymentRequest, ServerInfo, AskChallenge, Login,
                             OpenAChannel, TopUp, GetChannel, ListChannels, AskForRefund,
                             AcceptPayment, MakeClaim, GetClaim, Subscribe, Unsubscribe>;

/// One request of a frame.
struct Call {
    /// The id as JSON text; empty: a notification, which is not answered. "null" where a request
    /// is so broken that its id cannot be told (JSON-RPC 2.0, section 5).
    std::string id;
    /// Nothing when the envelope is broken or no such method is known.
    std::optional<Method> method;
    Command command;
};

}  // namespace millrace::api::stream
