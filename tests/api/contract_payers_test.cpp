// Payers that are contracts, before a signer that does and does not sign claims for such.
#include "channel/hex.hpp"
#include "tests/api/signer_stack.hpp"
#include "tests/api/wallet_stack.hpp"
#include "tests/api/x402_stack.hpp"
#include "tests/support/print.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <fstream>
#include <regex>
#include <sstream>

using namespace support;
using channel::Amount;
using channel::Error;
using channel::Status;
using ledger::chain::ContractPayers;

namespace {

/// Nobody else's in these tests.
const auto kReceiver =
    *channel::parse_fixed<channel::Address>("0x00000000000000000000000000000000000000ae");
constexpr const char* kBelieved = "contract_payers = true";

struct SignedStack {
    std::unique_ptr<SignerProcess> signer;
    ChainStack stack;

    explicit SignedStack(const std::string& more)
        : stack({}, [&](api::Config& config) {
              signer = use_signer(config, {{}, {}, more, {}, {}});
          }) {
        stack.start();
    }

    /// Ends the signer and starts it with another setting.
    void restart_signer(const std::string& believed) {
        signer->kill();
        std::stringstream text;
        text << std::ifstream(signer->config_file()).rdbuf();
        const std::regex setting("contract_payers = (true|false)");
        const auto changed =
            std::regex_replace(text.str(), setting, "contract_payers = " + believed);
        std::ofstream(signer->config_file()) << changed;
        signer->start();
    }

    std::optional<Error> open(const channel::ChannelConfig& terms,
                              std::optional<api::GaslessDeposit> deposit = {}) {
        return error_of(
            stack.run(stack.chain().open(stack.network().network, terms, "", std::move(deposit))));
    }
    auto claim() { return stack.run(stack.chain().claim(kReceiver, {}, {})); }
};

}  // namespace

TEST_CASE("contract payers: no channel is taken whose charges the signer would not claim",
          "[chain][wallet][signer]") {
    SignedStack test("");
    auto& stack = test.stack;
    Wallet wallet(stack, kReceiver);
    const auto terms = wallet.terms();
    const auto held = stack.anvil.token_balance(wallet.address);
    CHECK(test.open(terms, wallet.deposit(terms, 5000, 1)) == Error::contract_payer_refused);
    CHECK(stack.query("select count(*) from outbox") == "0");
    CHECK(stack.anvil.token_balance(wallet.address) == held);
    // Nor one that is found on chain with money in it.
    wallet.deposit_directly(terms, 5000, 2);
    REQUIRE(stack.wait_until_followed());
    CHECK(test.open(terms) == Error::contract_payer_refused);
    CHECK(stack.query("select count(*) from channel") == "0");

    // What the refusal says to do: its payments are claimed.
    auto authorized = wallet.terms(1);
    authorized.payer_authorizer = Anvil::key(4).address();
    const auto id = wallet.opened(authorized, 5000, 3);
    CHECK(stack.pay(4, authorized, 700, 700) == std::nullopt);
    const auto outcome = test.claim();
    REQUIRE(error_of(outcome) == std::nullopt);
    REQUIRE(stack.wait_for_claim(std::get<api::ClaimSummary>(outcome).claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{700});
    CHECK_FALSE(stack.chain().refuse_wallet(id).has_value());
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("contract payers: a channel of before takes no promises, and is claimed once allowed",
          "[chain][wallet][signer]") {
    SignedStack test(kBelieved);
    auto& stack = test.stack;
    Wallet wallet(stack, kReceiver);
    const auto terms = wallet.terms();
    const auto id = wallet.opened(terms, 5000, 1);
    CHECK(stack.pay_with(terms, 700, wallet.voucher(id, 700), ledger::ContractVerdict::valid) ==
          std::nullopt);
    CHECK_FALSE(stack.chain().refuse_wallet(id).has_value());

    test.restart_signer("false");
    REQUIRE(stack.wait([&] { return stack.chain().refuse_wallet(id).has_value(); }));
    CHECK(stack.chain().refuse_wallet(id)->error == Error::contract_payer_refused);
    CHECK(error_of(stack.run(
              stack.chain().top_up(id, wallet.address, wallet.deposit(terms, 2000, 2)))) ==
          Error::contract_payer_refused);
    CHECK(test.open(terms, wallet.deposit(terms, 2000, 3)) == Error::contract_payer_refused);
    CHECK(test.open(wallet.terms(1), wallet.deposit(wallet.terms(1), 2000, 4)) ==
          Error::contract_payer_refused);
    // To be told of what there is, is no new promise.
    CHECK(test.open(terms) == std::nullopt);
    CHECK(error_of(test.claim()).has_value());
    CHECK(stack.query("select reason from claim_quarantine") == "signer_refused");

    test.restart_signer("true");
    REQUIRE(stack.wait([&] { return !stack.chain().refuse_wallet(id).has_value(); }));
    const auto outcome = stack.run(stack.chain().retry_channel(id, kReceiver));
    REQUIRE(error_of(outcome) == std::nullopt);
    REQUIRE(stack.wait_for_claim(std::get<api::ClaimSummary>(outcome).claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{700});
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("contract payers: the facilitator finds no payment good that could not be claimed",
          "[x402][wallet][signer]") {
    const bool is_believed = GENERATE(false, true);
    std::unique_ptr<SignerProcess> signer;
    X402Stack test([&](api::Config& config) {
        signer = use_signer(config, {{}, {}, is_believed ? kBelieved : "", {}, {}});
    });
    Wallet wallet(test.chain, Anvil::key(X402Stack::kProvider).address());
    const auto reason_by = [](const RestAnswer& answer) { return answer.text("/invalidReason"); };
    const auto signed_by_wallet = [&](X402Stack::Object payload, const auto& config,
                                      std::uint64_t max) {
        const auto made = wallet.voucher(test.chain.id(config), max);
        return with(std::move(payload), "/voucher/signature", channel::to_hex(made.signature));
    };
    const auto config = wallet.terms();
    const auto required = test.requirements(config);
    wallet.deposit_directly(config, 5000, 1);
    REQUIRE(test.chain.wait_until_followed());
    const auto payment = signed_by_wallet(test.voucher(config, 100), config, 100);
    CHECK(reason_by(test.verify(payment, required)) ==
          (is_believed ? "" : "contract_payer_refused"));
    // Its money back is its own.
    CHECK(reason_by(test.verify(signed_by_wallet(test.refund(config, 0), config, 0), required)) ==
          "");

    const auto more = wallet.terms(1);
    auto deposit = signed_by_wallet(test.permit2_deposit(more, 5000, 100), more, 100);
    const auto authorized = wallet.deposit(more, 5000, 0);
    const auto& authorization =
        std::get<ledger::chain::Permit2Authorization>(authorized.authorization);
    deposit = with(std::move(deposit), "/deposit/authorization/permit2Authorization/signature",
                   channel::to_hex(channel::BytesView(authorization.signature)));
    auto wanted = test.requirements(more);
    wanted["extra"].as_object()["assetTransferMethod"] = "permit2";
    CHECK(reason_by(test.verify(deposit, wanted)) == (is_believed ? "" : "contract_payer_refused"));
    const auto settled = test.settle(deposit, wanted);
    INFO(settled.response.body);
    CHECK(settled.text("/success") == (is_believed ? "true" : "false"));
    CHECK(settled.text("/errorReason") == (is_believed ? "" : "contract_payer_refused"));

    // What another authorizer claims is its own to judge.
    auto own = wallet.terms(2);
    own.receiver_authorizer = Anvil::key(X402Stack::kOwnAuthorizer).address();
    wallet.deposit_directly(own, 5000, 2);
    const auto others = signed_by_wallet(test.voucher(own, 100), own, 100);
    CHECK(reason_by(test.verify(others, test.requirements(own))) == "");
}
