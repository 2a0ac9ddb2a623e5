#pragma once

#include "api/cli/demo/party.hpp"
#include "api/cli/dev/http.hpp"
#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/json_rpc.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::api {

/// What the contract's transactions in some blocks used and cost.
struct GasSpent {
    std::uint64_t transactions = 0;
    std::uint64_t gas = 0;
    /// In the smallest unit of the network's coin.
    channel::Amount fee;
};

/// The demo's own view of the development chain, apart from the service's. Throws
/// std::runtime_error when the chain does not answer.
class DemoChain {
public:
    DemoChain(LoopbackPort rpc, const DemoNetwork& network) : rpc_(rpc), network_(network) {}

    /// Tokens from the chain's well-known accounts, in turn; `amount` for each. Waits until they
    /// are there.
    void give_tokens(const std::vector<channel::Address>& holders, channel::Amount amount);

    std::uint64_t newest_block() const;
    GasSpent gas_since(std::uint64_t block) const;
    channel::Amount tokens_of(const channel::Address& holder) const;
    ledger::chain::ChannelTotals channel(const channel::ChannelId& id) const;
    ledger::chain::ReceiverTotals receiver(const channel::Address& address) const;

private:
    /// `hash` as JSON.
    void wait_until_mined(const std::string& hash) const;
    std::string post(const ledger::chain::RpcCall& call) const;
    channel::Bytes view(const channel::Address& to, const channel::Bytes& data) const;

    LoopbackPort rpc_;
    DemoNetwork network_;
};

}  // namespace millrace::api
