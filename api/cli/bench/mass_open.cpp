#include "api/cli/bench/mass_open.hpp"

#include "api/cli/bench/channels.hpp"
#include "api/cli/demo/chain.hpp"
#include "api/cli/dev/chain.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/json_rpc.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace millrace::api::bench {
namespace {

namespace chain = ledger::chain;
namespace json = boost::json;

/// Some 120,000 gas each; a transaction has at most 2^24 (EIP-7825).
constexpr std::size_t kDepositsPerTransaction = 120;
constexpr std::uint64_t kTransactionGas = 16'500'000;
constexpr std::size_t kDepositsPerBlock = 10 * kDepositsPerTransaction;
constexpr std::uint64_t kBlockGas = 200'000'000;
/// Calls of channel.open that are on their way at once.
constexpr std::size_t kOpeningMax = 256;
constexpr std::size_t kChannelsPerPayer = 1000;
/// What a payer has tokens for: some open channels twice.
constexpr std::size_t kDepositsPerPayerMax = 2 * kChannelsPerPayer;
constexpr std::size_t kProgressSteps = 20;
constexpr std::chrono::seconds kPatience{60};

json::value ask_chain(LoopbackPort rpc, const chain::RpcCall& call) {
    const auto answer = ask(rpc, "/", chain::to_json(call, 1), kPatience);
    if (!answer) throw std::runtime_error("the chain does not answer " + call.method);
    auto parsed = json::parse(answer->body);
    auto* result = parsed.as_object().if_contains("result");
    if (!result) throw std::runtime_error("the chain refuses: " + answer->body);
    return std::move(*result);
}

channel::Bytes deposit_call(const DemoNetwork& network, const DemoParty& payer,
                            const LoadChannel& on, channel::Amount amount) {
    const auto deposit = sign_deposit(network, payer, on.id, amount);
    return chain::deposit_call(
        on.config, amount, network.collector,
        chain::erc3009_collector_data({}, channel::word_from(deposit.valid_before), deposit.salt,
                                      deposit.signature.view()));
}

LoadChannel new_channel(const DemoNetwork& network, const channel::Address& payer,
                        const channel::Address& receiver) {
    const auto signer = std::make_shared<const channel::SecretKey>(
        std::move(channel::SecretKey::from_bytes(random_word().view()).value()));
    channel::ChannelConfig config{payer,
                                  signer->address(),
                                  receiver,
                                  network.receiver_authorizer,
                                  network.token,
                                  network.withdraw_delay_seconds,
                                  {}};
    config.salt.bytes = random_word().bytes;
    return {channel::channel_id(network.escrow_separator, config), config, network.escrow_separator,
            signer, 0};
}

/// channel.open without a deposit: the channel is funded on the chain already.
std::string open_funded_params(const DemoNetwork& network, const channel::ChannelConfig& config) {
    return fmt::format(R"({{"network":"{}","app":"bench","channelConfig":{}}})",
                       channel::to_string(network.network),
                       json::serialize(channel_config_json(config)));
}

/// Says how far it is, now and then.
class Progress {
public:
    Progress(std::string what, std::size_t all) : what_(std::move(what)), all_(all) {}
    void reached(std::size_t done) {
        const auto step = done * kProgressSteps / std::max<std::size_t>(all_, 1);
        if (step == told_) return;
        told_ = step;
        say(fmt::format("{} {} of {} channels", what_, done, all_));
    }

private:
    std::string what_;
    std::size_t all_;
    std::size_t told_ = 0;
};

}  // namespace

std::size_t payers_for(std::size_t channels) {
    return (channels + kChannelsPerPayer - 1) / kChannelsPerPayer;
}

Payers::Payers(const ReadyStack& stack, std::size_t count, channel::Amount deposit)
    : rpc_(stack.rpc),
      stream_(stack.stream),
      deposit_(deposit),
      receiver_(DemoParty::make().address()) {
    for (std::size_t n = 0; n < count; ++n) parties_.push_back(DemoParty::make());
    parties_.front().connect(stream_);
    network_ =
        demo_network(parties_.front().stream(), channel::parse_address(kDevCollector).value());
    std::vector<channel::Address> addresses;
    for (const auto& party : parties_) addresses.push_back(party.address());
    DemoChain(rpc_, network_)
        .give_tokens(addresses, channel::Amount{deposit.units() * kDepositsPerPayerMax});
    sender_ = ask_chain(rpc_, {"eth_accounts", "[]"}).at(0).as_string();
}

std::vector<LoadChannel> Payers::open(std::size_t count, std::size_t of) {
    dealt_to_ = std::min(of, parties_.size());
    std::vector<LoadChannel> channels;
    channels.reserve(count);
    for (std::size_t n = 0; n < count; ++n)
        channels.push_back(new_channel(network_, owner(n).address(), receiver_));
    Progress progress("funded", count);
    // A node keeps what every block has changed: few large ones take it less time than many.
    ask_chain(rpc_, {"evm_setBlockGasLimit", fmt::format(R"(["{:#x}"])", kBlockGas)});
    ask_chain(rpc_, {"evm_setAutomine", "[false]"});
    for (std::size_t n = 0; n < count; n += kDepositsPerBlock) {
        fund_block(channels, n);
        progress.reached(std::min(count, n + kDepositsPerBlock));
    }
    ask_chain(rpc_, {"evm_setAutomine", "[true]"});
    open_funded(channels);
    return channels;
}

void Payers::fund_block(const std::vector<LoadChannel>& channels, std::size_t first) {
    const auto end = std::min(channels.size(), first + kDepositsPerBlock);
    std::vector<std::string> sent;
    for (auto n = first; n < end;) {
        std::vector<channel::Bytes> calls;
        for (; n < end && calls.size() < kDepositsPerTransaction; ++n)
            calls.push_back(deposit_call(network_, owner(n), channels[n], deposit_));
        const auto data = chain::multicall_call(std::move(calls));
        const json::array params{json::object{{"from", sender_},
                                              {"to", channel::to_hex(network_.contract)},
                                              {"gas", fmt::format("{:#x}", kTransactionGas)},
                                              {"data", channel::to_hex(data)}}};
        sent.push_back(
            json::serialize(ask_chain(rpc_, {"eth_sendTransaction", json::serialize(params)})));
    }
    ask_chain(rpc_, {"evm_mine", "[]"});
    for (const auto& hash : sent) {
        const auto receipt = ask_chain(rpc_, {"eth_getTransactionReceipt", "[" + hash + "]"});
        if (!receipt.is_object() || receipt.at("status").as_string() != "0x1")
            throw std::runtime_error("deposits were not mined, or failed");
    }
}

void Payers::open_funded(const std::vector<LoadChannel>& channels) {
    Progress progress("opened", channels.size());
    // Only now: a connection on which nothing happens ends after a while.
    for (std::size_t n = 0; n < dealt_to_; ++n) parties_[n].connect(stream_);
    std::size_t answered = 0;
    /// Its payer's connection, and the channel.
    std::vector<std::pair<StreamClient*, std::string>> pending;
    // Payers are asked in turn, and so they answer.
    const auto take_answer = [&] {
        auto& stream = owner(answered).stream();
        const auto answer = stream.receive();
        if (answer.failed)
            throw std::runtime_error("a channel was refused: " + json::serialize(answer.body));
        if (answer.body.at("status").as_string() != "open")
            pending.emplace_back(&stream, answer.body.at("channelId").as_string());
        progress.reached(++answered);
    };
    for (std::size_t n = 0; n < channels.size(); ++n) {
        owner(n).stream().send("channel.open", open_funded_params(network_, channels[n].config));
        if (n + 1 - answered >= kOpeningMax) take_answer();
    }
    while (answered < channels.size()) take_answer();
    // The books had not reached their blocks yet.
    for (const auto& [stream, id] : pending) wait_until_open(*stream, id);
}

}  // namespace millrace::api::bench
