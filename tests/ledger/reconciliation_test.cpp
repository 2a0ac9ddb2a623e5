// What a reconciliation finds: nothing in books that follow the chain, whatever happened on it, and
// each planted break by its kind and nothing else.
#include "ledger/audit/reconciliation.hpp"
#include "channel/error.hpp"
#include "channel/keccak.hpp"
#include "channel/uint256.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/abi.hpp"
#include "tests/simulation/random.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <set>

using namespace support;
using channel::Amount;
using ledger::BreakKind;
namespace chain = ledger::chain;

namespace {

constexpr std::uint64_t kBlock = 100;
constexpr std::uint64_t kNewestBlock = 110;
constexpr std::int32_t kToken = 1;

channel::Digest separator() {
    return channel::keccak256("escrow");
}
channel::BlockHash hash_of(std::uint64_t block) {
    return {channel::keccak256("block " + std::to_string(block)).bytes};
}
channel::Address receiver() {
    return key(900).address();
}

/// The contract's own arithmetic (x402-batch-settlement, Contract behaviour).
struct Contract {
    std::uint64_t balance = 0;
    std::uint64_t claimed = 0;
    std::uint64_t withdrawing = 0;
    std::uint64_t requested_at = 0;
    std::uint64_t refunds = 0;
};

chain::ChannelViews views(const Contract& contract) {
    return {{units(contract.balance), units(contract.claimed)},
            {units(contract.withdrawing), contract.requested_at},
            contract.refunds};
}

/// Books and chain of some channels, grown together event by event: up to the block that both are
/// compared at, and in the books beyond it, as while a service follows its chain.
class World {
public:
    explicit World(std::uint64_t seed, unsigned channels = 5) : random_(seed) {
        books.network = {31337};
        books.block = ledger::BlockId{kBlock, hash_of(kBlock)};
        for (unsigned n = 0; n < channels; ++n) open(n);
        for (std::uint64_t block = 11; block <= kNewestBlock; ++block) {
            if (block == kBlock + 1) keep_chain();
            for (auto& one : channels_) step(one, block);
            if (random_.one_in(20)) settle(block);
        }
        finish();
    }

    ledger::Reconciliation reconcile() const {
        ledger::Reconciliation report;
        ledger::NetworkComparison comparison(books, separator(), report.breaks);
        for (std::size_t n = 0; n < channel_books.size(); ++n)
            comparison.compare(channel_books[n], &contract[n]);
        for (const auto& one : books.receivers) comparison.compare(one, receiver_totals);
        for (const auto& asset : books.assets)
            comparison.compare(asset, channel::to_word(contract_balance));
        constexpr std::uint64_t kRange = 17;
        for (std::uint64_t from = 1; from <= kBlock; from += kRange)
            comparison.compare(range(from, std::min(from + kRange - 1, kBlock)));
        report.networks.push_back(comparison.finish());
        return report;
    }

    /// A channel with a standing event of that kind up to the block; -1: none.
    int with_event(const std::string& kind) const {
        for (const auto& event : posted) {
            if (event.kind != kind || event.log.block_number > kBlock) continue;
            return event.channel ? place_of(*event.channel) : 0;
        }
        return -1;
    }
    ledger::PostedLog& event(const std::string& kind) {
        return *std::find_if(posted.begin(), posted.end(), [&](const auto& one) {
            return one.kind == kind && one.log.block_number <= kBlock;
        });
    }
    int place_of(const channel::ChannelId& id) const {
        for (std::size_t n = 0; n < channel_books.size(); ++n)
            if (channel_books[n].terms.id == id) return static_cast<int>(n);
        return -1;
    }
    /// As the payer of the n-th channel signs.
    channel::Signature sign(unsigned n, Amount max) const {
        return key(n + 1).sign(
            channel::digest(separator(), channel::Voucher{channel_books[n].terms.id, max}));
    }

    ledger::NetworkBooks books;
    std::vector<ledger::ChannelBooks> channel_books;
    std::vector<chain::ChannelViews> contract;
    std::vector<ledger::PostedLog> posted;
    std::vector<ledger::ContractLog> logs;
    chain::ReceiverTotals receiver_totals;
    Amount contract_balance;

private:
    struct Live {
        ledger::ChannelBooks books;
        Contract contract;
        std::uint64_t opened_at = 0;
    };

    void open(unsigned n) {
        Live one;
        auto& config = one.books.terms.config;
        config = {.payer = key(n + 1).address(),
                  .payer_authorizer = {},
                  .receiver = receiver(),
                  .receiver_authorizer = receiver(),
                  .token = receiver(),
                  .withdraw_delay_seconds = 900,
                  .salt = {}};
        one.books.terms.id = channel::channel_id(separator(), config);
        one.books.terms.asset_id = kToken;
        one.books.seq = n + 1;
        one.opened_at = 1 + random_.below(10);
        one.contract.balance = random_.one_in(3) ? 0 : random_.below(1000);
        if (random_.one_in(2)) one.contract.claimed = random_.below(one.contract.balance + 1);
        one.contract.refunds = random_.below(3);
        auto& state = one.books.state;
        state.balance = units(one.contract.balance);
        state.charged = state.total_claimed = units(one.contract.claimed);
        state.refund_nonce = one.contract.refunds;
        one.books.opening = {one.opened_at, units(one.contract.claimed)};
        one.books.openings = 1;
        others_claimed_ += one.contract.claimed;
        channels_.push_back(one);
    }

    void pay(Live& one) {
        auto& state = one.books.state;
        if (state.charged >= state.balance || state.owed > state.charged) return;
        const auto left = state.balance.units() - state.charged.units();
        const auto more = 1 + random_.below(static_cast<std::uint64_t>(left));
        state.charged = state.owed =
            units(static_cast<std::uint64_t>(state.charged.units()) + more);
        state.signed_max = std::max(state.signed_max, state.owed);
        one.books.paid = one.books.transferred =
            units(static_cast<std::uint64_t>(one.books.paid.units()) + more);
    }

    void step(Live& one, std::uint64_t block) {
        if (random_.one_in(3)) pay(one);
        if (!random_.one_in(4)) return;
        auto& contract_now = one.contract;
        const auto free = contract_now.balance - contract_now.claimed;
        const auto owed = static_cast<std::uint64_t>(one.books.state.charged.units());
        switch (random_.below(5)) {
            case 0: {
                const auto amount = 1 + random_.below(500);
                contract_now.balance += amount;
                return post(one, block, "deposited", amount,
                            channel::DepositConfirmed{units(amount)});
            }
            case 1: {
                if (owed <= contract_now.claimed) return;
                const auto amount = 1 + random_.below(owed - contract_now.claimed);
                contract_now.claimed += amount;
                claimed_ += amount;
                return post(one, block, "claimed", amount,
                            channel::ClaimConfirmed{units(contract_now.claimed)});
            }
            case 2: {
                if (free == 0) return;
                const auto amount = 1 + random_.below(free);
                contract_now.balance -= amount;
                ++contract_now.refunds;
                const auto covered = std::min(contract_now.withdrawing, amount);
                contract_now.withdrawing -= covered;
                if (contract_now.withdrawing == 0) contract_now.requested_at = 0;
                return post(one, block, "refunded", amount,
                            channel::RefundConfirmed{units(amount)});
            }
            case 3: {
                if (free == 0 || contract_now.requested_at != 0) return;
                contract_now.withdrawing = 1 + random_.below(free);
                contract_now.requested_at = 1000 + block;
                return post(one, block, "withdraw_initiated", contract_now.withdrawing,
                            channel::WithdrawalRequested{contract_now.requested_at,
                                                         units(contract_now.withdrawing)});
            }
            default: {
                if (contract_now.requested_at == 0) return;
                const auto amount = std::min(contract_now.withdrawing, free);
                contract_now.balance -= amount;
                contract_now.withdrawing = contract_now.requested_at = 0;
                return post(one, block, "withdraw_finalized", amount,
                            channel::WithdrawalFinalized{units(amount)});
            }
        }
    }

    template <class Event>
    void post(Live& one, std::uint64_t block, std::string_view kind, std::uint64_t amount,
              const Event& event) {
        auto& state = one.books.state;
        ledger::PostedLog entry;
        entry.seq = ++seq_;
        entry.kind = kind;
        entry.channel = one.books.terms.id;
        entry.requested_at = state.withdraw_requested_at;
        entry.withdraw_amount = state.withdraw_amount;
        const auto effect = channel::apply(state, event);
        REQUIRE(effect.has_value());
        const bool moves = kind != "withdraw_initiated";
        entry.amount = entry.moved = moves ? units(amount) : Amount{};
        tell(entry, block, kind, amount);
    }

    void tell(ledger::PostedLog entry, std::uint64_t block, std::string_view kind,
              std::uint64_t amount) {
        entry.log = {{channel::keccak256("transaction " + std::to_string(seq_)).bytes},
                     static_cast<std::uint32_t>(seq_ % 7),
                     block,
                     hash_of(block)};
        logs.push_back({kind, entry.channel, units(amount), entry.log});
        posted.push_back(std::move(entry));
    }

    /// Of everything that the receiver ever claimed; what is not ours has left at some time too.
    void settle(std::uint64_t block) {
        if (claimed_ == settled_) return;
        ledger::PostedLog entry;
        entry.seq = ++seq_;
        entry.kind = "settled";
        entry.moved = units(claimed_ - settled_);
        const auto all = claimed_ - settled_ + others_claimed_ - others_settled_;
        entry.amount = units(all);
        settled_ = claimed_;
        others_settled_ = others_claimed_;
        tell(entry, block, "settled", all);
    }

    void keep_chain() {
        std::uint64_t escrow = claimed_ - settled_;
        for (const auto& one : channels_) {
            contract.push_back(views(one.contract));
            escrow += one.contract.balance - one.contract.claimed;
        }
        receiver_totals = {units(claimed_ + others_claimed_), units(settled_ + others_settled_)};
        books.receivers.push_back({kToken, receiver(), units(claimed_ - settled_)});
        books.assets.push_back({kToken, receiver(), "USDC", 6, units(escrow)});
        contract_balance = units(escrow + 77);
    }

    void finish() {
        for (auto& one : channels_) {
            auto& made = one.books;
            const auto n = static_cast<unsigned>(&one - channels_.data());
            made.moved_out = made.debits = units(5000);
            made.moved_in = made.credits =
                Amount{5000 + made.state.balance.units() - made.state.charged.units()};
            channel_books.push_back(made);
            if (!made.state.signed_max.is_zero())
                channel_books.back().state.signature = sign(n, made.state.signed_max);
        }
        for (const auto& event : posted)
            if (event.log.block_number > kBlock && event.channel)
                books.ahead[*event.channel].push_back(event);
    }

    ledger::LogRange range(std::uint64_t from, std::uint64_t to) const {
        const auto within = [&](std::uint64_t block) { return block >= from && block <= to; };
        ledger::LogRange found;
        for (const auto& one : posted)
            if (within(one.log.block_number)) found.posted.push_back(one);
        for (const auto& one : logs)
            if (within(one.log.block_number)) found.logs.push_back(one);
        for (const auto& one : channel_books)
            found.openings.emplace(one.terms.id, one.opening->block_number);
        for (const auto block : found.unproven_blocks())
            found.hashes.emplace(block, hash_of(block));
        return found;
    }

    simulation::Random random_;
    std::vector<Live> channels_;
    std::uint64_t seq_ = 100;
    std::uint64_t claimed_ = 0;
    std::uint64_t settled_ = 0;
    std::uint64_t others_claimed_ = 0;
    std::uint64_t others_settled_ = 0;
};

std::string text(const ledger::Breaks& breaks) {
    std::string all;
    for (const auto& one : breaks.listed())
        all += std::string(to_string(one.kind)) + ": " + one.explanation + " ledger " + one.ledger +
               ", chain " + one.chain + "\n";
    return all;
}

/// The one break that there is.
void check_only(const World& world, BreakKind kind, int channel) {
    const auto report = world.reconcile();
    INFO(text(report.breaks));
    REQUIRE(report.breaks.total() == 1);
    const auto& found = report.breaks.listed().front();
    CHECK(to_string(found.kind) == to_string(kind));
    CHECK_FALSE(found.explanation.empty());
    if (channel >= 0)
        CHECK(found.channel == world.channel_books[static_cast<std::size_t>(channel)].terms.id);
    CHECK_FALSE(report.reconciled());
}

/// A world with an event of that kind.
World world_with(const std::string& kind) {
    for (std::uint64_t seed = 1;; ++seed)
        if (World world(seed); world.with_event(kind) >= 0) return world;
}

/// What moves of a channel when its books are made to follow an event, or to forget it.
void move_books(ledger::ChannelBooks& books, const ledger::PostedLog& event, bool forget) {
    const auto amount = event.amount;
    const bool brings = event.kind == "deposited";
    auto& state = books.state;
    if (event.kind == "claimed") {
        state.total_claimed = forget ? channel::subtract(state.total_claimed, amount).value()
                                     : channel::add(state.total_claimed, amount).value();
        return;
    }
    const bool up = brings != forget;
    state.balance = up ? channel::add(state.balance, amount).value()
                       : channel::subtract(state.balance, amount).value();
    auto& side = up ? books.credits : books.debits;
    auto& moved = up ? books.moved_in : books.moved_out;
    side = channel::add(side, amount).value();
    moved = channel::add(moved, amount).value();
}

}  // namespace

TEST_CASE("reconciliation: books that follow the chain have no break, whatever happens on it",
          "[reconciliation]") {
    std::set<std::string> kinds;
    std::size_t ahead = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        const World world(seed);
        const auto report = world.reconcile();
        INFO("seed " << seed << "\n" << text(report.breaks));
        REQUIRE(report.breaks.total() == 0);
        REQUIRE(report.networks.front().channels == 5);
        const auto& asset = report.networks.front().assets.front();
        REQUIRE(ledger::difference(asset.ledger_escrow, asset.contract_escrow) == "0");
        REQUIRE(report.reconciled());
        for (const auto& event : world.posted) kinds.insert(event.kind);
        ahead += world.books.ahead.size();
    }
    CHECK(kinds.size() == 6);
    CHECK(ahead > 300);
}

TEST_CASE("reconciliation: every kind has a name of its own", "[reconciliation]") {
    std::set<std::string_view> names;
    for (const auto kind : ledger::break_kinds()) names.insert(to_string(kind));
    CHECK(names.size() == ledger::kBreakKinds);
    CHECK_FALSE(names.contains(""));
}

TEST_CASE("reconciliation: a log that is not posted is missing, with its money or without",
          "[reconciliation]") {
    for (const std::string kind :
         {"deposited", "claimed", "refunded", "withdraw_initiated", "withdraw_finalized"}) {
        CAPTURE(kind);
        auto world = world_with(kind);
        const auto channel = world.with_event(kind);
        const auto event = world.event(kind);
        std::erase_if(world.posted, [&](const auto& one) { return one.seq == event.seq; });
        check_only(world, BreakKind::missing_event, channel);
        // The books of somebody who never heard of it.
        if (kind != "deposited") continue;
        auto& books = world.channel_books[static_cast<std::size_t>(channel)];
        if (books.state.balance.units() < books.state.charged.units() + event.amount.units())
            continue;
        move_books(books, event, true);
        check_only(world, BreakKind::missing_event, channel);
    }
}

TEST_CASE("reconciliation: logs of others, and of before a channel's snapshot, are not missed",
          "[reconciliation]") {
    World world(1);
    auto foreign = world.logs.front();
    foreign.channel = channel::ChannelId{};
    foreign.log.transaction = {};
    foreign.log.block_number = 50;
    foreign.log.block_hash = hash_of(50);
    world.logs.push_back(foreign);
    auto before = foreign;
    before.channel = world.channel_books[0].terms.id;
    before.log.block_number = world.channel_books[0].opening->block_number;
    before.log.block_hash = hash_of(before.log.block_number);
    world.logs.push_back(before);
    CHECK(world.reconcile().breaks.total() == 0);
}

TEST_CASE("reconciliation: an event without a log of its kind and channel is unknown",
          "[reconciliation]") {
    auto world = world_with("deposited");
    const auto event = world.event("deposited");
    auto invented = event;
    invented.seq = 9000;
    invented.log.transaction = {};
    world.posted.push_back(invented);
    check_only(world, BreakKind::unknown_event, world.with_event("deposited"));

    auto another = world_with("claimed");
    another.event("claimed").channel = channel::ChannelId{};
    check_only(another, BreakKind::unknown_event, -1);

    auto paid = world_with("deposited");
    auto& books = paid.channel_books[static_cast<std::size_t>(paid.with_event("deposited"))];
    auto with_money = paid.event("deposited");
    with_money.seq = 9000;
    with_money.log.transaction = {};
    paid.posted.push_back(with_money);
    move_books(books, with_money, false);
    check_only(paid, BreakKind::unknown_event, paid.with_event("deposited"));
}

TEST_CASE("reconciliation: an event or its transfer of another amount than the log",
          "[reconciliation]") {
    for (const std::string kind : {"deposited", "claimed", "refunded"}) {
        auto world = world_with(kind);
        world.event(kind).amount = units(123'456);
        check_only(world, BreakKind::amount_mismatch, world.with_event(kind));
        auto transferred = world_with(kind);
        transferred.event(kind).moved = units(123'456);
        check_only(transferred, BreakKind::amount_mismatch, transferred.with_event(kind));
    }
    auto settled = world_with("settled");
    settled.event("settled").amount = units(1);
    check_only(settled, BreakKind::amount_mismatch, -1);
    auto more = world_with("settled");
    more.event("settled").moved = units(10'000'000);
    check_only(more, BreakKind::amount_mismatch, -1);
}

TEST_CASE("reconciliation: an event of a block that is gone, be its log in another or nowhere",
          "[reconciliation]") {
    auto world = world_with("deposited");
    world.event("deposited").log.block_hash = {};
    check_only(world, BreakKind::orphaned_block, world.with_event("deposited"));

    auto fee = World(3);
    ledger::PostedLog paid;
    paid.seq = 9000;
    paid.kind = "fee_paid";
    paid.log.block_number = 20;
    paid.log.log_index = 0x7fffffff;
    fee.posted.push_back(paid);
    check_only(fee, BreakKind::orphaned_block, -1);
    fee.posted.back().log.block_hash = hash_of(20);
    CHECK(fee.reconcile().breaks.total() == 0);
    fee.posted.back().amount = units(5);
    check_only(fee, BreakKind::amount_mismatch, -1);
}

TEST_CASE("reconciliation: a log counted twice, by two entries or by entry and snapshot",
          "[reconciliation]") {
    auto world = world_with("deposited");
    const auto channel = world.with_event("deposited");
    auto again = world.event("deposited");
    again.seq = 9000;
    world.posted.push_back(again);
    check_only(world, BreakKind::double_credit, channel);
    move_books(world.channel_books[static_cast<std::size_t>(channel)], again, false);
    check_only(world, BreakKind::double_credit, channel);

    auto late = world_with("deposited");
    const auto place = static_cast<std::size_t>(late.with_event("deposited"));
    auto& books = late.channel_books[place];
    books.openings = 2;
    check_only(late, BreakKind::double_credit, static_cast<int>(place));
    books.openings = 1;
    std::erase_if(late.posted, [&](const auto& one) { return one.channel == books.terms.id; });
    std::erase_if(late.logs, [&](const auto& one) { return one.channel == books.terms.id; });
    auto counted = again;
    counted.channel = books.terms.id;
    counted.log.block_number = books.opening->block_number;
    counted.log.block_hash = hash_of(counted.log.block_number);
    late.posted.push_back(counted);
    late.logs.push_back({"deposited", counted.channel, counted.amount, counted.log});
    check_only(late, BreakKind::double_credit, static_cast<int>(place));
}

TEST_CASE("reconciliation: figures of the contract that the books do not have",
          "[reconciliation]") {
    using Change = std::function<void(World&)>;
    struct Case {
        BreakKind kind;
        Change change;
    };
    const std::vector<Case> cases{
        {BreakKind::balance_mismatch,
         [](World& world) { world.contract[1].totals.balance = units(1'000'000); }},
        {BreakKind::claimed_mismatch,
         [](World& world) { world.contract[1].totals.total_claimed = Amount{}; }},
        {BreakKind::claim_above_charges,
         [](World& world) {
             world.contract[1].totals.total_claimed =
                 channel::add(world.channel_books[1].state.owed, units(1)).value();
         }},
        {BreakKind::withdrawal_mismatch,
         [](World& world) {
             world.contract[1].withdrawal = {units(7), 77};
         }},
        {BreakKind::refund_nonce_mismatch, [](World& world) { ++world.contract[1].refund_nonce; }},
        {BreakKind::balance_mismatch,
         [](World& world) {
             auto& balance = world.channel_books[1].state.balance;
             balance = channel::add(balance, units(1)).value();
         }},
    };
    // A channel that was claimed from and is charged more than that.
    std::uint64_t seed = 1;
    const auto fits = [&] {
        const World world(seed);
        const auto& books = world.channel_books[1];
        return !world.contract[1].totals.total_claimed.is_zero() &&
               books.state.owed > world.contract[1].totals.total_claimed &&
               books.state.owed > books.opening->total_claimed;
    };
    while (!fits()) ++seed;
    for (const auto& one : cases) {
        CAPTURE(to_string(one.kind));
        World world(seed);
        one.change(world);
        check_only(world, one.kind, 1);
    }
}

TEST_CASE("reconciliation: a claim above the charges that the books have taken over",
          "[reconciliation]") {
    World world(1);
    auto& books = world.channel_books[2];
    const auto total = channel::add(books.state.owed, units(5)).value();
    books.state.charged = books.state.total_claimed = total;
    books.state.balance = std::max(books.state.balance, total);
    books.credits = books.moved_in =
        Amount{5000 + books.state.balance.units() - books.state.charged.units()};
    world.books.ahead.erase(books.terms.id);
    world.contract[2].totals = {books.state.balance, total};
    world.contract[2].withdrawal = {books.state.withdraw_amount, books.state.withdraw_requested_at};
    world.contract[2].refund_nonce = books.state.refund_nonce;
    check_only(world, BreakKind::claim_above_charges, 2);
}

TEST_CASE("reconciliation: charges, vouchers, payments and accounts of a channel",
          "[reconciliation]") {
    std::uint64_t seed = 1;
    const auto fits = [&] {
        const World world(seed);
        const auto& state = world.channel_books[0].state;
        return state.signed_max == state.charged && state.charged > state.total_claimed &&
               state.charged == state.owed;
    };
    while (!fits()) ++seed;

    World charged(seed);
    auto& less = charged.channel_books[0].state;
    less.signed_max = channel::subtract(less.signed_max, units(1)).value();
    less.signature = charged.sign(0, less.signed_max);
    check_only(charged, BreakKind::charge_above_voucher, 0);

    World forged(seed);
    forged.channel_books[0].state.signature =
        forged.sign(1, forged.channel_books[0].state.signed_max);
    check_only(forged, BreakKind::bad_signature, 0);

    // What a contract has judged is not judged again.
    forged.channel_books[0].terms.voucher_signer = channel::VoucherSigner::contract;
    CHECK(forged.reconcile().breaks.total() == 0);

    World unpaid(seed);
    unpaid.channel_books[0].paid = units(1'000'000);
    check_only(unpaid, BreakKind::payments_mismatch, 0);

    World moved(seed);
    moved.channel_books[0].debits = moved.channel_books[0].moved_out = units(4999);
    check_only(moved, BreakKind::journal_mismatch, 0);

    // Account or transfers alone are for the comparison of these two to tell.
    World account(seed);
    account.channel_books[0].debits = units(4999);
    CHECK(account.reconcile().breaks.total() == 0);
}

TEST_CASE("reconciliation: receivers and the token that the contract holds", "[reconciliation]") {
    World owed(1);
    owed.books.receivers.front().claimed = units(1'000'000);
    check_only(owed, BreakKind::settled_mismatch, -1);

    World poor(1);
    poor.contract_balance = channel::subtract(poor.books.assets.front().escrow, units(1)).value();
    check_only(poor, BreakKind::escrow_short, -1);

    // A difference alone is no break, and not reconciled either.
    World more(1);
    more.books.assets.front().escrow =
        channel::add(more.books.assets.front().escrow, units(3)).value();
    const auto report = more.reconcile();
    CHECK(report.breaks.total() == 0);
    CHECK_FALSE(report.reconciled());
    const auto& asset = report.networks.front().assets.front();
    CHECK(ledger::difference(asset.ledger_escrow, asset.contract_escrow) == "3");
    CHECK(ledger::difference(asset.contract_escrow, asset.ledger_escrow) == "-3");
}

TEST_CASE("reconciliation: a channel opened above the block is not compared with the contract",
          "[reconciliation]") {
    World world(1);
    auto& books = world.channel_books[3];
    const auto held = world.contract[3].totals;
    books.opening->block_number = kBlock + 1;
    std::erase_if(world.posted, [&](const auto& one) { return one.channel == books.terms.id; });
    world.contract[3] = {};
    auto& escrow = world.books.assets.front().escrow;
    escrow = Amount{escrow.units() - held.balance.units() + held.total_claimed.units()};
    CHECK(world.reconcile().reconciled());
}

TEST_CASE("reconciliation: the list ends, the count does not", "[reconciliation]") {
    ledger::Breaks breaks;
    for (std::size_t n = 0; n < ledger::Breaks::kListedMax + 5; ++n)
        breaks.add({BreakKind::bad_signature, {1}});
    breaks.count(BreakKind::account_mismatch, 7);
    CHECK(breaks.listed().size() == ledger::Breaks::kListedMax);
    CHECK(breaks.total() == ledger::Breaks::kListedMax + 12);
}

TEST_CASE("reconciliation: many views are decoded strictly", "[reconciliation]") {
    using chain::AbiTuple;
    const auto two = [](std::uint64_t a, std::uint64_t b) {
        return AbiTuple{}.add(a).add(b).encode();
    };
    const auto encoded = [](std::vector<channel::Bytes> elements) {
        for (auto& element : elements) element = chain::encode_bytes(element);
        return AbiTuple{}.add_dynamic(chain::encode_array(std::move(elements))).encode();
    };
    const auto answer = encoded({two(10, 4), two(3, 99), AbiTuple{}.add(std::uint64_t{7}).encode(),
                                 two(0, 0), two(0, 0), AbiTuple{}.add(std::uint64_t{0}).encode()});
    const auto found = chain::decode_channel_views(answer, 2);
    REQUIRE(found.has_value());
    CHECK(found->at(0).totals.balance == units(10));
    CHECK(found->at(0).totals.total_claimed == units(4));
    CHECK(found->at(0).withdrawal.amount == units(3));
    CHECK(found->at(0).withdrawal.initiated_at == 99);
    CHECK(found->at(0).refund_nonce == 7);
    CHECK_FALSE(chain::decode_channel_views(answer, 1).has_value());
    CHECK_FALSE(chain::decode_channel_views(answer, 3).has_value());
    CHECK_FALSE(chain::decode_channel_views({}, 1).has_value());
    for (std::size_t size = 0; size + 32 <= answer.size(); size += 32)
        CHECK_FALSE(
            chain::decode_channel_views(channel::BytesView(answer).first(size), 2).has_value());

    const auto receivers = encoded({two(5, 2)});
    CHECK(chain::decode_receiver_views(receivers, 1).value().front().total_settled == units(2));
    CHECK_FALSE(chain::decode_receiver_views(receivers, 2).has_value());
}
