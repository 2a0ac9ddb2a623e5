#pragma once

#include "api/chain/chain_health.hpp"
#include "api/chain/node.hpp"
#include "api/config.hpp"
#include "channel/result.hpp"
#include "ledger/chain/escrow_calls.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::api {

/// All nodes of a network as one, which is believed only as far as enough of them agree: as many as
/// `rpc_agreement`, or more than half of them. What money hangs on (blocks, logs, receipts, views,
/// used nonces) is asked of all and needs equal answers; a transaction is broadcast to all. A node
/// that does not answer, is behind, or contradicts what the others agree on is set aside, and comes
/// back by itself. With a single node this is that node. Used on one thread.
class Nodes {
public:
    template <class T>
    using Answer = ledger::chain::RpcResult<T>;

    /// Throws std::invalid_argument for a malformed URL. Calls are made as `caller`.
    Nodes(boost::asio::any_io_executor executor, const NetworkConfig& network,
          channel::Address caller);
    ~Nodes();

    /// What enough of them say; of another chain if any of them is.
    Task<Answer<std::uint64_t>> chain_id();
    Task<Answer<channel::Bytes>> code(channel::Address address);
    /// The newest block is the one that enough of them have reached. Asking for it is also how the
    /// nodes are looked after: once per poll interval.
    Task<Answer<std::optional<ledger::chain::Block>>> block(ledger::chain::BlockTag tag);
    Task<Answer<std::vector<ledger::chain::Log>>> logs(std::uint64_t from, std::uint64_t to,
                                                       std::vector<channel::Word> topics);
    Task<Answer<channel::Bytes>> call(channel::Address to, channel::Bytes data,
                                      ledger::chain::BlockTag tag);
    /// With at most so much gas.
    Task<Answer<channel::Bytes>> call(channel::Address to, channel::Bytes data,
                                      ledger::chain::BlockTag tag, std::uint64_t gas);
    /// What a smart wallet answers (ERC-1271), asked as the escrow asks it; as of the newest block
    /// that was asked for last, so that vouchers do not each ask for it again.
    Task<Answer<bool>> says_valid(channel::Address wallet, channel::Digest digest,
                                  channel::VoucherSignature signature);
    /// So much is enough, as enough of them say.
    Task<Answer<std::uint64_t>> estimate_gas(channel::Bytes data);
    /// As of a block by number they have to agree; else the count that enough of them have reached.
    Task<Answer<std::uint64_t>> transaction_count(ledger::chain::BlockTag tag);
    Task<Answer<channel::Word>> coin_balance(channel::Address holder);
    /// To all of them; done as soon as one has taken it.
    Task<Answer<channel::TransactionHash>> send(channel::Bytes raw);
    Task<Answer<std::optional<ledger::chain::Receipt>>> receipt(channel::TransactionHash hash);

    /// Views of the escrow and the token; nodes that cannot answer or do not agree, and an answer
    /// that is none, are `rpc_read_failed`.
    Task<channel::Result<ledger::chain::ChannelTotals>> channel_totals(channel::ChannelId id,
                                                                       ledger::chain::BlockTag tag);
    /// In the order of the ids, all as of one block.
    Task<channel::Result<std::vector<ledger::chain::ChannelTotals>>> many_channel_totals(
        std::vector<channel::ChannelId> ids, ledger::chain::BlockTag tag);
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

    /// Network and first node: what may stand in logs, because paths can hold keys.
    const std::string& name() const { return name_; }
    std::vector<NodeStanding> standing() const;
    void close();

private:
    struct Member;
    template <class T>
    struct Poll;
    enum class Wanted { agreement, all, first };

    template <class T, class Ask>
    Task<std::shared_ptr<Poll<T>>> ask(Ask ask, Wanted wanted);
    template <class T, class Ask>
    Task<void> ask_one(std::shared_ptr<Poll<T>> poll, std::size_t at, Ask ask, Wanted wanted);
    template <class T, class Ask>
    Task<Answer<T>> agreed(Ask ask);
    template <class T>
    void note_agreement(Poll<T>& poll, std::size_t at);
    template <class T>
    Task<channel::Result<T>> view(channel::Address to, channel::Bytes data,
                                  ledger::chain::BlockTag tag,
                                  channel::Result<T> (*decode)(channel::BytesView));
    Task<Answer<std::optional<ledger::chain::Block>>> newest_block();
    Task<ledger::chain::BlockTag> pinned(ledger::chain::BlockTag tag);
    std::vector<std::size_t> to_ask() const;
    std::optional<std::uint64_t> reached_by_enough(std::vector<std::uint64_t> numbers) const;
    void look_after(const Poll<std::optional<ledger::chain::Block>>& heads, std::uint64_t head);
    void set_aside(Member& member, const std::string& trouble, unsigned rounds);
    bool alone() const { return members_.size() == 1; }

    boost::asio::any_io_executor executor_;
    std::string name_;
    std::uint64_t chain_id_;
    channel::Address contract_;
    std::vector<std::unique_ptr<Member>> members_;
    std::size_t enough_;
    /// The newest block that enough of several nodes had reached; 0: not asked for yet.
    std::uint64_t head_ = 0;
};

}  // namespace millrace::api
