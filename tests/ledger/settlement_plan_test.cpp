#include "channel/eip712.hpp"
#include "channel/uint256.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/key_signer.hpp"
#include "ledger/settlement/claim_plan.hpp"
#include "tests/support/ledger_fixture.hpp"
#include "tests/support/print.hpp"

#include <rapidcheck.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace support;
using channel::Amount;
using ledger::DueChannel;

namespace {

DueChannel due(unsigned n, std::uint64_t balance, std::uint64_t charged, std::uint64_t claimed,
               std::uint64_t signed_max) {
    DueChannel one;
    one.id.bytes[0] = static_cast<std::uint8_t>(n >> 8);
    one.id.bytes[1] = static_cast<std::uint8_t>(n);
    one.balance = units(balance);
    one.charged = units(charged);
    one.total_claimed = units(claimed);
    one.signed_max = units(signed_max);
    return one;
}

}  // namespace

TEST_CASE("claim plan: claims what is charged on the strength of the highest voucher") {
    const std::vector<DueChannel> channels{due(2, 1000, 700, 200, 900)};
    const auto rows = ledger::plan_claim(channels, {});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].claim.total_claimed == units(700));
    CHECK(rows[0].claim.max_claimable == units(900));
    CHECK(rows[0].increment == units(500));
}

TEST_CASE("claim plan: nothing to gain is left out, what can be lost first comes first") {
    std::vector<DueChannel> channels{due(9, 1000, 700, 200, 900), due(3, 1000, 200, 200, 900),
                                     due(4, 1000, 100, 200, 900), due(1, 1000, 201, 200, 201),
                                     due(5, 1000, 700, 200, 200), due(6, 100, 700, 100, 900),
                                     due(7, 1000, 201, 200, 201), due(8, 1000, 202, 200, 202)};
    channels[6].deadline = 2000;
    channels[7].deadline = 3000;
    const auto rows = ledger::plan_claim(channels, {});
    REQUIRE(rows.size() == 4);
    CHECK(rows[0].id == channels[6].id);
    CHECK(rows[1].id == channels[7].id);
    CHECK(rows[2].id == channels[0].id);
    CHECK(rows[3].id == channels[3].id);
}

TEST_CASE("claim plan: between two intervals only the threshold or a withdrawal is an occasion") {
    std::vector<DueChannel> channels{due(1, 1000, 300, 0, 900), due(2, 1000, 200, 0, 900)};
    const auto planned = [&](const ledger::ClaimPolicy& policy) {
        return ledger::plan_claim(channels, policy).size();
    };
    ledger::ClaimPolicy policy;
    policy.occasion = ledger::Occasion::watching;
    CHECK(planned(policy) == 0);
    policy.threshold = units(501);
    CHECK(planned(policy) == 0);
    policy.threshold = units(500);
    CHECK(planned(policy) == 2);
    policy.threshold = units(0);
    channels[1].deadline = 1;
    CHECK(planned(policy) == 2);
    policy.occasion = ledger::Occasion::interval;
    CHECK(planned(policy) == 2);
}

TEST_CASE("claim plan: gas is weighed in the token, with the price of a coin") {
    ledger::ClaimPolicy policy;
    policy.occasion = ledger::Occasion::interval;
    // 10 gwei, and 3,000 units of six decimals for a coin: 25,000 gas are 0.75.
    policy.gas_price = units(10'000'000'000);
    policy.coin_price = units(3'000'000'000);
    policy.gas_percent_max = 10;
    CHECK(ledger::is_worth(units(7'500'000), 25'000, policy));
    CHECK_FALSE(ledger::is_worth(units(7'499'999), 25'000, policy));
    const std::vector<DueChannel> channels{due(1, 90'000'000, 80'000'000, 0, 80'000'000),
                                           due(2, 90'000'000, 7'499'999, 0, 80'000'000)};
    const auto rows = ledger::plan_claim(channels, policy);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].id == channels[0].id);
    policy.occasion = ledger::Occasion::asked;
    CHECK(ledger::plan_claim(channels, policy).size() == 2);
    // Figures beyond all bounds are compared all the same.
    policy.gas_price = Amount::max();
    CHECK_FALSE(ledger::is_worth(Amount::max(), 25'000, policy));
    policy.gas_price = units(1);
    CHECK(ledger::is_worth(Amount::max(), 25'000, policy));
}

TEST_CASE("claim plan: rows of reverted claims stand in ever smaller batches") {
    std::vector<DueChannel> channels;
    const bool withdrawn_from = GENERATE(false, true);
    for (unsigned n = 0; n < 12; ++n) {
        channels.push_back(due(n, 100, 50, 0, 50));
        if (withdrawn_from) channels.back().deadline = 900;
    }
    for (unsigned n = 4; n < 9; ++n) channels[n].reverted_rows = 5;
    channels[9].reverted_rows = 1;
    const auto rows = ledger::plan_claim(channels, {});
    std::vector<std::size_t> sizes;
    for (const auto batch : ledger::batches(rows, 100)) sizes.push_back(batch.size());
    if (withdrawn_from)
        CHECK(sizes == std::vector<std::size_t>{4, 1, 1, 1, 1, 1, 1, 2});
    else
        CHECK(sizes == std::vector<std::size_t>{4, 2, 2, 1, 1, 2});
}

TEST_CASE("claim plan: of payers that withdraw alone, when that is the occasion") {
    std::vector<DueChannel> channels{due(1, 100, 50, 0, 50), due(2, 100, 1, 0, 50)};
    channels[1].deadline = 7;
    ledger::ClaimPolicy policy;
    policy.occasion = ledger::Occasion::closing;
    policy.coin_price = Amount::max();
    const auto rows = ledger::plan_claim(channels, policy);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].id == channels[1].id);
    channels.pop_back();
    CHECK(ledger::plan_claim(channels, policy).empty());
}

TEST_CASE("claim plan: policy leaves out only what is below it, and no channel that is closing") {
    const bool holds = rc::check([] {
        std::vector<DueChannel> channels;
        const auto count = *rc::gen::inRange(0, 20);
        const auto figure = [](std::uint64_t most) {
            return *rc::gen::inRange<std::uint64_t>(0, most);
        };
        for (int n = 0; n < count; ++n) {
            channels.push_back(
                due(static_cast<unsigned>(n), figure(100), figure(100), figure(100), figure(100)));
            if (*rc::gen::inRange(0, 10) == 0) channels.back().deadline = figure(50);
        }
        ledger::ClaimPolicy policy;
        policy.occasion = *rc::gen::element(ledger::Occasion::asked, ledger::Occasion::interval,
                                            ledger::Occasion::watching);
        policy.threshold = units(figure(400));
        policy.gas_price = units(figure(1'000'000'000'000));
        policy.coin_price = units(figure(3000));
        policy.gas_percent_max = static_cast<unsigned>(figure(200));
        const auto rows = ledger::plan_claim(channels, policy);

        const auto gain = [](const DueChannel& one) {
            const auto most = std::min({one.charged, one.signed_max, one.balance});
            return most > one.total_claimed ? *channel::subtract(most, one.total_claimed)
                                            : Amount{};
        };
        Amount worthwhile;
        std::size_t worthwhile_rows = 0;
        bool is_closing = false;
        for (const auto& one : channels) {
            if (gain(one).is_zero()) continue;
            const bool counts = policy.occasion == ledger::Occasion::asked || one.deadline ||
                                ledger::is_worth(gain(one), ledger::kClaimRowGas, policy);
            is_closing = is_closing || one.deadline;
            if (!counts) continue;
            worthwhile = *channel::add(worthwhile, gain(one));
            ++worthwhile_rows;
        }
        const bool is_occasion =
            policy.occasion == ledger::Occasion::asked || is_closing ||
            ((policy.occasion == ledger::Occasion::interval ||
              (!policy.threshold.is_zero() && worthwhile >= policy.threshold)) &&
             ledger::is_worth(worthwhile, ledger::claim_gas(worthwhile_rows), policy));
        RC_ASSERT(rows.size() == (is_occasion ? worthwhile_rows : 0));
        std::set<channel::ChannelId> seen;
        for (const auto& row : rows) RC_ASSERT(seen.insert(row.id).second);
        for (std::size_t at = 1; at < rows.size(); ++at) {
            const auto& before = rows[at - 1];
            const auto& row = rows[at];
            RC_ASSERT(!row.deadline || before.deadline);
            if (row.deadline) RC_ASSERT(*before.deadline <= *row.deadline);
            if (!before.deadline) RC_ASSERT(before.increment >= row.increment);
        }
        if (is_closing)
            for (const auto& one : channels)
                RC_ASSERT(!one.deadline || gain(one).is_zero() || seen.contains(one.id));
    });
    CHECK(holds);
}

TEST_CASE("claim plan: batches hold every row once, within gas, size and what reverts ask for") {
    const bool holds = rc::check([] {
        std::vector<DueChannel> channels;
        const auto count = *rc::gen::inRange(0, 700);
        for (int n = 0; n < count; ++n) {
            channels.push_back(due(static_cast<unsigned>(n), 10, 5, 0, 5));
            if (*rc::gen::inRange(0, 5) == 0)
                channels.back().reverted_rows = *rc::gen::inRange<std::size_t>(0, 300);
            if (*rc::gen::inRange(0, 8) == 0)
                channels.back().voucher_signer = channel::VoucherSigner::contract;
        }
        const auto rows = ledger::plan_claim(channels, {});
        const auto rows_max = *rc::gen::inRange<std::size_t>(0, 1000);
        const auto* next = rows.data();
        for (const auto batch : ledger::batches(rows, rows_max)) {
            RC_ASSERT(batch.data() == next);
            next += batch.size();
            RC_ASSERT(!batch.empty());
            RC_ASSERT(batch.size() <= std::max<std::size_t>(rows_max, 1));
            const auto weight = ledger::claim_weight(batch);
            RC_ASSERT(batch.size() == 1 || weight <= ledger::kClaimRowsMax);
            RC_ASSERT(ledger::claim_gas(weight) <= ledger::chain::kGasLimitMax);
            for (const auto& row : batch)
                RC_ASSERT(row.reverted_rows == 0 ||
                          batch.size() <= std::max<std::size_t>(row.reverted_rows / 2, 1));
        }
        RC_ASSERT(next == rows.data() + rows.size());
    });
    CHECK(holds);
}

TEST_CASE("claim plan: never above charge, signature or balance, always above what was claimed") {
    const bool holds = rc::check([] {
        std::vector<DueChannel> channels;
        const auto count = *rc::gen::inRange(0, 30);
        for (int n = 0; n < count; ++n) {
            const auto figure = [] { return *rc::gen::inRange<std::uint64_t>(0, 50); };
            channels.push_back(
                due(static_cast<unsigned>(n), figure(), figure(), figure(), figure()));
        }
        const auto rows = ledger::plan_claim(channels, {});
        for (const auto& row : rows) {
            const auto n = static_cast<std::size_t>(row.id.bytes[0] * 256 + row.id.bytes[1]);
            const auto& channel = channels[n];
            RC_ASSERT(row.claim.total_claimed <= channel.charged);
            RC_ASSERT(row.claim.total_claimed <= channel.signed_max);
            RC_ASSERT(row.claim.total_claimed <= channel.balance);
            RC_ASSERT(row.claim.total_claimed > channel.total_claimed);
            RC_ASSERT(*channel::add(channel.total_claimed, row.increment) ==
                      row.claim.total_claimed);
        }
        std::size_t claimable = 0;
        for (const auto& channel : channels)
            claimable += std::min({channel.charged, channel.signed_max, channel.balance}) >
                         channel.total_claimed;
        RC_ASSERT(rows.size() == claimable);
    });
    CHECK(holds);
}

TEST_CASE("claim plan: batches hold all rows once, in order, within the limit") {
    std::vector<DueChannel> channels;
    for (unsigned n = 0; n < 601; ++n) channels.push_back(due(n, 10, 5, 0, 5));
    const auto rows = ledger::plan_claim(channels, {});
    const auto sizes = [&](std::size_t rows_max) {
        std::vector<std::size_t> all;
        const ledger::PlannedRow* next = rows.data();
        for (const auto batch : ledger::batches(rows, rows_max)) {
            CHECK(batch.data() == next);
            next += batch.size();
            all.push_back(batch.size());
        }
        CHECK(next == rows.data() + rows.size());
        return all;
    };
    CHECK(sizes(601) == std::vector<std::size_t>{250, 250, 101});
    CHECK(sizes(200) == std::vector<std::size_t>{200, 200, 200, 1});
    CHECK(sizes(0).size() == 601);
    CHECK(ledger::batches({}, 100).empty());
}

TEST_CASE("claim plan: a full batch fits into what nodes take") {
    std::vector<DueChannel> channels;
    for (unsigned n = 0; n < ledger::kClaimRowsMax; ++n) channels.push_back(due(n, 10, 5, 0, 5));
    const auto rows = ledger::plan_claim(channels, {});
    ledger::chain::KeySigner signer(key(1), key(2));
    const auto call = ledger::claim_calldata({}, rows, signer);
    CHECK(call.size() < 128 * 1024 - 1000);
}

TEST_CASE("claim plan: rows that contracts judge weigh more, and their batch still fits") {
    std::vector<DueChannel> channels;
    for (unsigned n = 0; n < 30; ++n) {
        channels.push_back(due(n, 10, 5, 0, 5));
        if (n % 2 == 0) continue;
        channels.back().voucher_signer = channel::VoucherSigner::contract;
        channels.back().signature = channel::VoucherSignature::from_bytes(
                                        channel::Bytes(channel::VoucherSignature::kBytesMax, 1))
                                        .value();
    }
    const auto rows = ledger::plan_claim(channels, {});
    const auto batches = ledger::batches(rows, 100);
    // Five, five and five of a contract, then those of a key: none shares with the other kind.
    REQUIRE(batches.size() == 4);
    for (const auto batch : batches)
        for (const auto& row : batch) CHECK(row.voucher_signer == batch[0].voucher_signer);
    CHECK(batches.back()[0].voucher_signer == channel::VoucherSigner::key);
    ledger::chain::KeySigner signer(key(1), key(2));
    std::size_t held = 0;
    for (const auto batch : batches) {
        held += batch.size();
        CHECK(ledger::claim_calldata({}, batch, signer).size() < 128 * 1024 - 1000);
    }
    CHECK(held == rows.size());
    CHECK(ledger::batches(rows, 1).size() == rows.size());
    for (const auto batch : ledger::batches(rows, ledger::kClaimRowsMax))
        CHECK(ledger::claim_gas_max(batch) < 16'777'216);
}

TEST_CASE("claim plan: a sweep pays the increments and what was left unsettled") {
    const std::vector<DueChannel> channels{due(1, 1000, 700, 200, 900), due(2, 1000, 40, 0, 40)};
    const auto rows = ledger::plan_claim(channels, {});
    CHECK(*ledger::total(rows) == units(540));
    CHECK(*ledger::to_sweep(rows, {units(300), units(250)}) == units(590));
    CHECK(*ledger::to_sweep({}, {units(300), units(300)}) == units(0));
    CHECK(ledger::to_sweep(rows, {units(1), units(2)}).has_error());
    CHECK(ledger::to_sweep(rows, {Amount::max(), units(0)}).has_error());
}

TEST_CASE("claim plan: the batch is signed by the authorizer under the escrow's domain") {
    const ledger::chain::EscrowContract escrow{{31337}, {}};
    const auto separator = channel::domain_separator(channel::escrow_domain(31337, {}));
    ledger::chain::KeySigner authorizer(key(7), key(8));
    const std::vector<DueChannel> channels{due(1, 1000, 700, 200, 900)};
    const auto rows = ledger::plan_claim(channels, {});
    const auto call = ledger::claim_calldata(escrow, rows, authorizer);
    channel::Signature signature;
    // The last argument: length, 65 bytes, padding to 96.
    std::copy_n(call.end() - 96, channel::Signature::size, signature.bytes.begin());
    const std::vector<channel::ClaimEntry> entries{
        {channel::channel_id(separator, rows[0].claim.config), units(900), units(700)}};
    const auto signer = channel::recover(channel::digest(separator, entries), signature);
    REQUIRE(signer.has_value());
    CHECK(channel::address_of(*signer) == key(7).address());
}
