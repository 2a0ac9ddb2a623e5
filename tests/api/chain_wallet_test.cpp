#include "channel/keccak.hpp"
#include "ledger/chain/abi.hpp"
#include "ledger/chain/erc1271.hpp"
#include "tests/api/wallet_stack.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

using namespace support;
using channel::Amount;
using channel::Error;
using channel::Status;
using channel::VoucherSignature;
namespace chain = ledger::chain;

namespace {

const auto kReceiver = Anvil::key(3).address();
constexpr auto kFirstOwner = Wallet::kFirstOwner;

}  // namespace

TEST_CASE("wallet: a contract pays by Permit2, is asked about its vouchers, and is claimed",
          "[chain][wallet]") {
    ChainStack stack;
    stack.start();
    Wallet wallet(stack, kReceiver);
    const auto terms = wallet.terms();
    const auto id = wallet.opened(terms, 5000, 1);
    CHECK(stack.query("select voucher_signer from channel") == "contract");
    CHECK(stack.chain().wallet_of(id) == wallet.address);

    const auto voucher = wallet.voucher(id, 700);
    CHECK(wallet.ask(id, voucher) == std::nullopt);
    auto of_one = voucher;
    of_one.signature = Anvil::key(kFirstOwner).sign({});
    CHECK(wallet.ask(id, of_one) == Error::voucher_signature);
    auto higher = voucher;
    higher.max_claimable = Amount{701};
    CHECK(wallet.ask(id, higher) == Error::voucher_signature);

    // What nobody asked the wallet about is not taken, even if it is good.
    CHECK(stack.pay_with(terms, 700, voucher, ledger::ContractVerdict::none) ==
          Error::voucher_signature);
    CHECK(stack.pay_with(terms, 700, voucher, ledger::ContractVerdict::valid) == std::nullopt);
    CHECK(stack.state(id).balance == Amount{5000});
    CHECK(stack.query("select octet_length(signature) from channel") == "130");

    const auto outcome = stack.run(stack.chain().claim(kReceiver, {}, {}));
    const auto& claim = std::get<api::ClaimSummary>(outcome);
    CHECK(claim.amount == Amount{700});
    REQUIRE(stack.wait_for_claim(claim.claim_id, "confirmed"));
    REQUIRE(stack.wait([&] { return stack.query("select total_claimed from channel") == "700"; }));
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("wallet: what it said yes to is remembered, a no and a silent node are not",
          "[chain][wallet]") {
    ChainStack stack({}, [](api::Config& config) {
        config.networks[0].rpc_timeout = std::chrono::milliseconds{2000};
    });
    stack.start();
    Wallet wallet(stack, kReceiver);
    const auto id = wallet.opened(wallet.terms(), 5000, 1);
    const auto voucher = wallet.voucher(id, 10);
    CHECK(wallet.ask(id, voucher) == std::nullopt);
    stack.anvil.suspend();
    CHECK(wallet.ask(id, voucher) == std::nullopt);
    CHECK(wallet.ask(id, wallet.voucher(id, 11)) == Error::rpc_read_failed);
    stack.anvil.resume();
    REQUIRE(stack.wait([&] { return wallet.ask(id, wallet.voucher(id, 11)) == std::nullopt; }));

    wallet.call("close()", {});
    CHECK(wallet.ask(id, wallet.voucher(id, 12)) == Error::voucher_signature);
    // An answer that costs more than is paid for is no yes.
    Wallet dear(stack, kReceiver);
    const auto other = dear.opened(dear.terms(1), 5000, 1);
    chain::AbiTuple rounds;
    dear.call("setRounds(uint256)", rounds.add(chain::kErc1271GasMax / 50));
    CHECK(dear.ask(other, dear.voucher(other, 10)) == Error::voucher_signature);
}

TEST_CASE("wallet: one that turns dear is left out of claims, and its deposits are not paid for",
          "[chain][wallet]") {
    ChainStack stack;
    stack.start();
    Wallet wallet(stack, kReceiver);
    const auto terms = wallet.terms();
    const auto id = wallet.opened(terms, 5000, 1);
    const auto other = stack.terms(1, kReceiver, 2);
    stack.opened(1, other, 5000);
    CHECK(stack.pay_with(terms, 700, wallet.voucher(id, 700), ledger::ContractVerdict::valid) ==
          std::nullopt);
    CHECK(stack.pay(1, other, 40, 40) == std::nullopt);

    chain::AbiTuple rounds;
    wallet.call("setRounds(uint256)", rounds.add(std::uint64_t{10'000}));
    CHECK(error_of(stack.run(
              stack.chain().top_up(id, wallet.address, wallet.deposit(terms, 2000, 2)))) ==
          Error::deposit_simulation_failed);
    const auto outcome = stack.run(stack.chain().claim(kReceiver, {}, {}));
    CHECK(std::get<api::ClaimSummary>(outcome).amount == Amount{40});
    CHECK(stack.query("select count(*) from claim_row") == "1");
}

TEST_CASE("wallet: a contract gets its unspent money back, on a voucher that it says yes to",
          "[chain][wallet]") {
    ChainStack stack;
    stack.start();
    Wallet wallet(stack, kReceiver);
    const auto terms = wallet.terms();
    const auto id = wallet.opened(terms, 5000, 1);
    CHECK(stack.pay_with(terms, 700, wallet.voucher(id, 700), ledger::ContractVerdict::valid) ==
          std::nullopt);
    channel::AskRefund asked{Amount{4000}, wallet.voucher(id, 700), 0};
    auto of_one = asked;
    of_one.voucher.signature = Anvil::key(kFirstOwner).sign({});
    CHECK(error_of(stack.run(stack.chain().refund(id, wallet.address, of_one))) ==
          Error::voucher_signature);
    const auto held = stack.anvil.token_balance(wallet.address);
    const auto sent = stack.run(stack.chain().refund(id, wallet.address, asked));
    REQUIRE(error_of(sent) == std::nullopt);
    REQUIRE(stack.wait_for_event(id, "refunded"));
    CHECK(stack.anvil.token_balance(wallet.address).units() - held.units() == 4000);
    CHECK(stack.state(id).total_claimed == Amount{700});
    CHECK(stack.state(id).balance == Amount{1000});
    CHECK(stack.trial_balance() == "0");

    CHECK(stack.pay_with(terms, 200, wallet.voucher(id, 900), ledger::ContractVerdict::valid) ==
          std::nullopt);
    chain::AbiTuple rounds;
    wallet.call("setRounds(uint256)", rounds.add(std::uint64_t{10'000}));
    const channel::AskRefund dear{Amount{50}, wallet.voucher(id, 900), 0};
    CHECK(error_of(stack.run(stack.chain().refund(id, wallet.address, dear))) ==
          Error::voucher_signature);
}

TEST_CASE("wallet: is known after a restart, and an account with a key needs no asking",
          "[chain][wallet]") {
    ChainStack stack;
    stack.start();
    Wallet wallet(stack, kReceiver);
    const auto id = wallet.opened(wallet.terms(), 5000, 1);
    const auto of_key = stack.opened(1, stack.terms(1, kReceiver), 5000);
    // An authorizer is a key, whoever pays.
    auto authorized = wallet.terms(9);
    authorized.payer_authorizer = Anvil::key(4).address();
    const auto by_authorizer = wallet.opened(authorized, 5000, 2);
    stack.stop();
    stack.start();
    CHECK(stack.chain().wallet_of(id) == wallet.address);
    CHECK(stack.chain().wallet_of(of_key) == std::nullopt);
    CHECK(stack.chain().wallet_of(by_authorizer) == std::nullopt);
    CHECK(wallet.ask(id, wallet.voucher(id, 10)) == std::nullopt);
    CHECK(stack.query("select count(*) from channel where voucher_signer = 'contract'") == "1");
}

TEST_CASE("wallet: a login is put to any address on the first network", "[chain][wallet]") {
    ChainStack stack;
    stack.start();
    Wallet wallet(stack, kReceiver);
    const auto digest = channel::personal_message_digest("let me in");
    const auto ask = [&](const channel::Address& address, const channel::Bytes& signature) {
        return error_of(stack.run(stack.chain().ask_wallet(
            address, digest, VoucherSignature::from_bytes(signature).value())));
    };
    CHECK(ask(wallet.address, Wallet::signed_by_both(digest)) == std::nullopt);
    CHECK(ask(wallet.address, {1, 2, 3}) == Error::voucher_signature);
    CHECK(ask(kReceiver, Wallet::signed_by_both(digest)) == Error::voucher_signature);
    // A contract that is no wallet.
    CHECK(ask(stack.anvil.token(), Wallet::signed_by_both(digest)) == Error::voucher_signature);
}
