#include "api/cli/bench/payments_place.hpp"

#include "api/chain/key_file.hpp"
#include "api/cli/bench/channels.hpp"
#include "api/cli/commands.hpp"
#include "api/cli/demo/chain.hpp"
#include "api/cli/dev/chain.hpp"
#include "api/cli/http_client.hpp"
#include "channel/address.hpp"
#include "channel/amount.hpp"
#include "channel/hex.hpp"
#include "channel/network.hpp"

#include <fmt/format.h>

#include <numeric>

namespace millrace::api::bench {
namespace {

constexpr std::string_view kScheme = "ws://";
constexpr std::string_view kPath = "/v1/stream";

DemoParty payer_of(const BenchOptions& options) {
    if (options.key_file.empty())
        throw CommandError("--server: name the payer's key, too: --key-file");
    return DemoParty::of(read_key_file("--key-file", options.key_file));
}

channel::Address receiver_of(const BenchOptions& options, const DemoParty& payer) {
    if (options.receiver.empty()) return payer.address();
    const auto address = channel::parse_address(options.receiver);
    if (!address) throw CommandError("--receiver: no address: " + options.receiver);
    return *address;
}

std::vector<channel::Amount> as_amounts(const std::vector<std::uint64_t>& units) {
    std::vector<channel::Amount> amounts;
    for (const auto one : units) amounts.emplace_back(one);
    return amounts;
}

}  // namespace

StreamAddress parse_server(const std::string& url) {
    const bool named = url.starts_with(kScheme) && url.ends_with(kPath) &&
                       url.size() > kScheme.size() + kPath.size();
    if (!named)
        throw CommandError(fmt::format(
            "--server: {} is not like ws://HOST:PORT{}. TLS is not spoken here: measure on the "
            "service's own side of its proxy",
            url, kPath));
    const auto place = url.substr(kScheme.size(), url.size() - kScheme.size() - kPath.size());
    const auto parsed = parse_url("http://" + place);
    return {parsed.host, parsed.port};
}

Place place_of(const ReadyStack& stack, std::size_t channels) {
    auto payer = DemoParty::make();
    const auto receiver = DemoParty::make();
    const PairTokens tokens{log_in(stack.stream, payer.key()),
                            log_in(stack.stream, receiver.key())};
    payer.connect(stack.stream, tokens.payer);
    const auto network =
        demo_network(payer.stream(), channel::parse_address(kDevCollector).value());
    DemoChain(stack.rpc, network)
        .give_tokens({payer.address()}, channel::Amount{kDeposit.units() * channels});
    say(fmt::format("opening {} channels by gasless deposits", channels));
    return {stack.stream, tokens, open_channels(network, payer, receiver.address(), channels)};
}

RunningService::RunningService(const BenchOptions& options, const std::vector<std::uint64_t>& spent)
    : payer_(payer_of(options)) {
    place_.stream = parse_server(options.server);
    const auto& [host, port] = place_.stream;
    const auto receiver = receiver_of(options, payer_);
    const auto domain = options.domain.empty() ? host + ":" + port : options.domain;
    StreamClient stream(place_.stream);
    const auto token = log_in(stream, payer_.key(), domain);
    // Both sides of its own channels; rows that charge are left out for another receiver.
    place_.tokens = {token, token};
    payer_.connect(place_.stream, token);
    const auto network =
        demo_network(payer_.stream(), channel::parse_address(kDevCollector).value());
    const auto sum = std::accumulate(spent.begin(), spent.end(), std::uint64_t{0});
    say(fmt::format("opening {} channels on {} with {} base units of {} in all, from {} to {}",
                    spent.size(), channel::to_string(network.network), sum,
                    channel::to_checksum(network.token), channel::to_checksum(payer_.address()),
                    channel::to_checksum(receiver)));
    place_.channels =
        open_channels(network, payer_, {receiver, as_amounts(spent), VoucherSigner::payer});
}

}  // namespace millrace::api::bench
