#include "channel/hex.hpp"
#include "channel/keccak.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "tests/api/chain_stack.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

using namespace support;
using channel::Amount;
using channel::Error;
using channel::Status;

namespace {

/// Nobody else's in these tests, so that what it holds is what was swept to it.
const auto kReceiver =
    *channel::parse_fixed<channel::Address>("0x00000000000000000000000000000000000000ab");
constexpr unsigned kPayer = 1;

using Outcome = api::ChainService::Outcome<api::RefundSent>;

api::RefundSent value_of(const Outcome& outcome) {
    if (const auto error = error_of(outcome))
        throw std::runtime_error("refused: " + std::string(channel::reason(*error)));
    return std::get<api::RefundSent>(outcome);
}

/// refund(ChannelConfig,uint128), which the receiver authorizer may call by itself.
channel::Bytes direct_refund_call(const channel::ChannelConfig& config, Amount amount) {
    auto call = ledger::chain::initiate_withdraw_call(config, amount);
    const auto selector = channel::keccak256(
        "refund((address,address,address,address,address,uint40,bytes32),uint128)");
    std::copy_n(selector.bytes.begin(), 4, call.begin());
    return call;
}

/// A channel of 10,000 with 700 charged of a voucher for 1,000.
struct Refunding {
    ChainStack stack;
    channel::ChannelConfig terms = stack.terms(kPayer, kReceiver);
    channel::ChannelId id = stack.id(terms);

    explicit Refunding(ChainStack::Change change = {}) : stack({}, std::move(change)) {
        stack.start();
        stack.opened(kPayer, terms, 10'000);
        if (stack.pay(kPayer, terms, 700, 1000)) throw std::runtime_error("not paid");
    }

    Outcome ask(std::optional<std::uint64_t> amount, std::uint64_t charged) {
        channel::AskRefund asked{{}, stack.voucher(kPayer, terms, charged), 0};
        if (amount) asked.amount = Amount{*amount};
        return stack.run(stack.chain().refund(id, terms.payer, asked));
    }
    Amount wallet() { return stack.anvil.token_balance(terms.payer); }
    Amount escrow() { return stack.anvil.token_balance(escrow_address()); }
    ledger::chain::ChannelTotals on_chain() {
        return ledger::chain::decode_channels(
                   stack.anvil.call(escrow_address(), ledger::chain::channels_call(id)))
            .value();
    }
    std::uint64_t nonce_on_chain() {
        return ledger::chain::decode_refund_nonce(
                   stack.anvil.call(escrow_address(), ledger::chain::refund_nonce_call(id)))
            .value();
    }
    std::string refunds() {
        return stack.query("select count(*) from chain_event where kind = 'refunded'");
    }
    std::string outbox(const std::string& status) {
        return stack.query("select count(*) from outbox where purpose = 'refund' and status = '" +
                           status + "'");
    }
    void authorize(const std::string& inference, std::uint64_t amount, std::uint64_t max) {
        const auto error =
            stack.command(terms.payer, id,
                          channel::Authorize{*channel::InferenceId::parse(inference),
                                             Amount{amount}, stack.voucher(kPayer, terms, max)});
        if (error) throw std::runtime_error(std::string(channel::reason(*error)));
    }
    std::optional<Error> charge(const std::string& inference, std::uint64_t amount) {
        return stack.command(
            kReceiver, id,
            channel::Charge{*channel::InferenceId::parse(inference), Amount{amount}});
    }
    /// Books and contract agree, to the unit.
    void check_agreement() {
        // The books may be read before what they say is told.
        stack.wait([&] { return stack.state(id).refund_nonce == nonce_on_chain(); });
        const auto state = stack.state(id);
        const auto totals = on_chain();
        CHECK(state.balance == totals.balance);
        CHECK(state.total_claimed == totals.total_claimed);
        CHECK(state.refund_nonce == nonce_on_chain());
        CHECK(state.refunding.is_zero());
        CHECK(stack.query("select sum(debits - credits) from account where kind = 'escrow'") ==
              channel::to_string(escrow()));
        CHECK(stack.trial_balance() == "0");
    }
};

}  // namespace

TEST_CASE("refund: of all that is left, after what is charged is claimed, in one transaction",
          "[chain][refund]") {
    Refunding test;
    const auto before = test.wallet();
    const auto sent = value_of(test.ask(std::nullopt, 700));
    CHECK(sent.amount == Amount{9300});
    REQUIRE(test.stack.wait_for_event(test.id, "refunded"));
    CHECK(test.wallet().units() - before.units() == 9300);
    const auto state = test.stack.state(test.id);
    CHECK(state.status == Status::closed);
    CHECK(state.charged == Amount{700});
    CHECK(state.total_claimed == Amount{700});
    CHECK(test.stack.query("select count(distinct transaction_hash) from chain_event where kind "
                           "in ('claimed', 'refunded')") == "1");
    test.check_agreement();
    REQUIRE(test.stack.wait([&] { return test.outbox("confirmed") == "1"; }));

    // What was claimed with it is swept by the provider's next claim.
    const auto claim = test.stack.run(test.stack.chain().claim(kReceiver, {}, {}));
    REQUIRE_FALSE(error_of(claim).has_value());
    REQUIRE(test.stack.wait_for_claim(std::get<api::ClaimSummary>(claim).claim_id, "confirmed"));
    CHECK(test.stack.anvil.token_balance(kReceiver) == Amount{700});
    test.check_agreement();

    CHECK(error_of(test.ask(std::nullopt, 700)) == Error::channel_not_open);
}

TEST_CASE("refund: what was claimed with it is swept by interval, although nothing else is due",
          "[chain][refund]") {
    Refunding test(
        [](api::Config& config) { config.networks[0].claim_interval = std::chrono::seconds{2}; });
    value_of(test.ask(std::nullopt, 700));
    REQUIRE(test.stack.wait_for_event(test.id, "refunded"));
    REQUIRE(
        test.stack.wait([&] { return test.stack.anvil.token_balance(kReceiver) == Amount{700}; }));
    REQUIRE(test.stack.wait([&] {
        return test.stack.query(
                   "select sum(credits - debits) from account where kind in "
                   "('earned', 'claimed')") == "0";
    }));
    test.check_agreement();
}

TEST_CASE("refund: of a part, again, and the channel goes on", "[chain][refund]") {
    Refunding test;
    const auto before = test.wallet();
    for (const std::uint64_t round : {1u, 2u, 3u}) {
        CHECK(value_of(test.ask(1000, 700)).amount == Amount{1000});
        REQUIRE(test.stack.wait([&] { return test.refunds() == std::to_string(round); }));
        REQUIRE(test.stack.wait([&] { return test.stack.state(test.id).refunding.is_zero(); }));
        CHECK(test.nonce_on_chain() == round);
    }
    CHECK(test.wallet().units() - before.units() == 3000);
    CHECK(test.stack.state(test.id).status == Status::open);
    CHECK(test.stack.pay(kPayer, test.terms, 6300, 7000) == std::nullopt);
    CHECK(error_of(test.ask(std::nullopt, 7000)) == Error::refund_no_balance);
    CHECK(test.stack.pay(kPayer, test.terms, 1, 7001) == Error::cumulative_exceeds_balance);
    test.check_agreement();
}

TEST_CASE("refund: what is reserved stays, and can be charged while the refund is on its way",
          "[chain][refund]") {
    Refunding test;
    test.authorize("job", 2000, 2700);
    CHECK(error_of(test.ask(7301, 700)) == Error::refund_amount_invalid);
    test.stack.anvil.rpc("evm_setAutomine", "[false]");
    CHECK(value_of(test.ask(std::nullopt, 700)).amount == Amount{7300});
    CHECK(test.stack.pay(kPayer, test.terms, 1, 2701) == Error::cumulative_exceeds_balance);
    CHECK(test.charge("job", 1999) == std::nullopt);
    test.stack.anvil.rpc("evm_setAutomine", "[true]");
    test.stack.anvil.mine(1);
    REQUIRE(test.stack.wait_for_event(test.id, "refunded"));
    const auto state = test.stack.state(test.id);
    CHECK(state.balance == Amount{2700});
    CHECK(state.charged == Amount{2699});
    CHECK(state.total_claimed == Amount{700});
    CHECK(state.status == Status::open);
    test.check_agreement();
    const auto claim = test.stack.run(test.stack.chain().claim(kReceiver, {}, {}));
    REQUIRE_FALSE(error_of(claim).has_value());
    REQUIRE(test.stack.wait_for_claim(std::get<api::ClaimSummary>(claim).claim_id, "confirmed"));
    CHECK(test.stack.anvil.token_balance(kReceiver) == Amount{2699});
    CHECK(test.escrow() == Amount{1});
    test.check_agreement();
}

TEST_CASE("refund: handed in by the receiver it is the same refund", "[chain][refund]") {
    Refunding test;
    const channel::AskRefund asked{{}, test.stack.voucher(kPayer, test.terms, 700), 0};
    const auto ask = [&](const channel::Address& caller) {
        return value_of(test.stack.run(test.stack.chain().refund(test.id, caller, asked)));
    };
    const auto before = test.wallet();
    const auto sent = ask(kReceiver);
    CHECK(sent.amount == Amount{9300});
    REQUIRE(test.stack.wait_for_event(test.id, "refunded"));
    CHECK(test.wallet().units() - before.units() == 9300);
    test.check_agreement();
    REQUIRE(test.stack.wait([&] { return test.outbox("confirmed") == "1"; }));
}

TEST_CASE("refund: refused for what has no claim to it, and nothing is sent", "[chain][refund]") {
    Refunding test;
    auto& stack = test.stack;
    CHECK(error_of(test.ask(std::nullopt, 699)) == Error::cumulative_amount_mismatch);
    CHECK(error_of(test.ask(std::nullopt, 1000)) == Error::cumulative_amount_mismatch);
    CHECK(error_of(test.ask(0, 700)) == Error::refund_amount_invalid);
    CHECK(error_of(test.ask(9301, 700)) == Error::refund_amount_invalid);
    const channel::AskRefund forged{{}, stack.voucher(2, test.terms, 700), 0};
    CHECK(error_of(stack.run(stack.chain().refund(test.id, test.terms.payer, forged))) ==
          Error::voucher_signature);
    const channel::AskRefund good{{}, stack.voucher(kPayer, test.terms, 700), 0};
    const auto stranger = Anvil::key(2).address();
    CHECK(error_of(stack.run(stack.chain().refund(test.id, stranger, good))) == Error::forbidden);
    CHECK(error_of(stack.run(stack.chain().refund(test.id, kReceiver, forged))) ==
          Error::voucher_signature);
    const auto unknown = stack.id(stack.terms(kPayer, kReceiver, 99));
    CHECK(error_of(stack.run(stack.chain().refund(unknown, test.terms.payer, good))) ==
          Error::channel_unknown);
    auto own = stack.terms(kPayer, kReceiver, 7);
    own.receiver_authorizer = kReceiver;
    stack.opened(kPayer, own, 5000);
    const channel::AskRefund unsigned_by_us{{}, stack.voucher(kPayer, own, 0), 0};
    CHECK(error_of(stack.run(stack.chain().refund(stack.id(own), own.payer, unsigned_by_us))) ==
          Error::receiver_authorizer_mismatch);

    stack.anvil.send(kPayer, escrow_address(),
                     ledger::chain::initiate_withdraw_call(test.terms, Amount{1}));
    REQUIRE(stack.wait_for_status(test.id, Status::closing));
    CHECK(error_of(test.ask(std::nullopt, 700)) == Error::channel_closing);
    CHECK(stack.query("select count(*) from refund") == "0");
    CHECK(stack.query("select count(*) from outbox where purpose = 'refund'") == "0");
}

TEST_CASE("refund: the same request while it is on its way gets the same transaction",
          "[chain][refund]") {
    Refunding test;
    test.stack.anvil.rpc("evm_setAutomine", "[false]");
    const auto first = value_of(test.ask(4000, 700));
    const auto again = value_of(test.ask(4000, 700));
    CHECK(again.transaction == first.transaction);
    CHECK(again.amount == Amount{4000});
    CHECK(error_of(test.ask(4001, 700)) == Error::channel_busy);
    CHECK(error_of(test.ask(std::nullopt, 700)) == Error::channel_busy);
    test.stack.anvil.rpc("evm_setAutomine", "[true]");
    test.stack.anvil.mine(1);
    REQUIRE(test.stack.wait_for_event(test.id, "refunded"));
    CHECK(test.refunds() == "1");
    test.check_agreement();
}

TEST_CASE("refund: the receiver's own refund takes the nonce; and ours has failed then",
          "[chain][refund]") {
    Refunding test;
    auto& stack = test.stack;
    stack.anvil.rpc("evm_setAutomine", "[false]");
    value_of(test.ask(5000, 700));
    const auto before = test.wallet();
    // The node forgets ours, so that the other is mined first.
    stack.anvil.rpc("anvil_dropAllTransactions", "[]");
    stack.anvil.rpc("evm_setAutomine", "[true]");
    stack.anvil.send(9, escrow_address(), direct_refund_call(test.terms, Amount{300}));
    REQUIRE(stack.wait_for_event(test.id, "refunded"));
    REQUIRE(stack.wait([&] { return test.outbox("failed") == "1"; }));
    CHECK(test.wallet().units() - before.units() == 300);
    REQUIRE(stack.wait([&] { return stack.state(test.id).refunding.is_zero(); }));
    CHECK(test.refunds() == "1");
    test.check_agreement();
    CHECK(value_of(test.ask(1000, 700)).amount == Amount{1000});
    REQUIRE(stack.wait([&] { return test.refunds() == "2"; }));
    test.check_agreement();
}

TEST_CASE("refund: one that failed stays held, and is sent again once it can be carried out",
          "[chain][refund]") {
    Refunding test;
    auto& stack = test.stack;
    const auto code = stack.anvil.rpc(
        "eth_getCode", "[\"" + channel::to_hex(stack.anvil.token()) + "\",\"latest\"]");
    stack.anvil.rpc("evm_setAutomine", "[false]");
    value_of(test.ask(5000, 700));
    const auto before = test.wallet();
    // The token moves nothing for as long as one block.
    stack.anvil.set_code(stack.anvil.token(), "0xfe");
    stack.anvil.mine(1);
    stack.anvil.set_code(stack.anvil.token(), code.substr(1, code.size() - 2));
    REQUIRE(stack.wait([&] { return test.outbox("failed") == "1"; }));
    // What was signed is public: nobody may spend what it would take.
    CHECK(stack.state(test.id).refunding == Amount{5000});
    CHECK(stack.pay(kPayer, test.terms, 4400, 5100) == Error::cumulative_exceeds_balance);
    REQUIRE(stack.wait([&] { return test.outbox("sent") == "1"; }));
    stack.anvil.rpc("evm_setAutomine", "[true]");
    stack.anvil.mine(1);
    REQUIRE(stack.wait([&] { return test.outbox("confirmed") == "1"; }));
    CHECK(test.wallet().units() - before.units() == 5000);
    CHECK(test.refunds() == "1");
    test.check_agreement();
}
