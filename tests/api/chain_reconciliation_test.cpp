// Reconciliation on a real chain and database: breaks of every kind planted among many channels are
// told, each by its kind and nothing else; and a busy service has none.
#include "channel/error.hpp"
#include "channel/hex.hpp"
#include "channel/keccak.hpp"
#include "channel/uint256.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/gasless_deposit.hpp"
#include "tests/api/rest_stack.hpp"
#include "tests/simulation/random.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>

#include <future>
#include <random>
#include <set>

using namespace support;
using api::Vouchers;
using channel::Amount;
using ledger::BreakKind;
namespace asio = boost::asio;
namespace chain = ledger::chain;

namespace {

constexpr unsigned kProvider = 6;
constexpr unsigned kOtherProvider = 7;
constexpr unsigned kAuthorizer = 9;
/// The follower begins behind these; no block of them is known to it.
constexpr unsigned kBlocksBefore = 20;
constexpr std::uint64_t kDeposit = 5000;
constexpr std::uint64_t kTopUp = 500;

std::string hex_of(const channel::ChannelId& id) {
    return "'\\x" + channel::to_hex(id).substr(2) + "'";
}
std::string hex_of(const channel::Address& address) {
    return "'\\x" + channel::to_hex(address).substr(2) + "'";
}

/// Kind, and the channel where there is one.
using Found = std::multiset<std::pair<std::string, std::string>>;

Found found_in(const ledger::Breaks& breaks) {
    Found found;
    for (const auto& one : breaks.listed())
        found.emplace(to_string(one.kind), one.channel ? channel::to_hex(*one.channel) : "");
    return found;
}

std::string text(const ledger::Reconciliation& report) {
    std::string all;
    for (const auto& one : report.breaks.listed())
        all += fmt::format("{} {} {}: {} ledger {}, chain {}\n", to_string(one.kind),
                           one.channel ? channel::to_hex(*one.channel) : "", one.account,
                           one.explanation, one.ledger, one.chain);
    for (const auto& network : report.networks)
        for (const auto& asset : network.assets)
            all += "difference " + ledger::difference(asset.ledger_escrow, asset.contract_escrow) +
                   "\n";
    return all;
}

std::optional<ledger::Reconciliation> reconcile(ChainStack& stack,
                                                Vouchers vouchers = Vouchers::standing) {
    auto outcome = stack.run(stack.chain().reconcile(vouchers));
    if (auto* report = std::get_if<ledger::Reconciliation>(&outcome)) return std::move(*report);
    return std::nullopt;
}

/// Many channels, opened and paid from without a wait for each.
class Town {
public:
    explicit Town(std::size_t channels)
        : stack_({}, [](api::Config& config) {
              config.networks[0].poll_interval = std::chrono::milliseconds{10};
          }) {
        stack_.anvil.mine(kBlocksBefore);
        stack_.start();
        for (std::size_t n = 0; n < channels; ++n) {
            const auto provider = n % 10 == 9 ? kOtherProvider : kProvider;
            configs_.push_back(stack_.terms(payer(n), Anvil::key(provider).address(), n));
            ids_.push_back(stack_.id(configs_.back()));
        }
        deposit(kDeposit, 0);
        stack_.anvil.mine(1);
        REQUIRE(stack_.wait_until_followed());
        open();
    }

    ChainStack& stack() { return stack_; }
    const channel::ChannelConfig& config(std::size_t n) const { return configs_.at(n); }
    const channel::ChannelId& id(std::size_t n) const { return ids_.at(n); }
    std::size_t size() const { return ids_.size(); }
    static unsigned payer(std::size_t n) { return 1 + static_cast<unsigned>(n % 5); }

    /// Hundred channels in a transaction: `multicall` of deposits, signed for by their payers.
    void deposit(std::uint64_t amount, std::uint64_t salt) {
        constexpr std::size_t kAtOnce = 100;
        chain::DepositTerms terms;
        terms.erc3009_collector = collector_address();
        for (std::size_t first = 0; first < size(); first += kAtOnce) {
            std::vector<channel::Bytes> calls;
            for (auto n = first; n < std::min(first + kAtOnce, size()); ++n)
                calls.push_back(chain::deposit_call(
                    terms, configs_[n], stack_.deposit(payer(n), configs_[n], amount, salt)));
            stack_.anvil.send(0, escrow_address(), chain::multicall_call(std::move(calls)));
        }
    }

    void pay(std::size_t n, std::uint64_t amount, std::uint64_t total) {
        REQUIRE(stack_.pay(payer(n), configs_[n], amount, total) == std::nullopt);
    }

    void claim() {
        for (const auto provider : {kProvider, kOtherProvider}) {
            const auto receiver = Anvil::key(provider).address();
            const auto outcome =
                stack_.run(stack_.chain().claim(receiver, std::nullopt, std::nullopt));
            REQUIRE_FALSE(error_of(outcome).has_value());
            const auto id = std::get<api::ClaimSummary>(outcome).claim_id;
            REQUIRE(stack_.wait_for_claim(id, "confirmed"));
        }
    }

private:
    void open() {
        asio::io_context io;
        std::vector<std::future<api::ChainService::Outcome<api::OpenedChannel>>> opened;
        for (const auto& config : configs_)
            opened.push_back(asio::co_spawn(
                io, stack_.chain().open(stack_.network().network, config, "test", std::nullopt),
                asio::use_future));
        io.run();
        for (auto& one : opened) REQUIRE_FALSE(error_of(one.get()).has_value());
    }

    ChainStack stack_;
    std::vector<channel::ChannelConfig> configs_;
    std::vector<channel::ChannelId> ids_;
};

/// Does what somebody with every right on database and chain can do, each to a channel of its own.
class Saboteur {
public:
    explicit Saboteur(Town& town) : town_(town), stack_(town.stack()) {
        for (const std::string table : {"payment", "chain_event", "transfer"})
            stack_.query("drop trigger append_only on " + table);
        for (const std::string rule :
             {"channel_within_signed", "channel_owed_within_signed", "channel_charged_as_owed"})
            stack_.query("alter table channel drop constraint " + rule);
    }

    Found planted;

    void plant_all() {
        forget_log();
        forget_deposit();
        invent_event();
        change_amount();
        orphan_event();
        credit_twice();
        claim_more();
        change_contract();
        change_row("withdraw_requested_at = 1234", BreakKind::withdrawal_mismatch);
        change_row("refund_nonce = refund_nonce + 5", BreakKind::refund_nonce_mismatch);
        lower_voucher();
        forge_voucher();
        charge_more();
        lose_payment();
        change_account();
        move_between_receivers();
        claim_in_the_books_only();
        take_from_contract();
    }

    void forge_payment() {
        const auto n = next(BreakKind::bad_signature);
        stack_.query(
            "update payment set signature = set_byte(signature, 5, (get_byte(signature, 5) + 1) % "
            "256)" +
            of(n) + " and seq = (select max(seq) from payment" + of(n) + ")");
    }

private:
    std::size_t next(BreakKind kind) {
        planted.emplace(to_string(kind), channel::to_hex(town_.id(next_)));
        return next_++;
    }
    std::string of(std::size_t n) const { return " where channel_id = " + hex_of(town_.id(n)); }
    std::string deposit_of(std::size_t n) const { return of(n) + " and kind = 'deposited'"; }

    void forget_log() {
        stack_.query("delete from chain_event" + deposit_of(next(BreakKind::missing_event)));
    }

    /// As if the service had never heard of it: event, transfer and every figure.
    void forget_deposit() {
        const auto n = next(BreakKind::missing_event);
        stack_.query("delete from transfer where seq = (select seq from chain_event" +
                     deposit_of(n) + ")");
        stack_.query("delete from chain_event" + deposit_of(n));
        stack_.query(fmt::format("update channel set balance = balance - {}", kTopUp) + of(n));
        stack_.query(
            fmt::format("update account set credits = credits - {} where kind = 'channel' "
                        "and owner = {}",
                        kTopUp, hex_of(town_.id(n))));
        stack_.query(
            fmt::format("update account set debits = debits - {} where kind = 'escrow' and "
                        "debits > {}",
                        kTopUp, kTopUp));
    }

    void copy_event(std::size_t n, const std::string& columns) {
        stack_.query(
            "insert into chain_event (network, transaction_hash, log_index, inclusion, "
            "block_number, block_hash, kind, channel_id, amount, seq, at) select network, " +
            columns + ", kind, channel_id, amount, seq + 1000000, at from chain_event" +
            deposit_of(n));
    }
    void invent_event() {
        copy_event(next(BreakKind::unknown_event),
                   "decode(repeat('ab', 32), 'hex'), 3, 0, block_number, block_hash");
    }
    void orphan_event() {
        copy_event(next(BreakKind::orphaned_block),
                   "decode(repeat('cd', 32), 'hex'), 3, 0, 10, decode(repeat('ef', 32), 'hex')");
    }
    void credit_twice() {
        copy_event(next(BreakKind::double_credit),
                   "transaction_hash, log_index, inclusion + 1, block_number, block_hash");
    }
    void change_amount() {
        stack_.query("update chain_event set amount = amount + 1" +
                     deposit_of(next(BreakKind::amount_mismatch)));
    }

    /// By the receiver itself, with a voucher above what it was told to charge.
    void claim_more() {
        const auto n = next(BreakKind::claim_above_charges);
        const auto voucher = stack_.voucher(Town::payer(n), town_.config(n), 4000);
        const std::vector<chain::VoucherClaim> rows{
            {town_.config(n), voucher.max_claimable, voucher.signature, Amount{3000}}};
        stack_.anvil.send(kProvider, escrow_address(), chain::claim_call(rows));
        REQUIRE(stack_.wait_for_event(town_.id(n), "claimed"));
    }

    /// In its storage, balance in the lower half of the word and claimed total in the upper.
    void change_contract() {
        const auto balance = next(BreakKind::balance_mismatch);
        const auto claimed = next(BreakKind::claimed_mismatch);
        const auto change = [&](std::size_t n, std::uint64_t less, std::uint64_t more_claimed) {
            const auto totals =
                chain::decode_channels(
                    stack_.anvil.call(escrow_address(), chain::channels_call(town_.id(n))))
                    .value();
            auto word = channel::to_word(Amount{totals.balance.units() - less});
            const auto upper =
                channel::to_word(Amount{totals.total_claimed.units() + more_claimed});
            std::copy_n(upper.bytes.begin() + 16, 16, word.bytes.begin());
            stack_.anvil.set_storage(escrow_address(), Anvil::channel_slot(town_.id(n)),
                                     channel::to_hex(word));
        };
        change(balance, 7, 0);
        change(claimed, 0, 1);
    }

    void change_row(const std::string& what, BreakKind kind) {
        stack_.query("update channel set " + what + of(next(kind)));
    }

    std::uint64_t number(const std::string& column, std::size_t n) {
        return std::stoull(stack_.query("select " + column + " from channel" + of(n)));
    }
    std::string signed_for(std::size_t n, std::uint64_t total) {
        const auto voucher = stack_.voucher(Town::payer(n), town_.config(n), total);
        return fmt::format("signed_max = {}, signature = '\\x{}'", total,
                           channel::to_hex(voucher.signature).substr(2));
    }
    void lower_voucher() {
        const auto n = next(BreakKind::charge_above_voucher);
        stack_.query("update channel set " + signed_for(n, number("charged", n) - 1) + of(n));
    }
    void charge_more() {
        const auto n = next(BreakKind::journal_mismatch);
        const auto total = number("charged", n) + 1;
        stack_.query(fmt::format("update channel set charged = {0}, owed = {0}, ", total) +
                     signed_for(n, total) + of(n));
    }
    void forge_voucher() {
        const auto n = next(BreakKind::bad_signature);
        stack_.query("update channel set signature = (select signature from channel" + of(n + 1) +
                     ")" + of(n));
    }
    void lose_payment() {
        stack_.query("delete from payment" + of(next(BreakKind::payments_mismatch)));
    }
    void change_account() {
        const auto n = next(BreakKind::account_mismatch);
        stack_.query(
            "update account set debits = debits + 3, credits = credits + 3 where kind = "
            "'channel' and owner = " +
            hex_of(town_.id(n)));
    }

    /// A transfer as the service makes them, with its accounts, between others than it ever would.
    void transfer(std::uint64_t amount, const std::string& from, unsigned payer_of,
                  const std::string& to, unsigned receiver_of) {
        const auto debit = hex_of(Anvil::key(payer_of).address());
        const auto credit = hex_of(Anvil::key(receiver_of).address());
        stack_.query(fmt::format(
            "insert into transfer (seq, leg, asset_id, debit_kind, debit_owner, credit_kind, "
            "credit_owner, amount, cause, first_seq, at) values ({}, 0, {}, '{}', {}, '{}', {}, "
            "{}, 'claim', 1, now())",
            2'000'000 + planted.size(), stack_.asset().id, from, debit, to, credit, amount));
        stack_.query(
            fmt::format("update account set debits = debits + {} where kind = '{}' and owner = {}",
                        amount, from, debit));
        stack_.query(fmt::format(
            "update account set credits = credits + {} where kind = '{}' and owner = {}", amount,
            to, credit));
    }
    void move_between_receivers() {
        planted.emplace(to_string(BreakKind::misdirected_transfer), "");
        transfer(11, "earned", kProvider, "earned", kOtherProvider);
    }
    void claim_in_the_books_only() {
        planted.emplace(to_string(BreakKind::settled_mismatch), "");
        transfer(9, "earned", kOtherProvider, "claimed", kOtherProvider);
    }

    /// The token's record of what the contract holds, wherever it keeps that.
    void take_from_contract() {
        planted.emplace(to_string(BreakKind::escrow_short), "");
        const auto held =
            channel::to_hex(channel::to_word(stack_.anvil.token_balance(escrow_address())));
        for (std::uint64_t slot = 0; slot < 32; ++slot) {
            channel::Bytes key(64);
            const auto holder = channel::word_from(escrow_address());
            const auto place = channel::word_from(slot);
            std::copy(holder.bytes.begin(), holder.bytes.end(), key.begin());
            std::copy(place.bytes.begin(), place.bytes.end(), key.begin() + 32);
            const auto at = channel::to_hex(channel::keccak256(channel::BytesView(key)));
            if (stack_.anvil.storage(stack_.anvil.token(), at) != held) continue;
            stack_.anvil.set_storage(stack_.anvil.token(), at,
                                     channel::to_hex(channel::word_from(std::uint64_t{12})));
            return;
        }
        FAIL("the token keeps its balances elsewhere");
    }

    Town& town_;
    ChainStack& stack_;
    std::size_t next_ = 0;
};

}  // namespace

TEST_CASE(
    "chain reconciliation: breaks of every kind among a thousand channels are told, and nothing "
    "else",
    "[chain][reconciliation]") {
    Town town(1000);
    auto& stack = town.stack();
    for (std::size_t n = 0; n < 400; ++n) town.pay(n, 100, 100);
    town.claim();
    town.deposit(kTopUp, 1);
    REQUIRE(stack.wait_until_followed());
    for (std::size_t n = 0; n < 300; ++n) town.pay(n, 150, 250);

    const auto sound = reconcile(stack, Vouchers::all);
    REQUIRE(sound);
    INFO(text(*sound));
    REQUIRE(sound->reconciled());
    REQUIRE(sound->networks.size() == 1);
    CHECK(sound->networks[0].channels == 1000);
    CHECK(channel::to_string(sound->networks[0].assets.at(0).ledger_escrow) ==
          std::to_string(1000 * (kDeposit + kTopUp) - 400 * 100));
    CHECK(sound->networks[0].block->number == stack.anvil.block_number());

    Saboteur saboteur(town);
    saboteur.plant_all();
    stack.anvil.mine(1);
    REQUIRE(stack.wait_until_followed());
    const auto report = reconcile(stack);
    REQUIRE(report);
    INFO(text(*report));
    CHECK(found_in(report->breaks) == saboteur.planted);
    CHECK(report->breaks.counts().size() == ledger::kBreakKinds);
    CHECK_FALSE(report->reconciled());

    saboteur.forge_payment();
    const auto thorough = reconcile(stack, Vouchers::all);
    REQUIRE(thorough);
    CHECK(found_in(thorough->breaks) == saboteur.planted);
}

namespace {

/// A service that has everything to do at once, on a chain of three confirmations.
class BusyService {
public:
    explicit BusyService(std::uint64_t seed)
        : random_(seed), stack_({}, [](api::Config& config) {
              config.networks[0].confirmations = 3;
              config.networks[0].poll_interval = std::chrono::milliseconds{5};
          }) {
        stack_.start();
        stack_.anvil.mine(10);
    }

    ChainStack& stack() { return stack_; }
    std::size_t steps() const { return steps_; }

    /// One thing that a payer, a provider or a stranger may do.
    void step() {
        ++steps_;
        try {
            if (channels_.size() < 12) open();
            const auto at = random_.below(channels_.size());
            act(channels_[at]);
            if (random_.one_in(3)) stack_.anvil.mine(1 + static_cast<unsigned>(random_.below(3)));
        } catch (const std::exception&) {
            // What the chain refuses just then is not done.
        }
    }

    /// Replaces the newest blocks by empty ones, so that a deposit that counted already is gone.
    void reorganise() {
        if (channels_.empty()) return;
        const auto& one = channels_.front();
        stack_.deposit_directly(one.payer, one.config, 1000, 100'000 + ++steps_);
        stack_.anvil.mine(2);
        const auto newest = stack_.anvil.block_number();
        const bool followed = stack_.wait([&] {
            return std::stoull(stack_.query("select block_number from chain_cursor")) + 3 > newest;
        });
        if (!followed) throw std::runtime_error("the chain is not followed");
        replace(4 + random_.below(6));
        // Where the service sends something just then, anvil at times leaves a hole.
        while (const auto broken = first_orphan())
            replace(stack_.anvil.block_number() - *broken + 1);
        while (stack_.anvil.block_number() <= newest + 3) stack_.anvil.mine(1);
    }

private:
    struct Channel {
        channel::ChannelConfig config;
        channel::ChannelId id;
        unsigned payer = 0;
    };

    void replace(std::uint64_t blocks) {
        stack_.anvil.rpc("evm_setAutomine", "[false]");
        stack_.anvil.rpc("anvil_reorg", fmt::format("[{},[]]", blocks));
        stack_.anvil.rpc("evm_setAutomine", "[true]");
    }

    /// Of the newest blocks, the first that is missing or does not follow the one before.
    std::optional<std::uint64_t> first_orphan() {
        constexpr std::uint64_t kLooked = 24;
        const auto block = [this](std::uint64_t number) {
            return boost::json::parse(
                stack_.anvil.rpc("eth_getBlockByNumber", fmt::format("[\"{:#x}\",false]", number)));
        };
        const auto head = stack_.anvil.block_number();
        const auto first = head > kLooked ? head - kLooked : 0;
        auto before = block(first);
        for (auto number = first + 1; number <= head; ++number) {
            auto next = block(number);
            if (next.is_null() || before.is_null() || next.at("parentHash") != before.at("hash"))
                return number;
            before = std::move(next);
        }
        return std::nullopt;
    }

    void open() {
        Channel one;
        one.payer = 1 + static_cast<unsigned>(random_.below(5));
        one.config = stack_.terms(one.payer, Anvil::key(kProvider).address(), steps_);
        one.id = stack_.id(one.config);
        stack_.run(stack_.chain().open(stack_.network().network, one.config, "test",
                                       stack_.deposit(one.payer, one.config, 5000)));
        stack_.anvil.mine(3);
        channels_.push_back(one);
    }

    std::uint64_t charged(const Channel& one) {
        const auto text =
            stack_.query("select charged from channel where channel_id = " + hex_of(one.id));
        return text.empty() ? 0 : std::stoull(text);
    }

    void act(const Channel& one) {
        auto& anvil = stack_.anvil;
        const auto total = charged(one);
        switch (random_.below(10)) {
            case 0:
                stack_.run(stack_.chain().claim(one.config.receiver, std::nullopt, std::nullopt));
                return;
            case 1:
                stack_.deposit_directly(one.payer, one.config, 1000, steps_);
                return;
            case 2:
                anvil.send(kAuthorizer, escrow_address(), refund(one));
                return;
            case 3: {
                const channel::AskRefund asked{
                    Amount{1 + random_.below(500)},
                    stack_.voucher(one.payer, one.config, std::max<std::uint64_t>(total, 1)), 0};
                stack_.run(stack_.chain().refund(one.id, one.config.payer, asked));
                return;
            }
            case 4:
                anvil.send(
                    one.payer, escrow_address(),
                    chain::initiate_withdraw_call(one.config, Amount{1 + random_.below(800)}));
                return;
            case 5:
                anvil.rpc("evm_increaseTime", "[901]");
                anvil.mine(1);
                anvil.send(one.payer, escrow_address(), chain::finalize_withdraw_call(one.config));
                return;
            default:
                stack_.pay(one.payer, one.config, 7, total + 7);
        }
    }

    channel::Bytes refund(const Channel& one) {
        const auto answer = stack_.anvil.call(escrow_address(), chain::refund_nonce_call(one.id));
        const auto nonce = channel::word_from(chain::decode_refund_nonce(answer).value());
        const Amount amount{1 + random_.below(300)};
        const auto signature = Anvil::key(kAuthorizer)
                                   .sign(channel::digest(stack_.asset().escrow_separator,
                                                         channel::Refund{one.id, nonce, amount}));
        return chain::refund_with_signature_call(one.config, amount, nonce, signature);
    }

    simulation::Random random_;
    ChainStack stack_;
    std::vector<Channel> channels_;
    std::size_t steps_ = 0;
};

std::uint64_t seed_of_the_day() {
    if (const char* given = std::getenv("MILLRACE_SEED")) return std::strtoull(given, nullptr, 10);
    return std::random_device{}();
}

/// Reconciles again and again while `busy` does `steps` things; the first break found, if any.
std::string first_break(BusyService& busy, std::size_t steps,
                        const std::function<void()>& now_and_then, std::size_t& reports) {
    auto work = std::async(std::launch::async, [&] {
        for (std::size_t n = 1; n <= steps; ++n) {
            busy.step();
            if (n % 20 == 0) now_and_then();
        }
    });
    std::string found;
    while (found.empty() && work.wait_for(std::chrono::seconds{0}) != std::future_status::ready) {
        const auto report = reconcile(busy.stack());
        if (!report) continue;
        ++reports;
        if (!report->reconciled()) found = text(*report);
    }
    work.get();
    return found;
}

}  // namespace

TEST_CASE("chain reconciliation: a busy service has no break at any moment",
          "[chain][reconciliation]") {
    const auto seed = seed_of_the_day();
    INFO("MILLRACE_SEED=" << seed);
    BusyService busy(seed);
    std::size_t reports = 0;
    const std::size_t steps = std::getenv("MILLRACE_LONG") ? 2000 : 200;
    std::string kinds;
    // Chance may leave out one of them for a while.
    for (int times = 0; times < 5 && kinds != "5"; ++times) {
        CHECK(first_break(
                  busy, steps, [] {}, reports) == "");
        kinds = busy.stack().query(
            "select count(distinct kind) from chain_event where channel_id is not null");
    }
    CHECK(reports > 20);
    CHECK(kinds == "5");
}

TEST_CASE("chain reconciliation: what the chain takes back is no break",
          "[chain][reconciliation][reorganisation]") {
    const auto seed = seed_of_the_day();
    INFO("MILLRACE_SEED=" << seed);
    BusyService busy(seed);
    std::size_t reports = 0;
    const std::size_t steps = std::getenv("MILLRACE_LONG") ? 1000 : 120;
    const auto found = first_break(
        busy, steps, [&busy] { busy.reorganise(); }, reports);
    CHECK(found == "");
    CHECK(reports > 5);
    CHECK(busy.stack().query("select count(*) > 0 from chain_reversal") == "t");
}

TEST_CASE("chain reconciliation: auditors get it over REST, one at a time",
          "[chain][reconciliation][rest]") {
    RestStack stack;
    const auto config = stack.open(100'000);
    stack.pay(config, 3);
    const std::string path = "/v1/ledger/reconciliation";
    const auto sound = stack.get(path, {.bearer = RestStack::kAuditor});
    REQUIRE(sound.status() == 200);
    CHECK(sound.text("/reconciled") == "true");
    CHECK(sound.text("/breaksTotal") == "0");
    CHECK(sound.text("/networks/0/network") == "eip155:31337");
    CHECK(sound.text("/networks/0/block/number") ==
          stack.chain.query("select block_number from chain_cursor"));
    CHECK(sound.text("/networks/0/assets/0/ledgerEscrow") == "100000");
    CHECK(sound.text("/networks/0/assets/0/contractEscrow") == "100000");
    CHECK(sound.text("/networks/0/assets/0/difference") == "0");
    CHECK(sound.text("/networks/0/channels") == "1");

    stack.chain.query("update channel set refund_nonce = 4");
    const auto broken =
        stack.get(path, {.query = {{"vouchers", "all"}}, .bearer = RestStack::kAuditor});
    CHECK(broken.text("/reconciled") == "false");
    CHECK(broken.text("/breaksByKind/refund_nonce_mismatch") == "1");
    CHECK(broken.text("/breaks/0/kind") == "refund_nonce_mismatch");
    CHECK(broken.text("/breaks/0/channelId") == channel::to_hex(stack.chain.id(config)));
    CHECK(broken.text("/breaks/0/ledger") == "4");
    CHECK(broken.text("/breaks/0/chain") == "0");
    const auto measured = stack.get("/metrics").response.body;
    CHECK(measured.find("millrace_reconciliation_breaks{kind=\"refund_nonce_mismatch\"} 1\n") !=
          measured.npos);
    CHECK(measured.find("millrace_reconciliation_breaks{kind=\"escrow_short\"} 0\n") !=
          measured.npos);

    const auto wrong =
        stack.get(path, {.query = {{"vouchers", "some"}}, .bearer = RestStack::kAuditor});
    CHECK(wrong.status() == 400);
    CHECK(wrong.text("/field") == "vouchers");

    // Two at once: whoever comes second while the first has its turn.
    bool refused = false;
    for (int attempt = 0; attempt < 100 && !refused; ++attempt) {
        asio::io_context io;
        auto& service = stack.chain.chain();
        auto first = asio::co_spawn(io, service.reconcile(Vouchers::standing), asio::use_future);
        auto second = asio::co_spawn(io, service.reconcile(Vouchers::standing), asio::use_future);
        io.run();
        CHECK_FALSE(error_of(first.get()).has_value());
        refused = error_of(second.get()) == channel::Error::rate_limited;
    }
    CHECK(refused);
}
