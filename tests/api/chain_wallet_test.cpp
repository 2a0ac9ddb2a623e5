#include "channel/keccak.hpp"
#include "channel/permit_transfer.hpp"
#include "channel/uint256.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/abi.hpp"
#include "ledger/chain/erc1271.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "tests/api/chain_stack.hpp"
#include "tests/support/print.hpp"
#include "tests/support/wallet_code.hpp"

#include <catch2/catch.hpp>

using namespace support;
using channel::Amount;
using channel::Error;
using channel::Status;
using channel::VoucherSignature;
namespace chain = ledger::chain;

namespace {

const auto kReceiver = Anvil::key(3).address();
constexpr unsigned kFirstOwner = 1;
constexpr unsigned kSecondOwner = 2;

channel::Bytes signed_by_both(const channel::Digest& digest) {
    channel::Bytes both;
    for (const auto owner : {kFirstOwner, kSecondOwner}) {
        const auto signature = Anvil::key(owner).sign(digest);
        both.insert(both.end(), signature.bytes.begin(), signature.bytes.end());
    }
    return both;
}

/// A smart wallet of two owners that holds tokens and has approved Permit2.
struct Wallet {
    explicit Wallet(ChainStack& chain_stack) : stack(chain_stack) {
        chain::AbiTuple owners;
        owners.add(Anvil::key(kFirstOwner).address()).add(Anvil::key(kSecondOwner).address());
        address = stack.anvil.deploy(chain::code::kTwoOwnerWalletCreation, owners.encode());
        chain::AbiTuple gift;
        gift.add(address).add(std::uint64_t{100'000});
        stack.anvil.send(0, stack.anvil.token(),
                         chain::encode_call({0xa9, 0x05, 0x9c, 0xbb}, gift));
        chain::AbiTuple approval;
        approval.add(stack.anvil.token()).add(chain::kPermit2);
        call("approve(address,address)", approval);
    }

    void call(std::string_view function, const chain::AbiTuple& arguments) {
        const auto hash = channel::keccak256(function);
        chain::Selector selector;
        std::copy_n(hash.bytes.begin(), selector.size(), selector.begin());
        stack.anvil.send(0, address, chain::encode_call(selector, arguments));
    }

    channel::ChannelConfig terms(std::uint64_t salt = 0) const {
        auto made = stack.terms(kFirstOwner, kReceiver, salt);
        made.payer = address;
        return made;
    }

    api::GaslessDeposit deposit(const channel::ChannelConfig& terms, std::uint64_t amount,
                                std::uint64_t nonce) const {
        auto made = stack.permit2_deposit(kFirstOwner, terms, amount, nonce);
        auto& authorization = std::get<chain::Permit2Authorization>(made.authorization);
        const channel::PermitTransfer transfer{authorization.token,    authorization.amount,
                                               authorization.spender,  authorization.nonce,
                                               authorization.deadline, authorization.channel_id};
        authorization.signature = signed_by_both(channel::digest(
            channel::permit2_separator(Anvil::kChainId, chain::kPermit2), transfer));
        return made;
    }

    channel::ChannelId opened(const channel::ChannelConfig& terms, std::uint64_t amount,
                              std::uint64_t nonce) const {
        const auto outcome = stack.run(
            stack.chain().open(stack.network().network, terms, "", deposit(terms, amount, nonce)));
        if (const auto error = error_of(outcome))
            throw std::runtime_error("not opened: " + std::string(channel::reason(*error)));
        if (!stack.wait_for_status(stack.id(terms), Status::open))
            throw std::runtime_error("the deposit did not count in time");
        return stack.id(terms);
    }

    channel::SignedVoucher voucher(const channel::ChannelId& id, std::uint64_t max) const {
        const auto digest =
            channel::digest(stack.asset().escrow_separator, channel::Voucher{id, Amount{max}});
        return {Amount{max}, VoucherSignature::from_bytes(signed_by_both(digest)).value()};
    }

    std::optional<Error> ask(const channel::ChannelId& id,
                             const channel::SignedVoucher& voucher) const {
        return error_of(stack.run(stack.chain().ask_wallet(id, voucher)));
    }

    ChainStack& stack;
    channel::Address address;
};

}  // namespace

TEST_CASE("wallet: a contract pays by Permit2, is asked about its vouchers, and is claimed",
          "[chain][wallet]") {
    ChainStack stack;
    stack.start();
    Wallet wallet(stack);
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
    Wallet wallet(stack);
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
    Wallet dear(stack);
    const auto other = dear.opened(dear.terms(1), 5000, 1);
    chain::AbiTuple rounds;
    dear.call("setRounds(uint256)", rounds.add(chain::kErc1271GasMax / 50));
    CHECK(dear.ask(other, dear.voucher(other, 10)) == Error::voucher_signature);
}

TEST_CASE("wallet: one that turns dear is left out of claims, and its deposits are not paid for",
          "[chain][wallet]") {
    ChainStack stack;
    stack.start();
    Wallet wallet(stack);
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
    Wallet wallet(stack);
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
    Wallet wallet(stack);
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
    Wallet wallet(stack);
    const auto digest = channel::personal_message_digest("let me in");
    const auto ask = [&](const channel::Address& address, const channel::Bytes& signature) {
        return error_of(stack.run(stack.chain().ask_wallet(
            address, digest, VoucherSignature::from_bytes(signature).value())));
    };
    CHECK(ask(wallet.address, signed_by_both(digest)) == std::nullopt);
    CHECK(ask(wallet.address, {1, 2, 3}) == Error::voucher_signature);
    CHECK(ask(kReceiver, signed_by_both(digest)) == Error::voucher_signature);
    // A contract that is no wallet.
    CHECK(ask(stack.anvil.token(), signed_by_both(digest)) == Error::voucher_signature);
}
