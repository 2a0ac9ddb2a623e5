#include "api/chain/outbox_sender.hpp"

#include "channel/hex.hpp"
#include "ledger/chain/revert.hpp"
#include "ledger/settlement/due.hpp"
#include "ledger/settlement/push.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <set>
#include <stdexcept>

namespace millrace::api {

namespace chain = ledger::chain;
using chain::BlockTag;
using ledger::OutboxEntry;
using ledger::Purpose;
using namespace std::chrono_literals;

namespace {

/// Looks happen once per poll interval. What the nodes say of a nonce has to hold for so many in a
/// row before a transaction is given up or a gap filled: they may lag behind each other.
constexpr unsigned kLooksToBelieve = 20;
constexpr int kWriteAttempts = 5;
constexpr std::size_t kFilledAtOnce = 16;
constexpr auto kRetryPause = 200ms;

constexpr const char* kSuperseded = "another transaction took its nonce";

/// The place of a transaction's fee among the logs of its transaction: no real log has it.
constexpr std::uint32_t kFeeLogIndex = std::numeric_limits<std::int32_t>::max();

/// The node has it, or has mined it already: the receipt will tell.
bool is_known_already(const chain::RpcFailure& failure) {
    if (failure.kind != chain::RpcFailure::Kind::node) return false;
    for (const auto* text : {"already known", "already imported", "nonce too low",
                             "known transaction", "ALREADY_EXISTS"})
        if (failure.message.find(text) != std::string::npos) return true;
    return false;
}

channel::Amount swept_by(const chain::Receipt& receipt, const channel::Address& contract) {
    channel::Amount swept;
    for (const auto& log : receipt.logs) {
        if (log.address != contract) continue;
        const auto event = chain::decode(log);
        if (!event || !*event) continue;
        if (const auto* settled = std::get_if<chain::SettledOnChain>(&**event))
            swept = settled->amount;
    }
    return swept;
}

}  // namespace

OutboxSender::OutboxSender(ChainContext& context, ChainNetwork& network)
    : context_(context), network_(network) {}

Task<void> OutboxSender::start() {
    const auto count = co_await network_.node.transaction_count(BlockTag::pending());
    if (!count)
        throw std::runtime_error(network_.node.name() +
                                 ": cannot read the relayer's nonce: " + count.error().message);
    network_.nonce_min = *count;
    const auto balance = co_await network_.node.coin_balance(context_.signer.relayer());
    if (balance && balance->is_zero())
        spdlog::warn("{}: the relayer {} holds no {}: deposits and claims cannot be sent",
                     network_.node.name(), channel::to_hex(context_.signer.relayer()),
                     network_.config.coin);
}

chain::Fees OutboxSender::fees() const {
    return chain::fees_for(network_.head.base_fee, network_.config.priority_fee_per_gas,
                           network_.config.max_fee_per_gas);
}

Task<std::vector<OutboxEntry>> OutboxSender::write_down(Write write) {
    const auto turn = co_await network_.nonces.take();
    for (int attempt = 1;; ++attempt) {
        const ledger::Sender sender{network_.config.network, context_.signer, network_.nonce_min};
        try {
            const auto work = [write, sender](pqxx::connection& connection) {
                return write(connection, sender);
            };
            co_return co_await context_.database.run_at_once(work);
        } catch (const pqxx::unique_violation&) {
            if (attempt == kWriteAttempts) throw;
        }
    }
}

void OutboxSender::count(Purpose purpose, std::string_view step) {
    ++network_.counts.transactions[std::string(ledger::to_string(purpose))][std::string(step)];
}

/// Whatever the nodes answer, it may have reached them: the receipt tells.
Task<void> OutboxSender::broadcast(OutboxEntry entry) {
    auto& watch = watched_[entry.id];
    if (watch.attempt != entry.hash) {
        watch.attempt = entry.hash;
        watch.attempt_at_block = network_.head.number;
        watch.looks = 0;
    }
    const auto sent = co_await network_.node.send(entry.raw);
    if (!sent && !is_known_already(sent.error())) {
        count(entry.purpose, "refused");
        spdlog::warn("{}: transaction {} (nonce {}) was not taken: {}", network_.node.name(),
                     channel::to_hex(entry.hash), entry.nonce, sent.error().message);
        co_return;
    }
    count(entry.purpose, "broadcast");
    if (entry.status != ledger::OutboxStatus::queued) co_return;
    const auto& assets = context_.assets;
    const ChainContext::Work work = [entry, &assets](pqxx::transaction_base& transaction) {
        std::vector<ledger::SettlementEvent> events;
        ledger::mark_sent(transaction, entry.id, now());
        if (entry.purpose != Purpose::claim) return events;
        auto event = ledger::claim_sent(transaction, entry.reference, assets, now());
        if (event) events.push_back(std::move(*event));
        return events;
    };
    co_await context_.commit_in_order(work);
    spdlog::info("{}: sent {} transaction {} with nonce {}", network_.node.name(),
                 ledger::to_string(entry.purpose), channel::to_hex(entry.hash), entry.nonce);
}

/// A signer's transactions are mined in the order of their nonces, so behind the first that is not
/// mined nothing can be, and only that one can be stuck by its own fees.
Task<void> OutboxSender::look_after(bool follows) {
    const auto network = network_.config.network;
    const auto work = [network](pqxx::transaction_base& transaction) {
        return ledger::unfinished_outbox(transaction, network);
    };
    const auto entries = co_await context_.read(work);
    std::set<channel::Address> waiting;
    for (const auto& entry : entries) {
        if (context_.stopping) co_return;
        auto& watch = watched_[entry.id];
        auto found = Found::unknown;
        if (!waiting.contains(entry.signer)) found = co_await look_at(entry, watch, follows);
        if (found == Found::mined) continue;
        waiting.insert(entry.signer);
        std::string unsigned_because;
        try {
            co_await push(entry, watch, found, follows);
        } catch (const chain::SignerUnavailable& error) {
            unsigned_because = error.what();
        } catch (const chain::SignerRefused& error) {
            unsigned_because = error.what();
        }
        // Without the signer it stays as it is; nothing else waits for that.
        if (!unsigned_because.empty())
            spdlog::warn("{}: transaction {} is stuck: {}", network_.node.name(),
                         channel::to_hex(entry.hash), unsigned_because);
    }
}

Task<OutboxSender::Found> OutboxSender::look_at(const OutboxEntry& entry, Watch& watch,
                                                bool follows) {
    const auto confirmed = network_.cursor->block_number;
    if (follows && watch.mined_at_block && *watch.mined_at_block > confirmed)
        co_return Found::mined;
    const auto receipt = co_await receipt_of(entry);
    if (!receipt) co_return Found::unknown;
    if (!*receipt) {
        watch.mined_at_block.reset();
        co_return Found::missing;
    }
    watch.mined_at_block = (*receipt)->block_number;
    // Ended only with the cursor behind it: what it did is in the books by then.
    if ((*receipt)->block_number > confirmed || !follows) co_return Found::mined;
    const bool is_real = co_await is_on_the_chain(**receipt);
    if (!is_real) co_return Found::unknown;
    co_await finish(entry, **receipt);
    co_return Found::mined;
}

/// A receipt of a block that is not on the chain any more is none.
Task<bool> OutboxSender::is_on_the_chain(const chain::Receipt& receipt) {
    const auto block = co_await network_.node.block(BlockTag::number(receipt.block_number));
    if (block && *block && (*block)->hash == receipt.block_hash) co_return true;
    spdlog::warn("{}: the receipt of transaction {} is of a block that is not on the chain",
                 network_.node.name(), channel::to_hex(receipt.transaction));
    co_return false;
}

Task<chain::RpcResult<std::optional<chain::Receipt>>> OutboxSender::receipt_of(
    const OutboxEntry& entry) {
    const auto id = entry.id;
    const auto work = [id](pqxx::transaction_base& transaction) {
        return ledger::former_hashes(transaction, id);
    };
    auto hashes = co_await context_.read(work);
    hashes.insert(hashes.begin(), entry.hash);
    chain::RpcResult<std::optional<chain::Receipt>> receipt = std::optional<chain::Receipt>{};
    for (const auto& hash : hashes) {
        receipt = co_await network_.node.receipt(hash);
        if (receipt && *receipt && (*receipt)->transaction != hash)
            receipt = chain::RpcFailure{
                chain::RpcFailure::Kind::malformed, 0, "a receipt of another transaction", {}};
        if (!receipt || *receipt) break;
    }
    co_return receipt;
}

/// What another transaction took or left of the nonces is judged only of the chain that the books
/// follow.
Task<void> OutboxSender::push(const OutboxEntry& entry, Watch& watch, Found found, bool follows) {
    // What a former relayer key has signed can only be sent again as it is.
    const bool is_next = found == Found::missing && entry.signer == context_.signer.relayer();
    if (is_next && follows) {
        if (co_await is_superseded(entry, watch)) {
            co_await give_up(entry);
            co_return;
        }
        co_await fill_gap(entry, watch);
    }
    const bool is_new = watch.attempt != entry.hash;
    std::optional<std::int64_t> left;
    if (is_next) left = co_await seconds_left(entry);
    const ledger::PushState state{
        .fees = entry.fees,
        .market = fees(),
        .cap = network_.config.max_fee_per_gas,
        .is_next = is_next,
        .looks = is_new ? 0 : ++watch.looks,
        .blocks = network_.head.number - std::min(watch.attempt_at_block, network_.head.number),
        .seconds_left = left,
    };
    const auto decision = ledger::decide_push(state);
    switch (decision.push) {
        case ledger::Push::wait:
            co_return;
        case ledger::Push::raise:
            co_return co_await raise_fees(entry, decision.fees);
        case ledger::Push::at_cap:
            count(entry.purpose, "at_cap");
            spdlog::error("{}: transaction {} is stuck and its fees are at their cap",
                          network_.node.name(), channel::to_hex(entry.hash));
            [[fallthrough]];
        case ledger::Push::rebroadcast:
            co_await broadcast(entry);
    }
}

/// How long what waits for it can still be lost. Looked up each time, because a payer may begin to
/// withdraw while a claim is on its way.
Task<std::optional<std::int64_t>> OutboxSender::seconds_left(const OutboxEntry& entry) {
    const auto work = [entry](pqxx::transaction_base& transaction) {
        return ledger::deadline_behind(transaction, entry);
    };
    const auto deadline = co_await context_.read(work);
    if (!deadline) co_return std::nullopt;
    const auto time = std::chrono::floor<std::chrono::seconds>(now()).time_since_epoch().count();
    co_return static_cast<std::int64_t>(*deadline) - time;
}

/// Its nonce was used, at its confirmations, by a transaction that is not in this outbox, while the
/// nodes agree that none of its own attempts was mined.
Task<bool> OutboxSender::is_superseded(const OutboxEntry& entry, Watch& watch) {
    const auto count =
        co_await network_.node.transaction_count(BlockTag::number(network_.cursor->block_number));
    if (!count || *count <= entry.nonce) {
        watch.looks_with_nonce_used = 0;
        co_return false;
    }
    network_.nonce_min = std::max(network_.nonce_min, *count);
    co_return ++watch.looks_with_nonce_used >= kLooksToBelieve;
}

/// A nonce below that no transaction of ours has, and that the chain still waits for: whoever had
/// it has gone, and everything behind it would wait for ever. It is used up by a transfer of
/// nothing, rather than by signing the next one again, which could then be mined twice.
Task<void> OutboxSender::fill_gap(const OutboxEntry& entry, Watch& watch) {
    const auto unused =
        co_await network_.node.transaction_count(BlockTag::number(network_.head.number));
    if (!unused || *unused >= entry.nonce) {
        watch.looks_behind_gap = 0;
        co_return;
    }
    if (++watch.looks_behind_gap < kLooksToBelieve) co_return;
    watch.looks_behind_gap = 0;
    const auto from = *unused;
    const auto before = entry.nonce;
    const auto wanted = fees();
    const Write work = [from, before, wanted](pqxx::connection& connection,
                                              const ledger::Sender& sender) {
        pqxx::work transaction(connection);
        std::vector<OutboxEntry> made;
        for (auto next = from; made.size() < kFilledAtOnce;) {
            const auto missing = ledger::missing_nonce(transaction, sender.network,
                                                       sender.signer.relayer(), next, before);
            if (!missing) break;
            made.push_back(ledger::fill_nonce(transaction, sender, *missing, wanted, now()));
            next = *missing + 1;
        }
        transaction.commit();
        return made;
    };
    const auto made = co_await write_down(work);
    for (const auto& filler : made) {
        count(Purpose::filler, "filled");
        spdlog::warn(
            "{}: nobody uses nonce {} of the relayer: it is filled, so that those behind "
            "it can be mined",
            network_.node.name(), filler.nonce);
        co_await broadcast(filler);
    }
}

Task<void> OutboxSender::raise_fees(const OutboxEntry& entry, chain::Fees wanted) {
    auto* const signer = &context_.signer;
    const auto work = [entry, signer, wanted](pqxx::connection& connection) {
        pqxx::work transaction(connection);
        auto made = ledger::raise_fees(transaction, entry, *signer, wanted, now());
        transaction.commit();
        return made;
    };
    const auto replacement = co_await context_.database.run_at_once(work);
    count(entry.purpose, "raised");
    spdlog::info("{}: transaction {} is stuck; {} replaces it with a fee of {} wei per gas",
                 network_.node.name(), channel::to_hex(entry.hash),
                 channel::to_hex(replacement.hash), channel::to_string(wanted.max_fee));
    co_await broadcast(replacement);
}

Task<void> OutboxSender::finish(const OutboxEntry& entry, const chain::Receipt& receipt) {
    const auto fee = chain::cost(receipt.gas_used, receipt.gas_price);
    const bool posted = co_await post_fee(receipt, fee ? *fee : channel::Amount{});
    if (!posted) co_return;
    ledger::OutboxResult result{receipt.transaction,
                                receipt.succeeded,
                                receipt.block_number,
                                receipt.gas_used,
                                fee ? *fee : channel::Amount{},
                                {}};
    if (!receipt.succeeded) result.error = co_await why_reverted(entry, receipt.block_number);
    // What took its place leaves no log.
    if (entry.is_filled() && receipt.logs.empty()) {
        result.succeeded = false;
        result.block_number = 0;
        result.error = kSuperseded;
    }
    co_await record_end(entry, std::move(result), swept_by(receipt, network_.config.contract));
}

Task<bool> OutboxSender::post_fee(const chain::Receipt& receipt, channel::Amount fee) {
    const ledger::Request request = ledger::PostAssetEvent{
        {},
        network_.coin->id,
        {receipt.transaction, kFeeLogIndex, receipt.block_number, receipt.block_hash},
        ledger::FeePaid{fee}};
    const auto answer = co_await context_.shards.call_one(request);
    const auto* refusal = std::get_if<channel::Refusal>(&answer.outcome);
    if (refusal && !context_.stopping)
        spdlog::warn("{}: the fee of transaction {} is not posted yet: {}", network_.node.name(),
                     channel::to_hex(receipt.transaction), channel::sentence(refusal->error));
    co_return !refusal;
}

Task<std::string> OutboxSender::why_reverted(const OutboxEntry& entry, std::uint64_t block) {
    const auto again = co_await network_.node.call(entry.to, entry.data, BlockTag::number(block));
    const auto reason = again ? std::string() : chain::revert_reason(again.error().data);
    co_return reason.empty() ? "the transaction was reverted"
                             : "the transaction was reverted: " + reason;
}

Task<void> OutboxSender::give_up(const OutboxEntry& entry) {
    count(entry.purpose, "superseded");
    spdlog::error("{}: nonce {} of the relayer was used by another transaction than {}",
                  network_.node.name(), entry.nonce, channel::to_hex(entry.hash));
    const ledger::OutboxResult result{entry.hash, false, 0, 0, {}, kSuperseded};
    co_await record_end(entry, result, {});
}

Task<void> OutboxSender::record_end(const OutboxEntry& entry, ledger::OutboxResult result,
                                    channel::Amount swept) {
    const auto& assets = context_.assets;
    const ChainContext::Work work = [entry, result, swept,
                                     &assets](pqxx::transaction_base& transaction) {
        std::vector<ledger::SettlementEvent> events;
        ledger::finish_outbox(transaction, entry.id, result, now());
        if (entry.purpose != Purpose::claim) return events;
        auto event = ledger::claim_finished(transaction, entry.reference, swept, assets, now());
        if (event) events.push_back(std::move(*event));
        return events;
    };
    co_await context_.commit_in_order(work);
    watched_.erase(entry.id);
    count(entry.purpose, result.succeeded ? "confirmed" : "failed");
    if (result.succeeded)
        spdlog::info("{}: {} transaction {} is confirmed in block {}", network_.node.name(),
                     ledger::to_string(entry.purpose), channel::to_hex(result.hash),
                     result.block_number);
    else
        spdlog::error("{}: {} transaction {} failed: {}", network_.node.name(),
                      ledger::to_string(entry.purpose), channel::to_hex(result.hash), result.error);
}

}  // namespace millrace::api
