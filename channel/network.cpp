#include "channel/network.hpp"

#include "channel/error.hpp"

#include <charconv>

namespace millrace::channel {
namespace {

constexpr std::string_view kNamespace = "eip155:";

}  // namespace

Result<Network> parse_network(std::string_view text) {
    if (!text.starts_with(kNamespace)) return Error::not_a_network;
    text.remove_prefix(kNamespace.size());
    if (text.empty() || text.front() == '0') return Error::not_a_network;

    Network network;
    const char* const end = text.data() + text.size();
    const auto [stopped, failure] = std::from_chars(text.data(), end, network.chain_id);
    if (failure != std::errc{} || stopped != end) return Error::not_a_network;
    return network;
}

std::string to_string(Network network) {
    return std::string(kNamespace) + std::to_string(network.chain_id);
}

}  // namespace millrace::channel
