#pragma once

#include "api/chain/rpc_client.hpp"
#include "channel/voucher_signature.hpp"
#include "ledger/chain/json_rpc.hpp"

#include <optional>
#include <string>
#include <vector>

namespace millrace::api {

/// The questions this service asks of one node. Used on one thread.
class Node {
public:
    template <class T>
    using Answer = ledger::chain::RpcResult<T>;

    /// Throws std::invalid_argument for a malformed URL. Calls are made as `caller`.
    Node(boost::asio::any_io_executor executor, RpcSettings settings, channel::Address contract,
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

    /// What a smart wallet answers (ERC-1271), asked as the escrow asks it.
    Task<Answer<bool>> says_valid(channel::Address wallet, channel::Digest digest,
                                  channel::VoucherSignature signature, ledger::chain::BlockTag tag);

    /// Host and port.
    std::string name() const { return rpc_.name(); }
    void close() { rpc_.close(); }

private:
    RpcClient rpc_;
    channel::Address contract_;
    channel::Address caller_;
};

}  // namespace millrace::api
