// A bad row among good ones whose channels are charged on: found within rounds, not by luck.
#include "channel/hex.hpp"
#include "tests/api/chain_stack.hpp"
#include "tests/api/payer_code.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

using namespace support;
using channel::Amount;

namespace {

constexpr unsigned kChannels = 16;
constexpr unsigned kBad = 5;
constexpr unsigned kPayerOfBad = 6;
constexpr std::uint64_t kCharge = 10;
/// Of 16, 8, 4, 2 rows and of one.
constexpr unsigned kRoundsMax = 5;
const auto kReceiver =
    *channel::parse_fixed<channel::Address>("0x00000000000000000000000000000000000000bc");

struct Charged {
    ChainStack stack;
    std::vector<channel::ChannelConfig> all;
    std::vector<std::uint64_t> charged = std::vector<std::uint64_t>(kChannels, 0);

    Charged() {
        stack.start();
        for (unsigned n = 0; n < kChannels; ++n) {
            all.push_back(stack.terms(payer_of(n), kReceiver, n));
            const auto opened =
                stack.run(stack.chain().open(stack.network().network, all.back(), "",
                                             stack.deposit(payer_of(n), all.back(), 5000)));
            REQUIRE_FALSE(error_of(opened).has_value());
        }
        for (const auto& config : all)
            REQUIRE(stack.wait_for_status(stack.id(config), channel::Status::open));
    }

    static unsigned payer_of(unsigned n) { return n == kBad ? kPayerOfBad : 1 + n % 5; }

    void charge(unsigned n) {
        charged[n] += kCharge;
        REQUIRE(stack.pay(payer_of(n), all[n], kCharge, charged[n]) == std::nullopt);
    }
    void charge_all() {
        for (unsigned n = 0; n < kChannels; ++n) charge(n);
    }

    /// Its status in the end.
    std::string claim() {
        const auto outcome = stack.run(stack.chain().claim(kReceiver, {}, {}));
        REQUIRE_FALSE(error_of(outcome).has_value());
        const auto& id = std::get<api::ClaimSummary>(outcome).claim_id;
        const auto status = [&] {
            return stack.query("select status from claim where claim_id = '" + id + "'");
        };
        REQUIRE(stack.wait([&] { return status() == "confirmed" || status() == "failed"; }));
        return status();
    }
    std::string quarantined() {
        return stack.query("select encode(channel_id, 'hex'), reason from claim_quarantine");
    }
    std::string reverted() {
        return stack.query(
            "select count(*) from outbox where purpose = 'claim' and status = 'failed'");
    }
};

}  // namespace

TEST_CASE("claim: a row that only blocks refuse is alone after few rounds, and costs no more gas",
          "[chain][isolation]") {
    Charged test;
    auto& stack = test.stack;
    stack.anvil.set_code(Anvil::key(kPayerOfBad).address(), kSaysNoInBlocks);
    unsigned rounds = 0;
    while (test.quarantined().empty() && rounds < kRoundsMax) {
        test.charge_all();
        REQUIRE(test.claim() == "failed");
        ++rounds;
    }
    CHECK(test.quarantined() == channel::to_hex(stack.id(test.all[kBad])).substr(2) + "|reverted");
    // One transaction each time, whatever the others were charged meanwhile.
    CHECK(test.reverted() == std::to_string(rounds));

    // Although its payer goes on to sign, it is not tried at each round.
    for (unsigned more = 0; more < 2; ++more) {
        test.charge_all();
        CHECK(test.claim() == "confirmed");
    }
    CHECK(test.reverted() == std::to_string(rounds));
    std::uint64_t good = 0;
    for (unsigned n = 0; n < kChannels; ++n)
        if (n != kBad) good += test.charged[n];
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{good});

    // Once it says yes, it is claimed as well.
    stack.anvil.set_code(Anvil::key(kPayerOfBad).address(), "0x");
    const auto retried =
        stack.run(stack.chain().retry_channel(stack.id(test.all[kBad]), kReceiver));
    REQUIRE_FALSE(error_of(retried).has_value());
    REQUIRE(stack.wait_for_claim(std::get<api::ClaimSummary>(retried).claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{good + test.charged[kBad]});
    CHECK(stack.trial_balance() == "0");
}
