#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/network.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/json/object.hpp>

namespace millrace::api::gate {

/// What a gate asks of every payer, beside the amount: from the service's `server.info` and the
/// gate's configuration.
struct Terms {
    channel::Network network;
    /// Domain of vouchers and channel ids: of the escrow contract.
    channel::Digest escrow_separator;
    channel::Address token;
    std::string token_name;
    std::string token_version;
    /// "eip3009", "permit2", the one to prefer first.
    std::vector<std::string> transfer_methods;
    channel::Address receiver_authorizer;
    std::uint64_t withdraw_delay_seconds = 0;
    channel::Address pay_to;
    channel::Amount deposit_min;
    std::uint64_t timeout_seconds = 60;
};

/// What the configuration says of it.
struct TermsWanted {
    /// The service's only network where none is named.
    std::optional<channel::Network> network;
    /// The network's first token where none is named.
    std::optional<channel::Address> token;
    /// As whom the gate is logged in.
    channel::Address pay_to;
    /// The service's least where none is named.
    std::optional<std::uint64_t> withdraw_delay_seconds;
    channel::Amount deposit_min;
    std::uint64_t timeout_seconds = 60;
};

/// The terms, or what is wrong with `server_info`, or with what is wanted of it.
std::variant<Terms, std::string> make_terms(const boost::json::object& server_info,
                                            const TermsWanted& wanted);

}  // namespace millrace::api::gate
