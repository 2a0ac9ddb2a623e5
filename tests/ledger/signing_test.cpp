#include "channel/eip712.hpp"
#include "channel/hex.hpp"
#include "channel/uint256.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/anchor.hpp"
#include "ledger/chain/fees.hpp"
#include "ledger/chain/key_signer.hpp"
#include "ledger/signing/guarded_signer.hpp"
#include "tests/support/ledger_fixture.hpp"
#include "tests/support/print.hpp"

#include <rapidcheck.h>
#include <catch2/catch.hpp>

using namespace support;
using namespace std::chrono_literals;
using channel::Amount;
using ledger::chain::EscrowContract;
using ledger::chain::SignerRefused;
using ledger::chain::SignerUnavailable;
using ledger::chain::Transaction;
using ledger::chain::VoucherClaim;
using ledger::signing::SignedEntry;
using ledger::signing::SignedRecord;

namespace {

const channel::Address kContract = key(70).address();
const channel::Address kToken = key(71).address();
const channel::Address kReceiver = key(72).address();
const EscrowContract kEscrow{{31337}, kContract};

ledger::signing::SigningRules rules() {
    ledger::signing::SigningRules made;
    auto& network = made.networks[{31337}];
    network.contract = kContract;
    network.max_fee_per_gas = units(100);
    network.cost_per_hour_max = units(1'000'000'000);
    network.value_per_hour_max[kToken] = units(10'000);
    return made;
}

/// Of payer `n`, for a signer whose authorizer is key 8.
channel::ChannelConfig terms(unsigned n) {
    return {.payer = key(n).address(),
            .payer_authorizer = {},
            .receiver = kReceiver,
            .receiver_authorizer = key(8).address(),
            .token = kToken,
            .withdraw_delay_seconds = 900,
            .salt = {}};
}

channel::ChannelId id_of(const channel::ChannelConfig& config) {
    return channel::channel_id(ledger::chain::domain_separator(kEscrow), config);
}

VoucherClaim row(unsigned n, std::uint64_t total, std::uint64_t max) {
    const auto config = terms(n);
    const channel::Voucher voucher{id_of(config), units(max)};
    const auto digest = channel::digest(ledger::chain::domain_separator(kEscrow), voucher);
    return {config, units(max), key(n).sign(digest), units(total)};
}

Transaction settling() {
    Transaction transaction;
    transaction.chain_id = 31337;
    transaction.nonce = 3;
    transaction.priority_fee = units(1);
    transaction.max_fee = units(100);
    transaction.gas_limit = 100'000;
    transaction.to = kContract;
    transaction.data = ledger::chain::settle_call(kReceiver, kToken);
    return transaction;
}

/// A signer on rules, with a clock of its own and a file in memory.
struct Guarded {
    ledger::Time time = kNoon;
    std::vector<std::string> kept;
    ledger::chain::KeySigner keys;
    ledger::signing::GuardedSigner signer;

    explicit Guarded(ledger::signing::SigningRules with = rules(), SignedRecord record = {},
                     unsigned relayer = 9)
        : keys(key(8), key(relayer)),
          signer(
              keys, std::move(with), std::move(record),
              [this](const SignedEntry& entry) { kept.push_back(to_line(entry)); },
              [this] { return time; }) {}

    bool signs(std::vector<VoucherClaim> rows) { return objection(std::move(rows)).empty(); }
    /// Why the rows are refused; empty: they were signed, and rightly.
    std::string objection(std::vector<VoucherClaim> rows, const EscrowContract& escrow = kEscrow) {
        try {
            const auto signature = signer.sign_claims(escrow, rows);
            const auto by = channel::recover(ledger::chain::claims_digest(escrow, rows), signature);
            return by && channel::address_of(*by) == key(8).address() ? "" : "badly signed";
        } catch (const SignerRefused& error) {
            return error.what();
        }
    }
    std::string objection(const Transaction& transaction) {
        try {
            const auto signature = signer.sign_transaction(transaction);
            const auto by = channel::recover(ledger::chain::signing_hash(transaction), signature);
            return by && channel::address_of(*by) == keys.relayer() ? "" : "badly signed";
        } catch (const SignerRefused& error) {
            return error.what();
        }
    }
    std::string refund_objection(const channel::ChannelConfig& config, std::uint64_t nonce,
                                 std::uint64_t amount) {
        try {
            const auto word = channel::word_from(nonce);
            const auto signature = signer.sign_refund(kEscrow, config, word, units(amount));
            const auto digest = ledger::chain::refund_digest(kEscrow, config, word, units(amount));
            const auto by = channel::recover(digest, signature);
            return by && channel::address_of(*by) == key(8).address() ? "" : "badly signed";
        } catch (const SignerRefused& error) {
            return error.what();
        }
    }
    /// What a later start knows.
    SignedRecord record() const {
        SignedRecord read;
        for (const auto& line : kept) read.add(*ledger::signing::parse_line(line));
        return read;
    }
};

template <class Change>
Transaction changed(Change change) {
    auto transaction = settling();
    change(transaction);
    return transaction;
}

}  // namespace

TEST_CASE("signing: claims of this service are signed, others are refused with the reason",
          "[signing]") {
    Guarded guarded;
    CHECK(guarded.objection({row(1, 500, 700), row(2, 300, 300)}) == "");
    const auto objection = [&](auto change) {
        auto one = row(3, 10, 20);
        change(one);
        return guarded.objection({one});
    };
    CHECK_THAT(objection([](auto& one) { one.total_claimed = units(21); }),
               Catch::Contains("more than its voucher allows"));
    CHECK_THAT(objection([](auto& one) { one.max_claimable = units(21); }),
               Catch::Contains("not the payer's"));
    CHECK_THAT(objection([](auto& one) { one.signature = row(4, 10, 20).signature; }),
               Catch::Contains("not the payer's"));
    CHECK_THAT(objection([](auto& one) { one.signature = {}; }),
               Catch::Contains("not the payer's"));
    CHECK_THAT(objection([](auto& one) { one.config.payer_authorizer = key(5).address(); }),
               Catch::Contains("not the payer's"));
    CHECK_THAT(objection([](auto& one) { one.config.receiver_authorizer = key(5).address(); }),
               Catch::Contains("is another"));
    CHECK_THAT(objection([](auto& one) { one.config.token = key(5).address(); }),
               Catch::Contains("token"));
    CHECK_THAT(guarded.objection({row(3, 10, 20), row(3, 10, 20)}), Catch::Contains("twice"));
    CHECK_THAT(guarded.objection(std::vector<VoucherClaim>{}), Catch::Contains("without rows"));
    CHECK_THAT(guarded.objection({row(3, 10, 20)}, {{1}, kContract}),
               Catch::Contains("eip155:1 is not configured"));
    CHECK_THAT(guarded.objection({row(3, 10, 20)}, {{31337}, kToken}),
               Catch::Contains("is not the escrow contract"));
    CHECK(guarded.signer.health().refusals == 11);
    CHECK(guarded.kept.size() == 1);
}

TEST_CASE("signing: a payer authorizer's vouchers count; a contract wallet's only if configured",
          "[signing]") {
    auto one = row(1, 10, 20);
    one.config.payer_authorizer = key(6).address();
    const channel::Voucher voucher{id_of(one.config), one.max_claimable};
    one.signature = key(6).sign(channel::digest(ledger::chain::domain_separator(kEscrow), voucher));
    auto wallet = row(2, 10, 20);
    wallet.signature = channel::VoucherSignature::from_bytes(channel::Bytes(130, 7)).value();
    Guarded strict;
    CHECK(strict.objection({one}) == "");
    CHECK_THAT(strict.objection({wallet}), Catch::Contains("not the payer's"));
    auto lenient = rules();
    lenient.contract_payers = ledger::signing::ContractPayers::believed;
    Guarded believing(lenient);
    CHECK(believing.objection({wallet}) == "");
    one.signature = {};
    CHECK_THAT(believing.objection({one}), Catch::Contains("not the payer's"));
}

TEST_CASE("signing: never a lower total than before, also after a restart", "[signing]") {
    Guarded guarded;
    CHECK(guarded.signs({row(1, 500, 700), row(2, 5, 5)}));
    CHECK(guarded.signs({row(1, 500, 700)}));
    CHECK(guarded.kept.size() == 1);
    CHECK_THAT(guarded.objection({row(1, 499, 700)}),
               Catch::Contains("a claimed total of 500 was signed before, 499 is lower"));
    CHECK(guarded.signs({row(1, 501, 501)}));
    Guarded later(rules(), guarded.record());
    CHECK_FALSE(later.signs({row(1, 500, 700)}));
    CHECK_FALSE(later.signs({row(3, 1, 1), row(2, 4, 5)}));
    CHECK(later.signs({row(1, 501, 700), row(2, 5, 5)}));
    CHECK(later.kept.empty());
}

TEST_CASE("signing: what is about to be signed is kept first, or it is not signed", "[signing]") {
    ledger::chain::KeySigner keys{key(8), key(9)};
    bool disk_is_full = true;
    ledger::signing::GuardedSigner signer(
        keys, rules(), {},
        [&](const SignedEntry&) {
            if (disk_is_full) throw std::runtime_error("no space");
        },
        [] { return kNoon; });
    const std::vector rows{row(1, 500, 700)};
    CHECK_THROWS_WITH(signer.sign_claims(kEscrow, rows), "no space");
    CHECK_THROWS_WITH(signer.sign_transaction(settling()), "no space");
    CHECK_THROWS_WITH(
        signer.sign_refund(kEscrow, terms(1), channel::word_from(std::uint64_t{0}), units(1)),
        "no space");
    disk_is_full = false;
    CHECK_NOTHROW(signer.sign_claims(kEscrow, rows));
}

TEST_CASE("signing: claims and refunds of an hour stay below the cap of their token", "[signing]") {
    Guarded guarded;
    CHECK(guarded.signs({row(1, 4000, 4000), row(2, 3000, 3000)}));
    CHECK_THAT(guarded.objection({row(3, 3001, 4000)}),
               Catch::Contains("signed_value_per_hour_max"));
    CHECK(guarded.signs({row(3, 1000, 4000)}));
    CHECK(guarded.refund_objection(terms(1), 0, 2000) == "");
    // The same refund again moves nothing more.
    CHECK(guarded.refund_objection(terms(1), 0, 2000) == "");
    CHECK_THAT(guarded.refund_objection(terms(1), 1, 1),
               Catch::Contains("signed_value_per_hour_max"));
    CHECK_FALSE(guarded.signs({row(3, 1001, 4000)}));
    Guarded restarted(rules(), guarded.record());
    restarted.time = kNoon + 59min;
    CHECK_FALSE(restarted.signs({row(3, 1001, 4000)}));
    CHECK(restarted.refund_objection(terms(1), 0, 2000) == "");
    restarted.time = kNoon + 60min;
    CHECK(restarted.signs({row(3, 1001, 4000)}));
}

TEST_CASE("signing: refunds only of channels that leave it to this signer", "[signing]") {
    Guarded guarded;
    auto config = terms(1);
    CHECK(guarded.refund_objection(config, 0, 5) == "");
    config.receiver_authorizer = key(5).address();
    CHECK_THAT(guarded.refund_objection(config, 0, 5), Catch::Contains("is another"));
    config = terms(1);
    config.token = key(5).address();
    CHECK_THAT(guarded.refund_objection(config, 0, 5), Catch::Contains("token"));
}

TEST_CASE("signing: transactions of this service are signed, others are refused with the reason",
          "[signing]") {
    Guarded guarded;
    CHECK(guarded.objection(settling()) == "");
    const auto objection = [&](auto change) { return guarded.objection(changed(change)); };
    CHECK_THAT(objection([](auto& one) { one.to = kToken; }),
               Catch::Contains("is not the escrow contract"));
    CHECK_THAT(objection([](auto& one) { one.to.reset(); }), Catch::Contains("creates a contract"));
    CHECK_THAT(objection([](auto& one) { one.chain_id = 1; }), Catch::Contains("not configured"));
    CHECK_THAT(objection([](auto& one) { one.value.bytes[31] = 1; }),
               Catch::Contains("sends coins"));
    CHECK_THAT(objection([](auto& one) { one.data.clear(); }), Catch::Contains("never calls"));
    CHECK_THAT(objection([](auto& one) { one.data[0] ^= 1; }), Catch::Contains("never calls"));
    CHECK_THAT(objection([](auto& one) { one.max_fee = units(101); }),
               Catch::Contains("max_fee_per_gas"));
    CHECK_THAT(objection([](auto& one) { one.priority_fee = units(101); }),
               Catch::Contains("contradict"));
    CHECK_THAT(objection([](auto& one) { one.gas_limit = ledger::chain::kGasLimitMax + 1; }),
               Catch::Contains("gas limit"));
    CHECK_THAT(objection([](auto& one) { one.access_list.resize(1); }),
               Catch::Contains("access list"));
    // Fills a gap among nonces: moves nothing.
    const auto empty = changed([](auto& one) {
        one.to = key(9).address();
        one.data.clear();
    });
    CHECK(guarded.objection(empty) == "");
    CHECK_THAT(guarded.objection(changed([](auto& one) { one.to = key(9).address(); })),
               Catch::Contains("is not the escrow contract"));
}

TEST_CASE("signing: a tree head rides behind a call, and nothing else does", "[signing][anchor]") {
    using namespace ledger::chain;
    Guarded guarded;
    Anchor head{0x0102030405060708, {}};
    head.root.bytes.fill(0xab);
    auto anchored = settling();
    anchored.data = multicall_call({anchored.data});
    const auto call = anchored.data;
    append_anchor(anchored.data, head);
    CHECK(anchored.data.size() == call.size() + 44);
    CHECK(anchor_of(anchored.data) == head);
    CHECK(std::ranges::equal(without_anchor(anchored.data), call));
    CHECK_FALSE(anchor_of(call).has_value());
    CHECK(std::ranges::equal(without_anchor(call), call));
    CHECK(guarded.objection(anchored) == "");
    for (const std::size_t at : {std::size_t{0}, call.size(), call.size() + 3}) {
        auto bent = anchored;
        bent.data[at] ^= 1;
        CHECK_THAT(guarded.objection(bent), Catch::Contains("never calls"));
    }
    auto twice = anchored;
    append_anchor(twice.data, head);
    CHECK_THAT(guarded.objection(twice), Catch::Contains("never calls"));
    auto longer = anchored;
    longer.data.push_back(0);
    CHECK_THAT(guarded.objection(longer), Catch::Contains("never calls"));
    auto alone = anchored;
    alone.data.assign(anchored.data.end() - 44, anchored.data.end());
    CHECK_THAT(guarded.objection(alone), Catch::Contains("never calls"));
}

TEST_CASE("signing: only what the relayer sends for others is a call of this service",
          "[signing]") {
    using namespace ledger::chain;
    const std::vector rows{row(1, 5, 5)};
    const auto config = terms(1);
    const auto claim = claim_with_signature_call(rows, {});
    const auto settle = settle_call(kReceiver, kToken);
    const auto refund = refund_with_signature_call(config, units(1), {}, {});
    for (const auto& call : {claim, settle, refund, deposit_call(config, units(1), kToken, {})})
        CHECK(is_relayed_call(call));
    const auto many = multicall_call({claim, settle, refund});
    CHECK(is_relayed_call(many));
    for (const auto& call :
         {claim_call(rows), initiate_withdraw_call(config, units(1)), channel::Bytes{},
          channel::Bytes(3, 0xac), finalize_withdraw_call(config), channels_call(id_of(config)),
          balance_of_call(kToken)}) {
        CHECK_FALSE(is_relayed_call(call));
        CHECK_FALSE(is_relayed_call(multicall_call({claim, call})));
    }
    CHECK_FALSE(is_relayed_call(multicall_call({})));
    CHECK_FALSE(is_relayed_call(multicall_call({many})));
    auto longer = many;
    longer.push_back(0);
    CHECK_FALSE(is_relayed_call(longer));
    for (std::size_t size = 4; size < many.size(); size += 7)
        CHECK_FALSE(is_relayed_call(channel::BytesView(many).first(size)));
}

TEST_CASE("signing: a multicall of random bytes is never taken for another", "[signing]") {
    const bool holds = rc::check([] {
        const std::vector rows{row(1, 5, 5)};
        auto call =
            ledger::chain::multicall_call({ledger::chain::claim_with_signature_call(rows, {}),
                                           ledger::chain::settle_call(kReceiver, kToken)});
        const auto at = *rc::gen::inRange<std::size_t>(4, call.size());
        const auto byte = *rc::gen::arbitrary<std::uint8_t>();
        const bool same = call[at] == byte;
        call[at] = byte;
        // Within an inner call's arguments any byte is as good as another; the frame around is not.
        if (ledger::chain::is_relayed_call(call)) {
            RC_ASSERT(same || at >= 4 + 5 * 32 + 4);
        }
    });
    CHECK(holds);
}

TEST_CASE("signing: the rows of a claim that needs no signature are read in one encoding alone",
          "[signing]") {
    using namespace ledger::chain;
    const std::vector rows{row(1, 5, 7), row(2, 6, 6)};
    const auto claim = claim_call(rows);
    const auto settle = settle_call(kReceiver, kToken);
    const auto swept = multicall_call({claim, settle});
    for (const auto& call : {claim, swept}) {
        const auto read = direct_claim_rows(call);
        REQUIRE(read.has_value());
        CHECK(claim_call(*read) == claim);
        for (std::size_t size = 0; size < call.size(); size += 7)
            CHECK_FALSE(direct_claim_rows(channel::BytesView(call).first(size)).has_value());
        auto longer = call;
        longer.push_back(0);
        CHECK_FALSE(direct_claim_rows(longer).has_value());
    }
    for (const auto& call :
         {settle, claim_with_signature_call(rows, {}), multicall_call({settle, claim}),
          multicall_call({claim, claim}), multicall_call({claim, channels_call({})}),
          multicall_call({swept}), multicall_call({})})
        CHECK_FALSE(direct_claim_rows(call).has_value());
    const bool holds = rc::check([&] {
        auto call = swept;
        const auto at = *rc::gen::inRange<std::size_t>(4, call.size());
        call[at] = *rc::gen::arbitrary<std::uint8_t>();
        const auto read = direct_claim_rows(call);
        const bool is_the_one = read && multicall_call({claim_call(*read), settle}) == call;
        // RC_ASSERT evaluates both sides of an "or".
        const bool allowed = !read || is_the_one || at >= call.size() - 96;
        RC_ASSERT(allowed);
    });
    CHECK(holds);
}

TEST_CASE("signing: a claim by the right of its sender is judged as one that is signed",
          "[signing]") {
    const auto claiming = [](const std::vector<VoucherClaim>& rows) {
        return changed([&](Transaction& one) {
            one.data = ledger::chain::multicall_call(
                {ledger::chain::claim_call(rows), ledger::chain::settle_call(kReceiver, kToken)});
        });
    };
    Guarded guarded(rules(), {}, 8);
    CHECK(guarded.objection(claiming({row(1, 500, 700), row(2, 5, 5)})) == "");
    CHECK(guarded.objection(claiming({row(1, 500, 700)})) == "");
    CHECK_THAT(guarded.objection(claiming({row(1, 499, 700)})), Catch::Contains("499 is lower"));
    CHECK_FALSE(guarded.signs({row(1, 499, 700)}));
    auto foreign = row(3, 10, 20);
    foreign.signature = row(4, 10, 20).signature;
    CHECK_THAT(guarded.objection(claiming({foreign})), Catch::Contains("not the payer's"));
    CHECK_THAT(guarded.objection(claiming({row(3, 9496, 9496)})),
               Catch::Contains("signed_value_per_hour_max"));
    CHECK_THAT(guarded.objection(claiming({})), Catch::Contains("without rows"));
    Guarded later(rules(), guarded.record(), 8);
    CHECK_FALSE(later.signs({row(2, 4, 5)}));
    CHECK(later.objection(claiming({row(1, 501, 700), row(2, 5, 5)})) == "");
    // With two keys the contract would refuse it.
    Guarded apart;
    CHECK_THAT(apart.objection(claiming({row(1, 5, 5)})),
               Catch::Contains("another than the receiver authorizer"));
}

TEST_CASE("signing: the transactions of an hour stay below the cap of their network", "[signing]") {
    Guarded guarded;
    const auto at_nonce = [](std::uint64_t nonce, std::uint64_t gas) {
        return changed([&](Transaction& one) {
            one.nonce = nonce;
            one.gas_limit = gas;
        });
    };
    CHECK(guarded.objection(at_nonce(0, 6'000'000)) == "");
    CHECK_THAT(guarded.objection(at_nonce(1, 4'000'001)),
               Catch::Contains("signed_cost_per_hour_max"));
    CHECK(guarded.objection(at_nonce(1, 4'000'000)) == "");
    // One nonce is mined once, whatever is signed for it.
    CHECK(guarded.objection(at_nonce(0, 5'000'000)) == "");
    CHECK_FALSE(guarded.objection(at_nonce(0, 6'000'001)).empty());
    Guarded restarted(rules(), guarded.record());
    restarted.time = kNoon + 59min;
    CHECK_FALSE(restarted.objection(at_nonce(2, 1)).empty());
    restarted.time = kNoon + 60min;
    CHECK(restarted.objection(at_nonce(2, 10'000'000)) == "");
}

TEST_CASE("signing: no more signatures within a minute than configured", "[signing]") {
    auto slow = rules();
    slow.signatures_per_minute_max = 3;
    Guarded guarded(slow);
    CHECK(guarded.objection(settling()) == "");
    guarded.time += 30s;
    CHECK(guarded.signs({row(1, 1, 1)}));
    CHECK(guarded.objection(settling()) == "");
    CHECK_THROWS_AS(guarded.signer.sign_transaction(settling()), SignerUnavailable);
    guarded.time += 30s;
    CHECK(guarded.objection(settling()) == "");
    CHECK_THROWS_AS(guarded.signer.sign_transaction(settling()), SignerUnavailable);
    CHECK(guarded.signer.health().refusals == 2);
}

TEST_CASE("signing: a line of the record reads as written, and no part of it does", "[signing]") {
    using namespace ledger::signing;
    const SignedEntry entry{
        kNoon + 1us,
        {SignedTotal{id_of(terms(1)), Amount::max()},
         SignedRefund{id_of(terms(2)), channel::to_word(Amount::max()), units(0)},
         SignedValue{{31337}, kToken, units(7)},
         SignedCost{{1}, 18'446'744'073'709'551'615u, units(9)}}};
    const auto line = to_line(entry);
    const auto read = parse_line(line);
    REQUIRE(read.has_value());
    CHECK(read->at == entry.at);
    CHECK(to_line(*read) == line);
    for (std::size_t size = 0; size < line.size(); ++size)
        CHECK_FALSE(parse_line(line.substr(0, size)).has_value());
    for (std::size_t at = 0; at < line.size(); ++at) {
        auto other = line;
        other[at] = other[at] == '0' ? '1' : '0';
        CHECK_FALSE(parse_line(other).has_value());
    }
}

TEST_CASE("signing: a compacted record says the same as the whole one", "[signing]") {
    using namespace ledger::signing;
    const bool holds = rc::check([] {
        SignedRecord whole;
        auto time = kNoon;
        const auto small = [] { return *rc::gen::inRange<std::uint64_t>(0, 5); };
        const auto count = *rc::gen::inRange(0, 40);
        for (int n = 0; n < count; ++n) {
            time += std::chrono::minutes{small() * 5};
            const channel::ChannelId id{{static_cast<std::uint8_t>(small())}};
            whole.add({time,
                       {SignedTotal{id, units(small())},
                        SignedRefund{id, channel::word_from(small()), units(small())},
                        SignedValue{{small()}, kToken, units(small())},
                        SignedCost{{1}, small(), units(small())}}});
        }
        SignedRecord compacted;
        for (const auto& entry : whole.compacted(time)) compacted.add(*parse_line(to_line(entry)));
        const auto later = time + std::chrono::minutes{small() * 10};
        for (std::uint64_t n = 0; n < 5; ++n) {
            const channel::ChannelId id{{static_cast<std::uint8_t>(n)}};
            RC_ASSERT(compacted.total_of(id) == whole.total_of(id));
            RC_ASSERT(compacted.value_within_hour({n}, kToken, later) ==
                      whole.value_within_hour({n}, kToken, later));
            RC_ASSERT(compacted.cost_within_hour({1}, n, later) ==
                      whole.cost_within_hour({1}, n, later));
            for (std::uint64_t amount = 0; amount < 5; ++amount) {
                const SignedRefund refund{id, channel::word_from(n), units(amount)};
                RC_ASSERT(compacted.has_refund(refund) == whole.has_refund(refund));
            }
        }
    });
    CHECK(holds);
}
