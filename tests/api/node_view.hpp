#pragma once

#include "channel/hex.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/escrow_events.hpp"
#include "tests/support/anvil.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace support {

using namespace millrace;

/// The chain as the node tells it.
class NodeView {
public:
    explicit NodeView(Anvil& anvil) : anvil_(anvil) {}

    boost::json::value block(std::uint64_t number) {
        return boost::json::parse(
            anvil_.rpc("eth_getBlockByNumber", fmt::format("[\"{:#x}\",false]", number)));
    }
    std::string hash(std::uint64_t number) {
        const auto found = block(number);
        return found.is_null() ? "" : std::string(found.at("hash").as_string());
    }
    /// Of the newest blocks, the first that is missing or does not follow the one before.
    std::optional<std::uint64_t> first_orphan(std::uint64_t blocks) {
        const auto head = anvil_.block_number();
        auto before = hash(head - blocks);
        for (auto number = head - blocks + 1; number <= head; ++number) {
            const auto found = block(number);
            if (found.is_null() || found.at("parentHash").as_string() != before) return number;
            before = found.at("hash").as_string();
        }
        return std::nullopt;
    }
    /// Of the transactions in the newest blocks, in their order.
    std::vector<std::string> hashes(std::uint64_t blocks) {
        std::vector<std::string> hashes;
        const auto head = anvil_.block_number();
        for (auto number = head - blocks + 1; number <= head; ++number) {
            const auto found = block(number);
            for (const auto& hash : found.at("transactions").as_array())
                hashes.emplace_back(hash.as_string());
        }
        return hashes;
    }
    /// The same transactions as signed, each as JSON text.
    std::vector<std::string> raw_transactions(std::uint64_t blocks) { return raw(hashes(blocks)); }
    std::vector<std::string> raw(const std::vector<std::string>& hashes) {
        std::vector<std::string> raw;
        for (const auto& hash : hashes)
            raw.push_back(anvil_.rpc("eth_getRawTransactionByHash", "[\"" + hash + "\"]"));
        return raw;
    }
    ledger::chain::ChannelTotals totals(const channel::ChannelId& id) {
        return ledger::chain::decode_channels(
                   anvil_.call(escrow_address(), ledger::chain::channels_call(id)))
            .value();
    }
    bool withdrawing(const channel::ChannelId& id) {
        const auto call = ledger::chain::pending_withdrawals_call(id);
        return ledger::chain::decode_pending_withdrawals(anvil_.call(escrow_address(), call))
                   .value()
                   .initiated_at != 0;
    }
    std::uint64_t refund_nonce(const channel::ChannelId& id) {
        return ledger::chain::decode_refund_nonce(
                   anvil_.call(escrow_address(), ledger::chain::refund_nonce_call(id)))
            .value();
    }
    /// Events of refunds of the channel.
    std::uint64_t refunds(const channel::ChannelId& id) {
        const auto logs = boost::json::parse(anvil_.rpc(
            "eth_getLogs",
            fmt::format(R"([{{"fromBlock":"0x0","address":"{}","topics":["{}","{}"]}}])",
                        channel::to_hex(escrow_address()),
                        channel::to_hex(ledger::chain::topics().refunded), channel::to_hex(id))));
        return logs.as_array().size();
    }
    channel::Amount unsettled(const channel::Address& receiver) {
        const auto call = ledger::chain::receivers_call(receiver, anvil_.token());
        const auto found =
            ledger::chain::decode_receivers(anvil_.call(escrow_address(), call)).value();
        return channel::subtract(found.total_claimed, found.total_settled).value();
    }

private:
    Anvil& anvil_;
};

}  // namespace support
