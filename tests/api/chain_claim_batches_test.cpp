#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "tests/api/chain_stack.hpp"
#include "tests/api/signer_stack.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

#include <boost/json.hpp>

#include <iostream>
#include <set>

using namespace support;
using channel::Amount;

namespace {

constexpr unsigned kRows = 100;
/// Payers of one channel each, which may become contracts.
constexpr unsigned kTurnedAway = 10;
constexpr unsigned kSelfSigning = 42;
const auto kReceiver =
    *channel::parse_fixed<channel::Address>("0x00000000000000000000000000000000000000bb");

unsigned payer_of(unsigned channel) {
    if (channel == kTurnedAway) return 7;
    return channel == kSelfSigning ? 8 : 1 + channel % 6;
}

/// Channels with a deposit of 5000 each, of which 100 are charged.
std::vector<channel::ChannelId> open_channels(ChainStack& stack, unsigned count) {
    std::vector<channel::ChannelConfig> all;
    for (unsigned n = 0; n < count; ++n) {
        const unsigned payer = payer_of(n);
        all.push_back(stack.terms(payer, kReceiver, n));
        const auto opened = stack.run(stack.chain().open(stack.network().network, all.back(), "",
                                                         stack.deposit(payer, all.back(), 5000)));
        REQUIRE_FALSE(error_of(opened).has_value());
    }
    std::vector<channel::ChannelId> ids;
    for (unsigned n = 0; n < count; ++n) {
        ids.push_back(stack.id(all[n]));
        REQUIRE(stack.wait_for_status(ids.back(), channel::Status::open));
        REQUIRE(stack.pay(payer_of(n), all[n], 100, 100) == std::nullopt);
    }
    return ids;
}

std::string sql_bytes(const channel::ChannelId& id) {
    return "'\\x" + channel::to_hex(id).substr(2) + "'";
}

void change(ChainStack& stack, const channel::ChannelId& id, const std::string& what) {
    stack.query("update channel set " + what + " where channel_id = " + sql_bytes(id) +
                " returning 1");
}

std::string signature_of(ChainStack& stack, const channel::ChannelId& id) {
    return stack.query("select encode(signature, 'hex') from channel where channel_id = " +
                       sql_bytes(id));
}

channel::ChannelId id_in(const std::string& event) {
    const auto text = boost::json::parse(event).at("channelId").as_string();
    return *channel::parse_fixed<channel::ChannelId>(std::string_view(text));
}

std::set<channel::ChannelId> keys_of(const std::map<channel::ChannelId, std::string>& all) {
    std::set<channel::ChannelId> keys;
    for (const auto& [id, reason] : all) keys.insert(id);
    return keys;
}

api::ClaimSummary claimed(ChainStack& stack) {
    const auto outcome = stack.run(stack.chain().claim(kReceiver, std::nullopt, std::nullopt));
    REQUIRE_FALSE(error_of(outcome).has_value());
    const auto made = std::get<api::ClaimSummary>(outcome);
    REQUIRE(stack.wait_for_claim(made.claim_id, "confirmed"));
    return made;
}

/// s of the curve's other half: recovers to the same key, and is refused by contracts (EIP-2).
std::string high_s(const std::string& signature) {
    const auto order =
        *channel::parse_hex("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    auto bytes = *channel::parse_hex("0x" + signature);
    int borrow = 0;
    for (int at = 31; at >= 0; --at) {
        const int value = order[at] - bytes[32 + at] - borrow;
        borrow = value < 0;
        bytes[32 + at] = static_cast<std::uint8_t>(value + 256 * borrow);
    }
    bytes[64] = static_cast<std::uint8_t>(27 + 28 - bytes[64]);
    return channel::to_hex(channel::BytesView(bytes)).substr(2);
}

void use_one_key(ChainStack& stack) {
    stack.config.keys.relayer_file = stack.config.keys.receiver_authorizer_file;
}

}  // namespace

TEST_CASE(
    "claim: of 100 rows the 5 that the contract or the signer would refuse are left out, each with "
    "its reason",
    "[chain][signer]") {
    ChainStack stack;
    const auto signer = use_signer(stack.config);
    stack.start();
    const auto ids = open_channels(stack, kRows);
    const auto good = signature_of(stack, ids[23]);
    // Accepts no signature any more.
    stack.anvil.set_code(Anvil::key(payer_of(kTurnedAway)).address(), "0x00");
    change(stack, ids[23], "signature = decode('" + signature_of(stack, ids[24]) + "', 'hex')");
    // Accepts every signature once hardly any gas is left.
    stack.anvil.set_code(Anvil::key(payer_of(kSelfSigning)).address(),
                         "0x5b6102005a11600057631626ba7e60e01b60005260206000f3");
    change(stack, ids[77], "balance = 9000, charged = 6000, owed = 6000, signed_max = 6000");
    change(stack, ids[99], "salt = decode(repeat('07', 32), 'hex')");

    const auto made = claimed(stack);
    CHECK(made.channels == 95);
    CHECK(made.amount == Amount{9500});
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{9500});
    const auto outcome = stack.run(stack.chain().list_quarantine(kReceiver, std::nullopt, 100));
    const auto& left_out = std::get<std::vector<ledger::QuarantinedChannel>>(outcome);
    std::map<channel::ChannelId, std::string> reasons;
    for (const auto& one : left_out) reasons.emplace(one.id, one.reason + ": " + one.detail);
    REQUIRE(reasons.size() == 5);
    CHECK(reasons[ids[kTurnedAway]] == "invalid_signature: InvalidSignature()");
    CHECK(reasons[ids[23]] ==
          "signer_refused: the signer refused: channel " + channel::to_hex(ids[23]) +
              ": its voucher is not the payer's, unless a contract says so, which is not believed "
              "(signer.contract_payers)");
    CHECK(reasons[ids[kSelfSigning]] == "reverted: it needs more gas than a claim may cost");
    CHECK(reasons[ids[77]] == "exceeds_balance: 6000 is more than 5000");
    CHECK(reasons[ids[99]] == "channel_id_mismatch: the id is of another configuration");
    std::set<channel::ChannelId> told;
    for (const auto& event : stack.settlement_events())
        if (event.name == "quarantined") told.insert(id_in(event.data));
    CHECK(told == keys_of(reasons));

    // They hold up nothing, and are not tried at each claim.
    CHECK(error_of(stack.run(stack.chain().claim(kReceiver, std::nullopt, std::nullopt))) ==
          channel::Error::nothing_to_settle);
    // With another signature the row is tried again by itself; others only when they are asked for.
    change(stack, ids[23], "signature = decode('" + good + "', 'hex')");
    CHECK(claimed(stack).amount == Amount{100});
    change(stack, ids[99], "salt = decode(lpad('63', 64, '0'), 'hex')");
    CHECK(error_of(stack.run(stack.chain().claim(kReceiver, std::nullopt, std::nullopt))) ==
          channel::Error::nothing_to_settle);
    CHECK(error_of(stack.run(stack.chain().retry_channel(ids[99], Anvil::key(5).address()))) ==
          channel::Error::forbidden);
    const auto retried = stack.run(stack.chain().retry_channel(ids[99], kReceiver));
    REQUIRE_FALSE(error_of(retried).has_value());
    REQUIRE(stack.wait_for_claim(std::get<api::ClaimSummary>(retried).claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{9700});
    CHECK(stack.query("select count(*) from claim_quarantine") == "3");
    CHECK(stack.query("select count(*) from claim") == "3");
    const auto listed = stack.run(stack.chain().list_claims(kReceiver, "", 2));
    const auto& claims = std::get<std::vector<api::ClaimSummary>>(listed);
    REQUIRE(claims.size() == 2);
    CHECK(claims[0].claim_id == std::get<api::ClaimSummary>(retried).claim_id);
    const auto rest = stack.run(stack.chain().list_claims(kReceiver, claims[1].claim_id, 2));
    REQUIRE(std::get<std::vector<api::ClaimSummary>>(rest).size() == 1);
    CHECK(std::get<std::vector<api::ClaimSummary>>(rest)[0].claim_id == made.claim_id);
    CHECK(stack.chain().health().front().counts.claim_rows.at("quarantined") >= 5);
}

TEST_CASE("claim: what no signer objects to, the contract does: signatures that are none",
          "[chain]") {
    ChainStack stack;
    stack.start();
    const auto ids = open_channels(stack, 3);
    change(stack, ids[0],
           "signature = decode('" + high_s(signature_of(stack, ids[0])) + "', 'hex')");
    change(stack, ids[1], "signature = decode('" + signature_of(stack, ids[2]) + "', 'hex')");
    CHECK(claimed(stack).channels == 1);
    CHECK(stack.query("select reason, detail, count(*) from claim_quarantine group by 1, 2") ==
          "invalid_signature|InvalidSignature()|2");
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{100});
}

TEST_CASE("claim: a payer that says yes in one trial and no in the next stops no other",
          "[chain]") {
    ChainStack stack;
    stack.start();
    const auto ids = open_channels(stack, kSelfSigning + 2);
    // The last row, because it claims the least.
    change(stack, ids[kSelfSigning], "charged = 50, owed = 50");
    // Says yes while 1.0 to 1.3 million gas are left, as when the rows are looked at, and not with
    // the gas that the transaction would have.
    stack.anvil.set_code(Anvil::key(payer_of(kSelfSigning)).address(),
                         "0x620f42405a116213d6205a1016601157005b631626ba7e60e01b60005260206000f3");
    const auto made = claimed(stack);
    CHECK(made.channels == ids.size() - 1);
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{100 * (ids.size() - 1)});
    CHECK(stack.query("select encode(channel_id, 'hex'), reason from claim_quarantine") ==
          channel::to_hex(ids[kSelfSigning]).substr(2) + "|invalid_signature");
}

TEST_CASE("claim: gas of 100 rows and the sweep, from the receipt", "[chain]") {
    const bool one_key = GENERATE(true, false);
    ChainStack stack;
    if (one_key) use_one_key(stack);
    stack.start();
    open_channels(stack, kRows);
    const auto made = claimed(stack);
    CHECK(made.channels == kRows);
    CHECK(made.transactions.size() == 1);
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{10'000});
    const auto used =
        std::stoull(stack.query("select gas_used from outbox where purpose = 'claim' and status = "
                                "'confirmed'"));
    std::cout << "gas of multicall(" << (one_key ? "claim" : "claimWithSignature") << " " << kRows
              << " + settle): " << used << ", per channel " << used / kRows << "\n";
    CHECK(used <= ledger::claim_gas(kRows));
    CHECK(used <= kRows * 21'900);
}

TEST_CASE("claim: a row that goes bad between the look and the block takes down one claim only",
          "[chain]") {
    ChainStack stack;
    stack.start();
    const auto ids = open_channels(stack, 4);
    stack.anvil.rpc("evm_setAutomine", "[false]");
    const auto first = stack.run(stack.chain().claim(kReceiver, std::nullopt, std::nullopt));
    REQUIRE_FALSE(error_of(first).has_value());
    // As if the payer had taken its money back meanwhile.
    const auto slot = Anvil::channel_slot(ids[2]);
    const auto before = stack.anvil.storage(escrow_address(), slot);
    stack.anvil.set_storage(escrow_address(), slot, "0x" + std::string(62, '0') + "07");
    stack.anvil.rpc("evm_setAutomine", "[true]");
    stack.anvil.mine(1);
    REQUIRE(stack.wait_for_claim(std::get<api::ClaimSummary>(first).claim_id, "failed"));
    CHECK(stack.query("select error from claim") ==
          "the transaction was reverted: ClaimExceedsBalance()");
    // The other rows go in two claims of two rows at most, however they pass the look.
    const auto second = claimed(stack);
    CHECK(second.channels == 3);
    CHECK(second.transactions.size() == 2);
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{300});
    CHECK(stack.query("select reason, detail from claim_quarantine") ==
          "exceeds_balance|100 is more than 7");
    stack.anvil.set_storage(escrow_address(), slot, before);
    const auto retried = stack.run(
        stack.chain().retry_claim(std::get<api::ClaimSummary>(first).claim_id, kReceiver));
    REQUIRE_FALSE(error_of(retried).has_value());
    REQUIRE(stack.wait_for_claim(std::get<api::ClaimSummary>(retried).claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{400});
    CHECK(stack.query("select count(*) from claim_quarantine") == "0");
    CHECK(stack.trial_balance() == "0");
}
