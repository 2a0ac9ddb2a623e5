#pragma once

#include "api/chain/rpc_client.hpp"
#include "api/config.hpp"
#include "channel/result.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/json_rpc.hpp"

#include <optional>
#include <string>
#include <vector>

namespace millrace::api {

/// The questions this service asks of a network's nodes. Used on one thread.
class Node {
public:
    template <class T>
    using Answer = ledger::chain::RpcResult<T>;

    /// Throws std::invalid_argument for a malformed URL. Calls are made as `caller`.
    Node(boost::asio::any_io_executor executor, const NetworkConfig& network,
         channel::Address caller);

    Task<Answer<std::uint64_t>> chain_id();
    Task<Answer<channel::Bytes>> code(channel::Address address);
    Task<Answer<std::optional<ledger::chain::Block>>> block(ledger::chain::BlockTag tag);
    Task<Answer<std::vector<ledger::chain::Log>>> logs(std::uint64_t from, std::uint64_t to,
                                                       std::vector<channel::Word> topics);
    Task<Answer<channel::Bytes>> call(channel::Address to, channel::Bytes data,
                                      ledger::chain::BlockTag tag);
    /// With at most so much gas.
    Task<Answer<channel::Bytes>> call(channel::Address to, channel::Bytes data,
                                      ledger::chain::BlockTag tag, std::uint64_t gas);
    Task<Answer<std::uint64_t>> estimate_gas(channel::Bytes data);
    Task<Answer<std::uint64_t>> transaction_count(ledger::chain::BlockTag tag);
    Task<Answer<channel::Word>> coin_balance(channel::Address holder);
    Task<Answer<channel::TransactionHash>> send(channel::Bytes raw);
    Task<Answer<std::optional<ledger::chain::Receipt>>> receipt(channel::TransactionHash hash);

    /// Views of the escrow and the token; a node that cannot answer, and an answer that is none,
    /// are `rpc_read_failed`.
    Task<channel::Result<ledger::chain::ChannelTotals>> channel_totals(channel::ChannelId id,
                                                                       ledger::chain::BlockTag tag);
    Task<channel::Result<ledger::chain::PendingWithdrawal>> pending_withdrawal(
        channel::ChannelId id, ledger::chain::BlockTag tag);
    Task<channel::Result<std::uint64_t>> refund_nonce(channel::ChannelId id,
                                                      ledger::chain::BlockTag tag);
    Task<channel::Result<ledger::chain::ReceiverTotals>> receiver_totals(channel::Address receiver,
                                                                         channel::Address token);
    Task<channel::Result<channel::Word>> token_balance(channel::Address token,
                                                       channel::Address holder);
    Task<channel::Result<channel::Word>> token_allowance(channel::Address token,
                                                         channel::Address holder,
                                                         channel::Address spender);

    /// What a smart wallet answers (ERC-1271), asked as the escrow asks it.
    Task<Answer<bool>> says_valid(channel::Address wallet, channel::Digest digest,
                                  channel::VoucherSignature signature);

    const std::string& name() const { return name_; }
    void close() { rpc_.close(); }

private:
    template <class T>
    Task<channel::Result<T>> view(channel::Address to, channel::Bytes data,
                                  ledger::chain::BlockTag tag,
                                  channel::Result<T> (*decode)(channel::BytesView));

    RpcClient rpc_;
    std::string name_;
    channel::Address contract_;
    channel::Address caller_;
};

}  // namespace millrace::api
