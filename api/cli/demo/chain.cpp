#include "api/cli/demo/chain.hpp"

#include "channel/hex.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/abi.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <chrono>
#include <stdexcept>
#include <thread>

namespace millrace::api {
namespace {

namespace chain = ledger::chain;
namespace json = boost::json;

constexpr std::chrono::seconds kMiningPatience{60};
constexpr std::chrono::milliseconds kLookAgain{20};

/// ERC-20 transfer(address,uint256).
constexpr chain::Selector kTransfer{0xa9, 0x05, 0x9c, 0xbb};

json::value result_of(const std::string& text) {
    auto parsed = json::parse(text);
    auto* result = parsed.as_object().if_contains("result");
    if (!result) throw std::runtime_error("the chain refuses: " + text);
    return std::move(*result);
}

std::uint64_t number(const json::value& quantity) {
    return std::stoull(std::string(quantity.as_string()), nullptr, 16);
}

template <class T>
T required(const channel::Result<T>& result) {
    if (!result) throw std::runtime_error("the chain gives a malformed answer");
    return *result;
}

/// fee + gas · price
channel::Amount with_cost(channel::Amount fee, std::uint64_t gas, std::uint64_t price) {
    return required(channel::add(fee, channel::Amount{static_cast<channel::Uint128>(gas) * price}));
}

}  // namespace

std::string DemoChain::post(const chain::RpcCall& call) const {
    const auto answer = ask(rpc_, "/", chain::to_json(call, 1), std::chrono::seconds{30});
    if (!answer) throw std::runtime_error("the chain does not answer " + call.method);
    return answer->body;
}

channel::Bytes DemoChain::view(const channel::Address& to, const channel::Bytes& data) const {
    const auto call = chain::call_request({}, to, data, chain::BlockTag::latest());
    return chain::read_bytes(post(call), 1).value();
}

void DemoChain::give_tokens(const std::vector<channel::Address>& holders, channel::Amount amount) {
    const auto accounts = result_of(post({"eth_accounts", "[]"}));
    std::size_t next = 0;
    std::vector<std::string> sent;
    for (const auto& holder : holders) {
        const auto& from = accounts.as_array().at(next++ % accounts.as_array().size());
        const auto data = chain::encode_call(kTransfer, chain::AbiTuple{}.add(holder).add(amount));
        const json::array params{json::object{{"from", from},
                                              {"to", channel::to_hex(network_.token)},
                                              {"data", channel::to_hex(data)}}};
        sent.push_back(
            json::serialize(result_of(post({"eth_sendTransaction", json::serialize(params)}))));
    }
    for (const auto& hash : sent) wait_until_mined(hash);
}

void DemoChain::wait_until_mined(const std::string& hash) const {
    const auto deadline = std::chrono::steady_clock::now() + kMiningPatience;
    while (result_of(post({"eth_getTransactionReceipt", "[" + hash + "]"})).is_null()) {
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error("the chain mines nothing");
        std::this_thread::sleep_for(kLookAgain);
    }
}

std::uint64_t DemoChain::newest_block() const {
    return chain::read_number(post({"eth_blockNumber", "[]"}), 1).value();
}

GasSpent DemoChain::gas_since(std::uint64_t block) const {
    GasSpent spent;
    const auto contract = channel::to_hex(network_.contract);
    for (const auto newest = newest_block(); block < newest; ++block) {
        const auto receipts =
            result_of(post({"eth_getBlockReceipts", fmt::format(R"(["{:#x}"])", block + 1)}));
        for (const auto& one : receipts.as_array()) {
            const auto& receipt = one.as_object();
            if (!receipt.at("to").is_string() || receipt.at("to").as_string() != contract) continue;
            const auto gas = number(receipt.at("gasUsed"));
            spent.fee = with_cost(spent.fee, gas, number(receipt.at("effectiveGasPrice")));
            spent.gas += gas;
            ++spent.transactions;
        }
    }
    return spent;
}

channel::Amount DemoChain::tokens_of(const channel::Address& holder) const {
    const auto word =
        required(chain::decode_word(view(network_.token, chain::balance_of_call(holder))));
    return required(channel::amount_from_word(word));
}

chain::ChannelTotals DemoChain::channel(const channel::ChannelId& id) const {
    return required(chain::decode_channels(view(network_.contract, chain::channels_call(id))));
}

chain::ReceiverTotals DemoChain::receiver(const channel::Address& address) const {
    return required(chain::decode_receivers(
        view(network_.contract, chain::receivers_call(address, network_.token))));
}

}  // namespace millrace::api
