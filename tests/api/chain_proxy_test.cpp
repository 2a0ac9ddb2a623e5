#include "channel/hex.hpp"
#include "channel/uint256.hpp"
#include "tests/api/chain_stack.hpp"
#include "tests/api/node_view.hpp"
#include "tests/api/rpc_proxy.hpp"
#include "tests/api/signer_stack.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>

using namespace support;
using channel::Amount;
using channel::Error;

namespace {

constexpr std::uint64_t kDeposit = 5000;
/// What each account of the development chain holds of the token at first.
constexpr std::uint64_t kWallet = 1'000'000'000'000;

/// How many settlements are driven through nodes that misbehave.
unsigned episodes() {
    const auto* text = std::getenv("MILLRACE_LONG");
    return text && std::string(text) == "1" ? 300 : 40;
}

std::uint64_t seed() {
    const auto* text = std::getenv("MILLRACE_SEED");
    const auto chosen = text ? std::stoull(text) : std::random_device{}();
    std::cout << "MILLRACE_SEED=" << chosen << "\n";
    return chosen;
}

/// Settlements, one after the other, from deposit to payout, on a chain that mines when it likes
/// and is seen through nodes with faults.
class Episodes {
public:
    Episodes(unsigned nodes, std::uint64_t seed_of, Keys keys = Keys::in_process)
        : stack_({},
                 [](api::Config& config) {
                     config.networks[0].poll_interval = std::chrono::milliseconds{4};
                     config.networks[0].rpc_timeout = std::chrono::milliseconds{400};
                     config.networks[0].confirmations = 2;
                 }),
          random_(seed_of) {
        if (keys == Keys::in_signer) signer_ = use_signer(stack_.config);
        stack_.anvil.rpc("evm_setAutomine", "[false]");
        stack_.network().rpc_urls.clear();
        for (unsigned n = 0; n < nodes; ++n) {
            nodes_.push_back(std::make_unique<RpcProxy>(stack_.anvil.port(), mempool_, random_()));
            stack_.network().rpc_urls.push_back(nodes_.back()->url());
        }
    }
    ~Episodes() { stack_.stop(); }

    void run(unsigned count) {
        start();
        // A node that is quick may mine each claim before its blocks are expensive.
        for (unsigned n = 0; n < count || (replacements() == 0 && n < count + 40); ++n) {
            CAPTURE(n);
            settle(n);
        }
        quiet();
        REQUIRE(until([&] {
            return stack_.query("select count(*) from outbox where status in ('queued', 'sent')") ==
                   "0";
        }));
        check_books();
        check_refunds();
        check_fees();
        check_chain();
    }

    ledger::chain::SignerHealth signer_health() { return stack_.chain().signer_health(); }

private:
    bool one_in(unsigned n) { return random_() % n == 0; }
    unsigned percent(unsigned most) { return static_cast<unsigned>(random_() % (most + 1)); }

    void quiet() {
        for (auto& node : nodes_) node->set({});
    }

    /// With several nodes, one is worse than any: behind and lying throughout.
    void misbehave() {
        for (auto& node : nodes_) {
            Faults faults{.drops = percent(6),
                          .delays = percent(10),
                          .duplicates = percent(10),
                          .lost_answers = percent(6),
                          .errors_after = percent(8),
                          .swallows = percent(30),
                          .stale = percent(15),
                          .blocks_behind = 1 + random_() % 3,
                          .lies = 0,
                          .denials = 0};
            if (nodes_.size() > 1) {
                faults.drops = percent(2);
                faults.stale = percent(5);
            }
            if (nodes_.size() > 1 && node == nodes_.front()) {
                faults.stale = 50;
                faults.blocks_behind = 8;
                faults.lies = 60;
                faults.denials = 50;
            }
            node->set(faults);
        }
    }

    /// The chain goes on while somebody waits, sometimes at a price that nobody offers.
    bool until(const std::function<bool()>& condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{60};
        while (std::chrono::steady_clock::now() < end) {
            if (condition()) return true;
            if (expensive_blocks_ > 0 && replacements() > replaced_before_) expensive_blocks_ = 0;
            if (expensive_blocks_ > 0) {
                --expensive_blocks_;
                stack_.anvil.rpc("anvil_setNextBlockBaseFeePerGas", "[\"0x12a05f2000\"]");
            } else if (was_expensive_) {
                stack_.anvil.rpc("anvil_setNextBlockBaseFeePerGas", "[\"0x3b9aca00\"]");
            }
            was_expensive_ = expensive_blocks_ > 0;
            stack_.anvil.mine(1);
            stack_.wait_a_moment();
        }
        return false;
    }

    void start() {
        for (int attempt = 0;; ++attempt) {
            try {
                stack_.start();
                return;
            } catch (const std::exception&) {
                stack_.stop();
                if (attempt == 20) throw;
            }
        }
    }

    void settle(unsigned n) {
        misbehave();
        const channel::Address receiver{[&] {
            channel::Address made;
            made.bytes[0] = 0xee;
            made.bytes[18] = static_cast<std::uint8_t>(n >> 8);
            made.bytes[19] = static_cast<std::uint8_t>(n);
            return made;
        }()};
        Amount charged;
        std::optional<Refund> refund;
        const auto channels = 1 + random_() % 3;
        for (unsigned c = 0; c < channels; ++c) {
            const unsigned payer = 1 + static_cast<unsigned>(random_() % 6);
            const auto terms = stack_.terms(payer, receiver, n * 10 + c);
            REQUIRE(until([&] { return opens(payer, terms); }));
            REQUIRE(until(
                [&] { return stack_.state(stack_.id(terms)).status == channel::Status::open; }));
            const auto amount = 1 + random_() % 4000;
            REQUIRE(stack_.pay(payer, terms, amount, amount) == std::nullopt);
            charged = *channel::add(charged, Amount{amount});
            spent_[payer] += kDeposit;
            if (c == 0 && n % 3 == 0) refund = draw_refund(payer, terms, amount);
        }
        if (refund) REQUIRE(until([&] { return asks_back(*refund); }));
        REQUIRE(until([&] { return claims(receiver); }));
        if (n % 4 == 1) make_expensive();
        if (one_in(5)) {
            stack_.stop();
            start();
        }
        // A channel with a refund on its way is in no claim, and a refund sweeps nothing.
        if (refund) {
            REQUIRE(until([&] { return is_refunded(*refund); }));
            // A node that is behind may say that there is nothing to sweep.
            REQUIRE(until([&] {
                return claims(receiver) && stack_.anvil.token_balance(receiver) >= charged;
            }));
        }
        REQUIRE(until([&] { return stack_.anvil.token_balance(receiver) >= charged; }));
        CHECK(stack_.anvil.token_balance(receiver) == charged);
        receivers_.emplace_back(receiver, charged);
    }

    /// What a payer gets back of its deposit: all that is not charged, when it names no amount.
    struct Refund {
        unsigned payer = 0;
        channel::ChannelConfig terms;
        channel::AskRefund asked;
        std::uint64_t amount = 0;
    };

    Refund draw_refund(unsigned payer, const channel::ChannelConfig& terms, std::uint64_t charged) {
        Refund refund{payer, terms, {{}, stack_.voucher(payer, terms, charged), 0}, 0};
        const auto available = kDeposit - charged;
        const bool is_full = one_in(2);
        refund.amount = is_full ? available : 1 + random_() % available;
        if (!is_full) refund.asked.amount = Amount{refund.amount};
        return refund;
    }

    /// Asked for until there is an answer that it is sent: what was refused before was not.
    bool asks_back(const Refund& refund) {
        const auto id = stack_.id(refund.terms);
        const auto outcome =
            stack_.run(stack_.chain().refund(id, refund.terms.payer, refund.asked));
        if (const auto error = error_of(outcome)) {
            const std::set<Error> passing{Error::rpc_read_failed, Error::unavailable,
                                          Error::refund_simulation_failed, Error::channel_busy};
            if (!passing.contains(*error)) FAIL("a refund is refused: " << channel::reason(*error));
            return false;
        }
        CHECK(std::get<api::RefundSent>(outcome).amount == Amount{refund.amount});
        spent_[refund.payer] -= refund.amount;
        refunds_.push_back(refund);
        return true;
    }

    bool is_refunded(const Refund& refund) {
        return stack_.query(
                   "select count(*) from chain_event e join channel c using (channel_id) "
                   "where e.kind = 'refunded' and c.refunding = 0 and channel_id = '\\x" +
                   channel::to_hex(stack_.id(refund.terms)).substr(2) + "'") == "1";
    }

    /// Blocks whose price nobody offers, until what is waiting has been offered at a higher one.
    void make_expensive() {
        expensive_blocks_ = 600;
        replaced_before_ = replacements();
    }

    bool opens(unsigned payer, const channel::ChannelConfig& terms) {
        const auto outcome = stack_.run(stack_.chain().open(
            stack_.network().network, terms, "", stack_.deposit(payer, terms, kDeposit)));
        return !error_of(outcome).has_value();
    }

    /// Asked for again and again, as a provider that gets no answer does.
    bool claims(const channel::Address& receiver) {
        const auto outcome = stack_.run(stack_.chain().claim(receiver, std::nullopt, std::nullopt));
        const auto error = error_of(outcome);
        if (!error) stack_.run(stack_.chain().claim(receiver, std::nullopt, std::nullopt));
        return !error || *error == Error::nothing_to_settle;
    }

    /// To the unit: who is paid twice has more, and the contract would hold less than its channels.
    void check_refunds() {
        CHECK(refunds_.size() * 4 >= receivers_.size());
        NodeView node(stack_.anvil);
        for (const auto& refund : refunds_) {
            const auto id = stack_.id(refund.terms);
            CHECK(node.refunds(id) == 1);
            CHECK(node.refund_nonce(id) == 1);
        }
        CHECK(stack_.query("select count(*) from refund where reference is not null") ==
              std::to_string(refunds_.size()));
        for (const auto& [payer, spent] : spent_) {
            INFO("payer " << payer);
            CHECK(stack_.anvil.token_balance(Anvil::key(payer).address()) ==
                  Amount{kWallet - spent});
        }
        CHECK(stack_.query("select sum(debits - credits) from account where kind = 'escrow'") ==
              channel::to_string(stack_.anvil.token_balance(escrow_address())));
    }

    void check_books() {
        for (const auto& [receiver, charged] : receivers_)
            CHECK(stack_.anvil.token_balance(receiver) == charged);
        CHECK(stack_.query("select count(*) from outbox where status = 'failed'") == "0");
        CHECK(stack_.query("select count(*) from claim where status <> 'confirmed'") == "0");
        CHECK(stack_.query("select count(*) from channel where total_claimed <> charged") == "0");
        CHECK(stack_.query("select count(*) from claim_quarantine") == "0");
        CHECK(stack_.query("select count(*) = (select count(*) from chain_event where kind = "
                           "'fee_paid') from outbox") == "t");
        CHECK(stack_.trial_balance() == "0");
    }

    std::size_t replacements() {
        std::set<std::uint64_t> nonces;
        const auto attempts = mempool_->attempts();
        for (const auto& attempt : attempts) nonces.insert(attempt.nonce);
        return attempts.size() - nonces.size();
    }

    /// Per nonce, as the nodes saw them.
    void check_fees() {
        std::map<std::uint64_t, Mempool::Attempt> last;
        std::size_t replaced = 0;
        for (const auto& attempt : mempool_->attempts()) {
            const auto before = last.find(attempt.nonce);
            if (before != last.end()) {
                ++replaced;
                const auto& fees = before->second.fees;
                CHECK(attempt.fees.max_fee.units() * 10 >= fees.max_fee.units() * 11);
                CHECK(attempt.fees.priority_fee.units() * 10 >= fees.priority_fee.units() * 11);
            }
            last.insert_or_assign(attempt.nonce, attempt);
        }
        CHECK(replaced > 0);
        std::cout << receivers_.size() << " settlements, " << refunds_.size() << " refunds, "
                  << last.size() << " nonces, " << replaced << " replacements\n";
    }

    /// Each nonce was mined once, and nothing was mined that is not in the outbox.
    void check_chain() {
        const auto relayer = channel::to_hex(Anvil::key(8).address());
        const auto count =
            stack_.anvil.rpc("eth_getTransactionCount", "[\"" + relayer + "\",\"latest\"]");
        const auto rows = stack_.query("select count(*) from outbox");
        CHECK(std::stoull(count.substr(1), nullptr, 16) == std::stoull(rows));
        CHECK(stack_.query("select count(distinct nonce) from outbox") == rows);
    }

    std::unique_ptr<SignerProcess> signer_;
    ChainStack stack_;
    std::mt19937_64 random_;
    std::shared_ptr<Mempool> mempool_ = std::make_shared<Mempool>();
    std::vector<std::unique_ptr<RpcProxy>> nodes_;
    std::vector<std::pair<channel::Address, Amount>> receivers_;
    std::vector<Refund> refunds_;
    /// Deposits less refunds, by payer.
    std::map<unsigned, std::uint64_t> spent_;
    unsigned expensive_blocks_ = 0;
    std::size_t replaced_before_ = 0;
    bool was_expensive_ = false;
};

}  // namespace

TEST_CASE("faults of the node: each settlement and refund pays exactly once, and fees never fall",
          "[chain][faults]") {
    Episodes settlements(1, seed());
    settlements.run(episodes() / 2);
}

TEST_CASE(
    "faults of three nodes, one of them stale and lying: each settlement and refund pays exactly "
    "once",
    "[chain][faults]") {
    Episodes settlements(3, seed());
    settlements.run(episodes() - episodes() / 2);
}

TEST_CASE(
    "faults of the node with the keys in a signer: each payment once, and it signs all of them",
    "[chain][faults][signer]") {
    Episodes settlements(1, seed(), Keys::in_signer);
    settlements.run(std::max(8u, episodes() / 10));
    CHECK(settlements.signer_health().refusals == 0);
}
