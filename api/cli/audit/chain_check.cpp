#include "api/cli/audit/chain_check.hpp"

#include "api/cli/audit/network_books.hpp"
#include "api/cli/audit/node_batch.hpp"
#include "api/cli/audit/receiver_check.hpp"
#include "api/cli/commands.hpp"
#include "channel/network.hpp"
#include "ledger/audit/reconciliation.hpp"
#include "ledger/chain/anchor.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/fees.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace millrace::api {
namespace {

namespace chain = ledger::chain;
namespace json = boost::json;
using ledger::broken;

std::string member(const json::value& object, std::string_view name) {
    const auto* found = object.is_object() ? object.get_object().if_contains(name) : nullptr;
    return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

chain::RpcCall by_hash(const char* method, const std::string& hash) {
    return {method, fmt::format(R"(["{}"])", hash)};
}

std::optional<chain::Receipt> receipt_in(const NodeBatch& node, const json::object& answer) {
    const auto id = answer.at("id").to_number<std::uint64_t>();
    const auto receipt = chain::read_receipt(json::serialize(answer), id);
    if (!receipt)
        throw CommandError(
            fmt::format("the node at {} refuses: {}", node.url(), receipt.error().message));
    return *receipt;
}

/// Whether a log is what was posted. A claim of what was claimed before moves nothing.
bool says(const chain::Log& log, const std::optional<chain::EscrowEvent>& decoded,
          const ledger::AuditedChainEvent& event) {
    const auto told = decoded ? ledger::contract_log(log, *decoded) : std::nullopt;
    return told && told->kind == event.kind && told->channel == event.channel &&
           (told->amount == event.amount || event.kind == "withdraw_initiated" ||
            event.kind == "claimed");
}

void check_fee(const StandingEvent& standing, const chain::Receipt& receipt) {
    const auto fee = chain::cost(receipt.gas_used, receipt.gas_price);
    if (!fee || *fee != standing.event->amount)
        broken("chain", "chain_event", standing.event->log,
               fmt::format("the transaction took {} gas at {}, and {} is booked as its fee",
                           receipt.gas_used, channel::to_string(receipt.gas_price),
                           channel::to_string(standing.event->amount)),
               standing.seq);
}

void check_event(const StandingEvent& standing, const std::optional<chain::Receipt>& receipt,
                 const ledger::AuditedChannels& channels, NetworkBooks& books) {
    const auto& event = *standing.event;
    const auto fail = [&](const std::string& what) {
        broken("chain", "chain_event", event.log, what, standing.seq);
    };
    if (!receipt) fail("no such transaction is on the chain");
    const auto block_hash = channel::to_hex(receipt->block_hash);
    if (block_hash != event.block_hash || receipt->block_number != event.block_number)
        fail("the transaction is in block " + block_hash + ", not in " + event.block_hash);
    // What a transaction cost has no log.
    if (event.kind == "fee_paid") return check_fee(standing, *receipt);
    const auto found =
        std::find_if(receipt->logs.begin(), receipt->logs.end(),
                     [&](const chain::Log& log) { return log.log_index == event.log_index; });
    if (found == receipt->logs.end()) fail("the transaction has no such log");
    if (found->address != books.contract) fail("the log is not the escrow contract's");
    const auto decoded = chain::decode(*found);
    if (!decoded || !says(*found, *decoded, event)) fail("the log says something else");
    note_receiver(event, **decoded, channels, books);
}

void check_events(const NodeBatch& node, NetworkBooks& books,
                  const ledger::AuditedChannels& channels) {
    in_batches(
        node, books.events,
        [](const StandingEvent& standing) {
            return by_hash("eth_getTransactionReceipt", standing.event->transaction);
        },
        [&](const StandingEvent& standing, const json::object& answer) {
            check_event(standing, receipt_in(node, answer), channels, books);
        });
}

/// Each transaction of the service that carried a claim or a sweep, once. Its fee tells it: anybody
/// can sweep, or claim with what was seen of others, and put what it likes behind the call.
std::size_t check_anchors(const NodeBatch& node, const NetworkBooks& books,
                          const ledger::Verification& verification) {
    const auto [from, to] = std::pair{verification.totals().from, verification.totals().to};
    std::vector<StandingEvent> carriers;
    std::set<std::string_view> own;
    for (const auto& standing : books.events)
        if (standing.event->kind == "fee_paid") own.insert(standing.event->transaction);
    std::set<std::string_view> seen;
    for (const auto& standing : books.events)
        if (own.contains(standing.event->transaction) &&
            (standing.event->kind == "claimed" || standing.event->kind == "settled") &&
            seen.insert(standing.event->transaction).second)
            carriers.push_back(standing);
    std::size_t anchors = 0;
    in_batches(
        node, carriers,
        [](const StandingEvent& standing) {
            return by_hash("eth_getTransactionByHash", standing.event->transaction);
        },
        [&](const StandingEvent& standing, const json::object& answer) {
            const auto data = channel::parse_hex(member(result_of(node, answer), "input"));
            const auto anchor = data ? chain::anchor_of(*data) : std::nullopt;
            if (!anchor || anchor->size < from || anchor->size > to) return;
            ++anchors;
            const auto root = verification.tree().root_at(anchor->size);
            if (root != anchor->root)
                broken(
                    "anchor", "log_checkpoint", std::to_string(anchor->size),
                    "transaction " + standing.event->transaction +
                        " carries another tree head of this size: " + channel::to_hex(anchor->root),
                    anchor->size);
        });
    return anchors;
}

std::uint64_t newest_block(const NodeBatch& node) {
    const auto answer = node.ask({chain::block_request(chain::BlockTag::latest())}).front();
    return std::strtoull(member(result_of(node, answer), "number").c_str(), nullptr, 16);
}

/// As of `block`; those that moved on since the export, as of the block that the books have
/// reached.
void check_channels(const NodeBatch& node, NetworkBooks& books,
                    const ledger::Verification& verification, std::uint64_t block) {
    std::vector<const ledger::AuditedChannel*> moved;
    const auto ask = [&](const ledger::AuditedChannel* audited, std::uint64_t at) {
        return chain::call_request({}, books.contract, chain::channels_call(audited->id),
                                   chain::BlockTag::number(at));
    };
    const auto holds = [](const ledger::AuditedChannel& audited,
                          const chain::ChannelTotals& totals) {
        return totals.balance == audited.balance && totals.total_claimed == audited.total_claimed;
    };
    in_batches(
        node, books.channels, [&](const auto* audited) { return ask(audited, block); },
        [&](const auto* audited, const json::object& answer) {
            const auto totals = view(node, answer, chain::decode_channels);
            const auto left = channel::subtract(totals.balance, totals.total_claimed);
            if (!left)
                broken("chain", "channel", channel::to_hex(audited->id),
                       "more of it is claimed on chain than was deposited", audited->seq);
            auto& owes = books.owes[audited->config.token];
            owes = sum(owes, *left);
            if (!holds(*audited, totals)) moved.push_back(audited);
        });
    in_batches(
        node, moved,
        [&](const auto* audited) { return ask(audited, verification.blocks().at(audited->id)); },
        [&](const auto* audited, const json::object& answer) {
            if (!holds(*audited, view(node, answer, chain::decode_channels)))
                broken("chain", "channel", channel::to_hex(audited->id),
                       "the contract holds something else than balance " +
                           channel::to_string(audited->balance) + " and claimed " +
                           channel::to_string(audited->total_claimed),
                       audited->seq);
        });
}

/// What an amount is worth hangs on it, and nothing in the journal says it. A token need not tell
/// (ERC-20): of one that does not, what the books say stands.
void check_assets(const NodeBatch& node, const NetworkBooks& books) {
    // decimals()
    const channel::Bytes ask{0x31, 0x3c, 0xe5, 0x67};
    in_batches(
        node, books.assets,
        [&](const auto* asset) {
            return chain::call_request({},
                                       channel::parse_fixed<channel::Address>(asset->token).value(),
                                       ask, chain::BlockTag::latest());
        },
        [&](const auto* asset, const json::object& answer) {
            const auto said = channel::parse_hex(member(json::value(answer), "result"));
            if (!said || said->size() != channel::Digest::size) return;
            const auto is_zero = [](std::uint8_t byte) { return byte == 0; };
            if (std::all_of(said->begin(), said->end() - 1, is_zero) &&
                said->back() == asset->decimals)
                return;
            broken("chain", "asset", asset->network + ' ' + asset->token,
                   fmt::format("the token has other decimals than {}: {}", asset->decimals,
                               member(json::value(answer), "result")));
        });
}

std::map<std::uint64_t, NetworkBooks> books_by_chain(const ledger::Verification& verification) {
    std::map<std::uint64_t, NetworkBooks> all;
    for (const auto& [name, contract] : verification.contracts())
        if (const auto network = channel::parse_network(name))
            all[network->chain_id] = {name, contract, {}, {}, {}, 0, {}, {}};
    for (auto& [chain_id, books] : all) {
        for (const auto& [seq, event] : verification.chain_events()) {
            if (event.network == books.network) books.events.push_back({seq, &event});
        }
        for (const auto& asset : verification.assets()) {
            const auto token = channel::parse_fixed<channel::Address>(asset.token);
            if (asset.network == books.network && token && !token->is_zero())
                books.assets.push_back(&asset);
        }
        // Figures are as of the newest number, and of channels that the chain has something of.
        if (verification.totals().to != verification.totals().seq) continue;
        for (const auto& [id, audited] : verification.channels())
            if (audited.network == books.network && verification.blocks().contains(id))
                books.channels.push_back(&audited);
        add_accounts(verification, books);
    }
    return all;
}

}  // namespace

ChainCheckTotals check_chain(const ledger::Verification& verification,
                             const std::vector<std::string>& rpc_urls) {
    auto books = books_by_chain(verification);
    ChainCheckTotals totals;
    for (const auto& url : rpc_urls) {
        const NodeBatch node(url);
        const auto answer = node.ask({chain::chain_id_request()}).front();
        const auto chain_id =
            std::strtoull(member(json::value(answer), "result").c_str(), nullptr, 16);
        const auto found = books.find(chain_id);
        if (found == books.end())
            throw CommandError(fmt::format(
                "the node at {} is of chain {}, which the books do not have", url, chain_id));
        check_assets(node, found->second);
        check_events(node, found->second, verification.channels());
        const auto block = newest_block(node);
        check_channels(node, found->second, verification, block);
        check_receivers(node, found->second, block);
        check_tokens(node, found->second, block);
        // Last: a row that was rewritten is named sooner than the log that was made to fit it.
        totals.anchors += check_anchors(node, found->second, verification);
        totals.events += found->second.events.size();
        totals.channels += found->second.channels.size();
        totals.receivers += found->second.receivers.size();
        books.erase(found);
    }
    for (const auto& [chain_id, left] : books)
        if (!left.events.empty()) totals.unchecked.push_back(left.network);
    return totals;
}

}  // namespace millrace::api
