#include "api/cli/bench/channels.hpp"

#include "channel/hex.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <utility>

namespace millrace::api::bench {
namespace {

/// Calls of channel.open that are on their way at once.
constexpr std::size_t kOpeningMax = 64;
/// Between two looks at a channel whose deposit is not confirmed yet, and for how long it is looked
/// at.
constexpr std::chrono::milliseconds kLook{20};
constexpr std::chrono::seconds kPatience{60};

std::shared_ptr<const channel::SecretKey> signer_of(VoucherSigner who, const DemoParty& payer) {
    if (who == VoucherSigner::payer)
        return {std::shared_ptr<const channel::SecretKey>(), &payer.key()};
    return std::make_shared<const channel::SecretKey>(
        std::move(channel::SecretKey::from_bytes(random_word().view()).value()));
}

}  // namespace

void say(const std::string& text) {
    fmt::print(stderr, "bench: {}\n", text);
}

void wait_until_open(StreamClient& stream, const std::string& id) {
    const auto params = fmt::format(R"({{"channelId":"{}"}})", id);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (stream.call("channel.get", params).at("status").as_string() != "open") {
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error(
                fmt::format("channel {} is not open after {} s: its deposit is not confirmed. The "
                            "service's log says why",
                            id, kPatience.count()));
        stream.receive_within(kLook);
    }
}

std::vector<LoadChannel> open_channels(const DemoNetwork& network, DemoParty& party,
                                       const Opening& opening) {
    const auto count = opening.deposits.size();
    std::vector<LoadChannel> channels;
    std::size_t answered = 0;
    const auto take_answer = [&] {
        const auto answer = party.stream().receive();
        if (answer.failed)
            throw std::runtime_error("a channel was refused: " +
                                     boost::json::serialize(answer.body));
        if (++answered % 100 == 0) say(fmt::format("opened {} of {} channels", answered, count));
    };
    for (std::size_t n = 0; n < count; ++n) {
        const auto signer = signer_of(opening.signer, party);
        channel::ChannelConfig config{party.address(),
                                      signer->address(),
                                      opening.receiver,
                                      network.receiver_authorizer,
                                      network.token,
                                      network.withdraw_delay_seconds,
                                      {}};
        config.salt.bytes = random_word().bytes;
        channels.push_back({channel::channel_id(network.escrow_separator, config), config,
                            network.escrow_separator, signer, 0});
        party.stream().send("channel.open",
                            open_params(network, party, config, "bench", opening.deposits[n]));
        if (n + 1 - answered >= kOpeningMax) take_answer();
    }
    while (answered < count) take_answer();
    for (const auto& one : channels) wait_until_open(party.stream(), channel::to_hex(one.id));
    return channels;
}

std::vector<LoadChannel> open_channels(const DemoNetwork& network, DemoParty& party,
                                       const channel::Address& receiver, std::size_t count) {
    return open_channels(network, party, {receiver, std::vector(count, kDeposit)});
}

}  // namespace millrace::api::bench
