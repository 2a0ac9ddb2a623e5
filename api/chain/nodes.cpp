#include "api/chain/nodes.hpp"

#include "channel/error.hpp"

#include <spdlog/spdlog.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace millrace::api {

namespace asio = boost::asio;
namespace chain = ledger::chain;
using chain::BlockTag;
using chain::RpcFailure;
using channel::Result;

namespace {

/// A node so many blocks behind the others is of no use.
constexpr std::uint64_t kBlocksBehindMax = 5;
/// Looks at the newest block for which a node that contradicted the others is not asked.
constexpr unsigned kRoundsAside = 60;
/// Of several nodes; a single one is asked more often.
constexpr unsigned kRounds = 2;
/// For those that have not answered when enough have.
constexpr std::chrono::milliseconds kGrace{1000};
/// A node that does not answer is not given more to do.
constexpr std::size_t kOutstandingMax = 16;

std::vector<std::unique_ptr<Node>> nodes_of(const asio::any_io_executor& executor,
                                            const NetworkConfig& network,
                                            const channel::Address& caller) {
    std::vector<std::unique_ptr<Node>> nodes;
    for (const auto& url : network.rpc_urls) {
        RpcSettings settings{.urls = {url}, .timeout = network.rpc_timeout};
        if (network.rpc_urls.size() > 1) settings.rounds = kRounds;
        nodes.push_back(
            std::make_unique<Node>(executor, std::move(settings), network.contract, caller));
    }
    return nodes;
}

/// An answer that says something about the chain: a value, or that the contract refuses, be it by
/// needing more gas than it is given.
template <class T>
bool is_a_vote(const chain::RpcResult<T>& answer) {
    return answer.has_value() || answer.error().reverted() || answer.error().ran_out_of_gas();
}

template <class T>
bool agree(const chain::RpcResult<T>& a, const chain::RpcResult<T>& b) {
    if (a.has_value() != b.has_value()) return false;
    return !a.has_value() || *a == *b;
}

/// Not having something yet is no contradiction.
template <class T>
bool is_missing(const T&) {
    return false;
}
template <class T>
bool is_missing(const std::optional<T>& value) {
    return !value;
}

template <class T>
RpcFailure failure_of(const std::vector<std::optional<chain::RpcResult<T>>>& answers) {
    RpcFailure failure{RpcFailure::Kind::transport, 0, "the nodes do not agree", {}};
    for (const auto& answer : answers) {
        // That the contract refuses is not to be believed of one alone.
        if (!answer || is_a_vote(*answer)) continue;
        if (answer->error().kind == RpcFailure::Kind::node) return answer->error();
        failure = answer->error();
    }
    return failure;
}

template <class T>
std::vector<T> values_of(const std::vector<std::optional<chain::RpcResult<T>>>& answers) {
    std::vector<T> values;
    for (const auto& answer : answers)
        if (answer && answer->has_value()) values.push_back(**answer);
    return values;
}

}  // namespace

struct Nodes::Member {
    std::unique_ptr<Node> node;
    NodeStanding standing;
    std::size_t outstanding = 0;
    unsigned rounds_aside = 0;
};

/// One question on its way to several nodes.
template <class T>
struct Nodes::Poll {
    asio::steady_timer changed;
    std::vector<std::optional<Answer<T>>> answers;
    std::size_t asked = 0;
    std::size_t answered = 0;
    /// Which answer enough of them gave, or, of a broadcast, the first that is none of a failure.
    std::optional<std::size_t> decided;
};

Nodes::Nodes(asio::any_io_executor executor, const NetworkConfig& network, channel::Address caller)
    : executor_(executor), chain_id_(network.network.chain_id), contract_(network.contract) {
    for (auto& node : nodes_of(executor, network, caller)) {
        const NodeStanding standing{node->name(), true, {}, 0};
        members_.push_back(std::make_unique<Member>(Member{std::move(node), standing}));
    }
    if (members_.empty()) throw std::invalid_argument("no RPC URL is configured");
    name_ = channel::to_string(network.network) + " at " + members_.front()->standing.name;
    if (!alone()) name_ += " and " + std::to_string(members_.size() - 1) + " more";
    const auto most = members_.size();
    enough_ = network.rpc_agreement == 0 ? most / 2 + 1 : std::min(network.rpc_agreement, most);
}

Nodes::~Nodes() = default;

void Nodes::close() {
    for (auto& member : members_) member->node->close();
}

std::vector<NodeStanding> Nodes::standing() const {
    std::vector<NodeStanding> all;
    for (const auto& member : members_) all.push_back(member->standing);
    return all;
}

/// Those in service, if they are enough to agree; else whoever has not too much to do already.
std::vector<std::size_t> Nodes::to_ask() const {
    std::vector<std::size_t> in_service;
    std::vector<std::size_t> reachable;
    for (std::size_t at = 0; at < members_.size(); ++at) {
        if (members_[at]->standing.in_service) in_service.push_back(at);
        if (members_[at]->outstanding < kOutstandingMax) reachable.push_back(at);
    }
    return in_service.size() >= enough_ ? in_service : reachable;
}

template <class T, class Ask>
Task<void> Nodes::ask_one(std::shared_ptr<Poll<T>> poll, std::size_t at, Ask ask, Wanted wanted) {
    auto& member = *members_[at];
    ++member.outstanding;
    auto answer = co_await ask(*member.node);
    --member.outstanding;
    poll->answers[at] = std::move(answer);
    ++poll->answered;
    if (wanted == Wanted::agreement) note_agreement(*poll, at);
    if (wanted == Wanted::first && !poll->decided && poll->answers[at]->has_value())
        poll->decided = at;
    poll->changed.cancel();
}

/// Answers that come after the others have agreed are still compared with theirs.
template <class T>
void Nodes::note_agreement(Poll<T>& poll, std::size_t at) {
    const auto same_as = [&](const Answer<T>& one) {
        return std::count_if(poll.answers.begin(), poll.answers.end(), [&](const auto& other) {
            return other && is_a_vote(*other) && agree(one, *other);
        });
    };
    if (!poll.decided && is_a_vote(*poll.answers[at]) &&
        static_cast<std::size_t>(same_as(*poll.answers[at])) >= enough_)
        poll.decided = at;
    if (!poll.decided || enough_ == 1) return;
    for (std::size_t n = 0; n < members_.size(); ++n) {
        const auto& answer = poll.answers[n];
        if (!answer || !is_a_vote(*answer) || agree(*answer, *poll.answers[*poll.decided]))
            continue;
        if (answer->has_value() && is_missing(**answer)) continue;
        set_aside(*members_[n], "contradicts what the others agree on", kRoundsAside);
    }
}

template <class T, class Ask>
Task<std::shared_ptr<Nodes::Poll<T>>> Nodes::ask(Ask ask, Wanted wanted) {
    auto poll = std::make_shared<Poll<T>>(
        Poll<T>{asio::steady_timer(executor_, asio::steady_timer::time_point::max()),
                std::vector<std::optional<Answer<T>>>(members_.size()), 0, 0, std::nullopt});
    auto places = to_ask();
    if (wanted == Wanted::first) {
        places.clear();
        for (std::size_t at = 0; at < members_.size(); ++at)
            if (members_[at]->outstanding < kOutstandingMax) places.push_back(at);
    }
    poll->asked = places.size();
    const auto ended = [](const std::exception_ptr& failure) {
        if (failure) std::rethrow_exception(failure);
    };
    for (const auto at : places)
        asio::co_spawn(executor_, ask_one<T, Ask>(poll, at, ask, wanted), ended);
    while (poll->answered < poll->asked && !poll->decided) {
        const bool only_stragglers = wanted == Wanted::all && poll->answered >= enough_;
        if (only_stragglers) poll->changed.expires_after(kGrace);
        const auto [cancelled] =
            co_await poll->changed.async_wait(asio::as_tuple(asio::use_awaitable));
        if (only_stragglers && !cancelled) break;
    }
    co_return poll;
}

template <class T, class Ask>
Task<Nodes::Answer<T>> Nodes::agreed(Ask question) {
    if (alone()) co_return co_await question(*members_.front()->node);
    const auto poll = co_await ask<T>(question, Wanted::agreement);
    if (poll->decided) co_return *poll->answers[*poll->decided];
    co_return failure_of(poll->answers);
}

/// The highest number that enough of them have reached; one liar alone cannot raise it.
std::optional<std::uint64_t> Nodes::reached_by_enough(std::vector<std::uint64_t> numbers) const {
    if (numbers.size() < enough_) return std::nullopt;
    std::sort(numbers.begin(), numbers.end(), std::greater<>());
    return numbers[enough_ - 1];
}

Task<Nodes::Answer<std::uint64_t>> Nodes::chain_id() {
    const auto question = [](Node& node) { return node.chain_id(); };
    if (alone()) co_return co_await question(*members_.front()->node);
    const auto poll = co_await ask<std::uint64_t>(question, Wanted::all);
    const auto values = values_of(poll->answers);
    const auto wrong =
        std::find_if(values.begin(), values.end(), [&](auto id) { return id != chain_id_; });
    if (wrong != values.end()) co_return *wrong;
    if (values.size() < enough_) co_return failure_of(poll->answers);
    co_return chain_id_;
}

Task<Nodes::Answer<channel::Bytes>> Nodes::code(channel::Address address) {
    const auto question = [address](Node& node) { return node.code(address); };
    return agreed<channel::Bytes>(question);
}

Task<Nodes::Answer<std::optional<chain::Block>>> Nodes::block(BlockTag tag) {
    if (tag.text() == BlockTag::latest().text() && !alone()) return newest_block();
    const auto question = [tag](Node& node) { return node.block(tag); };
    return agreed<std::optional<chain::Block>>(question);
}

Task<Nodes::Answer<std::optional<chain::Block>>> Nodes::newest_block() {
    const auto question = [](Node& node) { return node.block(BlockTag::latest()); };
    const auto poll = co_await ask<std::optional<chain::Block>>(question, Wanted::all);
    std::vector<std::uint64_t> numbers;
    for (const auto& found : values_of(poll->answers))
        if (found) numbers.push_back(found->number);
    const auto head = reached_by_enough(numbers);
    if (!head) {
        look_after(*poll, 0);
        co_return failure_of(poll->answers);
    }
    head_ = *head;
    // Of two nodes nobody can say which one errs, save that one is behind.
    look_after(*poll,
               members_.size() == 2 ? *std::max_element(numbers.begin(), numbers.end()) : *head);
    const auto tag = BlockTag::number(*head);
    const auto at_head = [tag](Node& node) { return node.block(tag); };
    co_return co_await agreed<std::optional<chain::Block>>(at_head);
}

/// Nodes that were not asked are asked now, and noted when they answer.
void Nodes::look_after(const Poll<std::optional<chain::Block>>& heads, std::uint64_t head) {
    for (std::size_t at = 0; at < members_.size(); ++at) {
        auto& member = *members_[at];
        const auto judge = [this, head, &member](const Answer<std::optional<chain::Block>>& found) {
            const bool has_block = found.has_value() && found->has_value();
            if (!has_block)
                set_aside(member, "does not answer", 1);
            else if ((*found)->number + kBlocksBehindMax < head)
                set_aside(member, "is behind the others", 1);
            else if (member.rounds_aside > 0)
                --member.rounds_aside;
            else if (!std::exchange(member.standing.in_service, true)) {
                member.standing.trouble.clear();
                spdlog::info("{}: node {} is in service again", name_, member.standing.name);
            }
        };
        if (heads.answers[at]) {
            judge(*heads.answers[at]);
        } else if (member.standing.in_service) {
            set_aside(member, "does not answer", 1);
        } else if (member.outstanding == 0) {
            const auto probed = [judge, &member](const std::exception_ptr& failure,
                                                 const Answer<std::optional<chain::Block>>& found) {
                --member.outstanding;
                if (failure) std::rethrow_exception(failure);
                judge(found);
            };
            ++member.outstanding;
            asio::co_spawn(executor_, member.node->block(BlockTag::latest()), probed);
        }
    }
}

void Nodes::set_aside(Member& member, const std::string& trouble, unsigned rounds) {
    member.rounds_aside = std::max(member.rounds_aside, rounds);
    if (!std::exchange(member.standing.in_service, false)) return;
    member.standing.trouble = trouble;
    ++member.standing.times_set_aside;
    spdlog::warn("{}: node {} {}: it is set aside", name_, member.standing.name, trouble);
}

Task<Nodes::Answer<std::vector<chain::Log>>> Nodes::logs(std::uint64_t from, std::uint64_t to,
                                                         std::vector<channel::Word> topics) {
    const auto question = [from, to, topics = std::move(topics)](Node& node) {
        return node.logs(from, to, topics);
    };
    return agreed<std::vector<chain::Log>>(question);
}

/// Nodes are not equally far, so that they can only agree about a block that has a number.
Task<BlockTag> Nodes::pinned(BlockTag tag) {
    if (alone() || tag.text() != BlockTag::latest().text()) co_return tag;
    const auto head = co_await newest_block();
    if (!head || !*head) co_return tag;
    co_return BlockTag::number((*head)->number);
}

Task<Nodes::Answer<channel::Bytes>> Nodes::call(channel::Address to, channel::Bytes data,
                                                BlockTag tag) {
    const auto at = co_await pinned(std::move(tag));
    const auto question = [to, data, at](Node& node) { return node.call(to, data, at); };
    co_return co_await agreed<channel::Bytes>(question);
}

Task<Nodes::Answer<channel::Bytes>> Nodes::call(channel::Address to, channel::Bytes data,
                                                BlockTag tag, std::uint64_t gas) {
    const auto at = co_await pinned(std::move(tag));
    const auto question = [to, data, at, gas](Node& node) { return node.call(to, data, at, gas); };
    co_return co_await agreed<channel::Bytes>(question);
}

Task<Nodes::Answer<bool>> Nodes::says_valid(channel::Address wallet, channel::Digest digest,
                                            channel::VoucherSignature signature) {
    auto at = BlockTag::number(head_);
    if (head_ == 0) at = co_await pinned(BlockTag::latest());
    const auto question = [wallet, digest, signature, at](Node& node) {
        return node.says_valid(wallet, digest, signature, at);
    };
    co_return co_await agreed<bool>(question);
}

Task<Nodes::Answer<std::uint64_t>> Nodes::estimate_gas(channel::Bytes data) {
    const auto question = [data](Node& node) { return node.estimate_gas(data); };
    if (alone()) co_return co_await question(*members_.front()->node);
    const auto poll = co_await ask<std::uint64_t>(question, Wanted::all);
    auto values = values_of(poll->answers);
    std::vector<RpcFailure> reverts;
    for (const auto& answer : poll->answers)
        if (answer && !answer->has_value() && answer->error().reverted())
            reverts.push_back(answer->error());
    if (reverts.size() >= enough_) co_return reverts.front();
    if (values.size() < enough_) co_return failure_of(poll->answers);
    std::sort(values.begin(), values.end());
    co_return values[enough_ - 1];
}

Task<Nodes::Answer<std::uint64_t>> Nodes::transaction_count(BlockTag tag) {
    const bool is_numbered =
        tag.text() != BlockTag::latest().text() && tag.text() != BlockTag::pending().text();
    const auto question = [tag](Node& node) { return node.transaction_count(tag); };
    if (alone() || is_numbered) co_return co_await agreed<std::uint64_t>(question);
    const auto poll = co_await ask<std::uint64_t>(question, Wanted::all);
    const auto reached = reached_by_enough(values_of(poll->answers));
    if (!reached) co_return failure_of(poll->answers);
    co_return *reached;
}

Task<Nodes::Answer<channel::Word>> Nodes::coin_balance(channel::Address holder) {
    const auto question = [holder](Node& node) { return node.coin_balance(holder); };
    return agreed<channel::Word>(question);
}

Task<Nodes::Answer<channel::TransactionHash>> Nodes::send(channel::Bytes raw) {
    const auto question = [raw](Node& node) { return node.send(raw); };
    if (alone()) co_return co_await question(*members_.front()->node);
    const auto poll = co_await ask<channel::TransactionHash>(question, Wanted::first);
    if (poll->decided) co_return *poll->answers[*poll->decided];
    co_return failure_of(poll->answers);
}

Task<Nodes::Answer<std::optional<chain::Receipt>>> Nodes::receipt(channel::TransactionHash hash) {
    const auto question = [hash](Node& node) { return node.receipt(hash); };
    return agreed<std::optional<chain::Receipt>>(question);
}

template <class T>
Task<Result<T>> Nodes::view(channel::Address to, channel::Bytes data, BlockTag tag,
                            Result<T> (*decode)(channel::BytesView)) {
    const auto answer = co_await call(to, std::move(data), std::move(tag));
    if (!answer) {
        spdlog::warn("{}: a view of a contract failed: {}", name_, answer.error().message);
        co_return channel::Error::rpc_read_failed;
    }
    co_return decode(*answer);
}

Task<Result<chain::ChannelTotals>> Nodes::channel_totals(channel::ChannelId id, BlockTag tag) {
    return view(contract_, chain::channels_call(id), std::move(tag), chain::decode_channels);
}

Task<Result<std::vector<chain::ChannelTotals>>> Nodes::many_channel_totals(
    std::vector<channel::ChannelId> ids, BlockTag tag) {
    const auto answer = co_await call(contract_, chain::many_channels_call(ids), std::move(tag));
    if (!answer) {
        spdlog::warn("{}: a view of a contract failed: {}", name_, answer.error().message);
        co_return channel::Error::rpc_read_failed;
    }
    co_return chain::decode_many_channels(*answer, ids.size());
}

Task<Result<chain::PendingWithdrawal>> Nodes::pending_withdrawal(channel::ChannelId id,
                                                                 BlockTag tag) {
    return view(contract_, chain::pending_withdrawals_call(id), std::move(tag),
                chain::decode_pending_withdrawals);
}

Task<Result<std::uint64_t>> Nodes::refund_nonce(channel::ChannelId id, BlockTag tag) {
    return view(contract_, chain::refund_nonce_call(id), std::move(tag),
                chain::decode_refund_nonce);
}

Task<Result<chain::ReceiverTotals>> Nodes::receiver_totals(channel::Address receiver,
                                                           channel::Address token) {
    return view(contract_, chain::receivers_call(receiver, token), BlockTag::latest(),
                chain::decode_receivers);
}

Task<Result<channel::Word>> Nodes::token_balance(channel::Address token, channel::Address holder) {
    return view(token, chain::balance_of_call(holder), BlockTag::latest(), chain::decode_word);
}

Task<Result<channel::Word>> Nodes::token_allowance(channel::Address token, channel::Address holder,
                                                   channel::Address spender) {
    return view(token, chain::allowance_call(holder, spender), BlockTag::latest(),
                chain::decode_word);
}

}  // namespace millrace::api
