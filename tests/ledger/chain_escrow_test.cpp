#include "channel/eip712.hpp"
#include "channel/hex.hpp"
#include "channel/keccak.hpp"
#include "ledger/chain/abi.hpp"
#include "ledger/chain/erc1271.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/escrow_events.hpp"
#include "ledger/chain/gasless_deposit.hpp"
#include "ledger/chain/revert.hpp"
#include "ledger/chain/snapshot.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"
#include "tests/support/vectors.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <regex>

using namespace millrace::channel;
using namespace millrace::ledger::chain;
using support::Vector;

namespace {

Vector vectors() {
    return Vector::load("payment-protocols.json")["x402_batch_settlement"];
}

ChannelConfig config_of(const Vector& config) {
    return {
        .payer = support::address(config["payer"].text()),
        .payer_authorizer = support::address(config["payerAuthorizer"].text()),
        .receiver = support::address(config["receiver"].text()),
        .receiver_authorizer = support::address(config["receiverAuthorizer"].text()),
        .token = support::address(config["token"].text()),
        .withdraw_delay_seconds = config["withdrawDelay"].number(),
        .salt = support::fixed<Salt>(config["salt"].text()),
    };
}

ChannelConfig config_at(std::size_t at) {
    return config_of(vectors()["channels"].items().at(at)["config"]);
}

Digest separator() {
    return support::fixed<Digest>(vectors()["refund"]["domainSeparator"].text());
}

/// The payers' signatures stand in no vector of their own, so they are made with the vectors' keys.
VoucherClaim claim_row(std::size_t at, std::string_view max_claimable, std::string_view total) {
    const auto config = config_at(at);
    const auto keys = Vector::load("payment-protocols.json")["keys"];
    const auto key = support::secret_key(keys[to_checksum(voucher_signer(config))].text());
    const Voucher voucher{channel_id(separator(), config), support::amount(max_claimable)};
    return {config, voucher.max_claimable, key.sign(digest(separator(), voucher)),
            support::amount(total)};
}

std::vector<VoucherClaim> claim_rows() {
    return {claim_row(0, "1000", "700"), claim_row(1, "5000", "5000")};
}

std::string selector_hex(const Bytes& call) {
    return to_hex(BytesView(call).first(4));
}

/// "deposit((address payer, …) config, uint128 amount)" → "deposit((address,…),uint128)".
std::string canonical(std::string text) {
    text = std::regex_replace(text, std::regex("^(function|event|error) "), "");
    text = std::regex_replace(text, std::regex("\\)( (view|payable|returns).*)$"), ")");
    text = std::regex_replace(text, std::regex(" indexed"), "");
    text = std::regex_replace(text, std::regex("([\\])a-z0-9]) [A-Za-z0-9]+(?=[,)])"), "$1");
    return std::regex_replace(text, std::regex(", "), ",");
}

GaslessDeposit deposit_of(const Vector& vector) {
    const auto message = vector["message"];
    return {
        .amount = support::amount(message["value"].text()),
        .authorization =
            Erc3009Authorization{
                .valid_after = support::word(message["validAfter"].text()),
                .valid_before = support::word(message["validBefore"].text()),
                .salt = support::word(vector["salt"].text()),
                .signature = parse_hex(vector["signature"].text()).value(),
            },
    };
}

GaslessDeposit permit2_deposit_of(const Vector& vector) {
    const auto message = vector["message"];
    return {
        .amount = support::amount(message["permitted"]["amount"].text()),
        .authorization =
            Permit2Authorization{
                .from = support::address(vector["signer"].text()),
                .token = support::address(message["permitted"]["token"].text()),
                .amount = support::amount(message["permitted"]["amount"].text()),
                .spender = support::address(message["spender"].text()),
                .nonce = support::word(message["nonce"].text()),
                .deadline = support::word(message["deadline"].text()),
                .channel_id = support::fixed<ChannelId>(message["witness"]["channelId"].text()),
                .signature = parse_hex(vector["signature"].text()).value(),
            },
    };
}

Erc3009Authorization& erc3009(GaslessDeposit& deposit) {
    return std::get<Erc3009Authorization>(deposit.authorization);
}

Permit2Authorization& permit2(GaslessDeposit& deposit) {
    return std::get<Permit2Authorization>(deposit.authorization);
}

DepositTerms deposit_terms() {
    const auto contracts = vectors()["contracts"];
    return {
        .network = {vectors()["chainId"].number()},
        .token = config_at(0).token,
        .amount_min = Amount{100'000},
        .token_separator =
            support::fixed<Digest>(vectors()["erc3009Deposit"]["domainSeparator"].text()),
        .erc3009_collector = support::address(contracts["ERC3009DepositCollector"].text()),
        .permit2_collector = support::address(contracts["Permit2DepositCollector"].text()),
    };
}

Log log_with(const Word& topic, std::vector<Word> indexed, std::vector<Word> words) {
    Log log;
    log.topics = {topic};
    log.topics.insert(log.topics.end(), indexed.begin(), indexed.end());
    for (const auto& word : words) {
        log.data.insert(log.data.end(), word.bytes.begin(), word.bytes.end());
    }
    return log;
}

template <class Event>
Event event_of(const Log& log) {
    return std::get<Event>(decode(log).value().value());
}

}  // namespace

TEST_CASE("escrow: calldata is that of the published clients") {
    const auto expected = vectors()["calldata"];
    const auto signature = parse_signature(vectors()["claimBatch"]["signature"].text()).value();
    CHECK(to_hex(claim_with_signature_call(claim_rows(), signature)) ==
          expected["claimWithSignature"].text());
    CHECK(to_hex(settle_call(config_at(0).receiver, config_at(0).token)) ==
          expected["settle"].text());

    const auto refund = vectors()["refund"];
    CHECK(to_hex(refund_with_signature_call(config_at(0),
                                            support::amount(refund["message"]["amount"].text()),
                                            support::word(refund["message"]["nonce"].text()),
                                            parse_signature(refund["signature"].text()).value())) ==
          expected["refundWithSignature"].text());

    auto deposit = deposit_of(vectors()["erc3009Deposit"]);
    const auto& authorization = erc3009(deposit);
    CHECK(to_hex(erc3009_collector_data(authorization.valid_after, authorization.valid_before,
                                        authorization.salt, authorization.signature)) ==
          vectors()["erc3009Deposit"]["collectorData"].text());
    CHECK(to_hex(deposit_call(deposit_terms(), config_at(0), deposit)) ==
          expected["deposit3009"].text());

    auto by_permit2 = permit2_deposit_of(vectors()["permit2Deposit"]);
    const auto data = permit2_collector_data(
        permit2(by_permit2).nonce, permit2(by_permit2).deadline, permit2(by_permit2).signature);
    CHECK(to_hex(data) == vectors()["permit2Deposit"]["collectorData"].text());
    CHECK(deposit_call(deposit_terms(), config_at(0), by_permit2) ==
          deposit_call(config_at(0), by_permit2.amount, deposit_terms().permit2_collector, data));
}

TEST_CASE("escrow: every selector is the hash of its signature") {
    const auto selectors = vectors()["selectors"];
    const auto config = config_at(0);
    const ChannelId id{};
    const std::map<std::string, Bytes> calls{
        {"channels", channels_call(id)},
        {"claim", claim_call({})},
        {"claimWithSignature", claim_with_signature_call({}, {})},
        {"deposit", deposit_call(config, {}, {}, {})},
        {"finalizeWithdraw", finalize_withdraw_call(config)},
        {"getChannelId", channel_id_call(config)},
        {"initiateWithdraw", initiate_withdraw_call(config, {})},
        {"multicall", multicall_call({})},
        {"pendingWithdrawals", pending_withdrawals_call(id)},
        {"receivers", receivers_call({}, {})},
        {"refundNonce", refund_nonce_call(id)},
        {"refundWithSignature", refund_with_signature_call(config, {}, {}, {})},
        {"settle", settle_call({}, {})},
    };
    for (const auto& [signature, selector] : selectors.members()) {
        INFO(signature);
        CHECK(to_hex(keccak256(signature).view().first(4)) == selector.text());
        const auto found = calls.find(signature.substr(0, signature.find('(')));
        if (found == calls.end()) {
            CHECK(signature.starts_with("refund("));
            continue;
        }
        CHECK(selector_hex(found->second) == selector.text());
    }
    CHECK(selector_hex(balance_of_call({})) == "0x70a08231");
    CHECK(to_hex(keccak256("allowance(address,address)").view().first(4)) ==
          selector_hex(allowance_call({}, {})));
}

TEST_CASE("escrow: the published interface has the selectors and topics used here") {
    int functions = 0;
    int events = 0;
    std::vector<std::string> known;
    for (const auto& topic : {topics().channel_created, topics().channel_closed, topics().deposited,
                              topics().claimed, topics().settled, topics().refunded,
                              topics().withdraw_initiated, topics().withdraw_finalized}) {
        known.push_back(to_hex(topic));
    }
    for (const auto& [group, entries] : Vector::load("interfaces.json").members()) {
        for (const auto& entry : entries.items()) {
            const auto text = entry["sig"].text();
            INFO(text << " as " << canonical(text));
            const auto hash = keccak256(canonical(text));
            if (text.starts_with("event ")) {
                CHECK(to_hex(hash) == entry["topic0"].text());
                const auto at = std::find(known.begin(), known.end(), to_hex(hash));
                if (at != known.end()) known.erase(at);
                ++events;
            } else if (group == "x402BatchSettlement" || !text.starts_with("function ")) {
                CHECK(to_hex(hash.view().first(4)) == entry["selector"].text());
                ++functions;
            }
        }
    }
    CHECK(known.empty());
    CHECK(functions > 40);
    CHECK(events > 8);
}

TEST_CASE("escrow: multicall wraps whole calls") {
    const auto call = multicall_call({Bytes{1, 2, 3}, Bytes(33, 7)});
    const auto words = (call.size() - 4) / 32;
    CHECK((call.size() - 4) % 32 == 0);
    // Offset, count, two offsets, (length, 1 word), (length, 2 words).
    CHECK(words == 9);
    CHECK(call[4 + 31] == 0x20);
    CHECK(call[4 + 63] == 2);
    CHECK(call[4 + 95] == 0x40);
    CHECK(call[4 + 127] == 0x80);
    CHECK(call[4 + 159] == 3);
    CHECK(call[4 + 160] == 1);
}

TEST_CASE("escrow: answers of views are read strictly") {
    const auto word = [](std::uint64_t value) { return word_from(value); };
    const auto bytes = [](std::vector<Word> words) { return log_with({}, {}, words).data; };
    const auto totals = decode_channels(bytes({word(100), word(40)})).value();
    CHECK(totals.balance == Amount{100});
    CHECK(totals.total_claimed == Amount{40});
    const auto pending = decode_pending_withdrawals(bytes({word(60), word(1'700'000'000)})).value();
    CHECK(pending.amount == Amount{60});
    CHECK(pending.initiated_at == 1'700'000'000);
    CHECK(decode_receivers(bytes({word(7), word(5)})).value().total_settled == Amount{5});
    CHECK(decode_refund_nonce(bytes({word(3)})).value() == 3);

    Word huge;
    huge.bytes[15] = 1;
    CHECK(decode_channels(bytes({huge, word(0)})).error() == Error::rpc_read_failed);
    CHECK(decode_channels(bytes({word(1)})).error() == Error::rpc_read_failed);
    CHECK(decode_channels(bytes({word(1), word(1), word(1)})).error() == Error::rpc_read_failed);
    CHECK(decode_channels(Bytes{}).error() == Error::rpc_read_failed);
    CHECK(decode_channels(Bytes(63, 0)).error() == Error::rpc_read_failed);
}

TEST_CASE("escrow: many channels in one call are read strictly") {
    const auto word = [](std::uint64_t value) { return word_from(value); };
    const std::vector<Word> good{word(32),  word(2),  word(64), word(160), word(64),
                                 word(100), word(40), word(64), word(7),   word(5)};
    const auto read = [](const std::vector<Word>& words, std::size_t count) {
        return decode_many_channels(log_with({}, {}, words).data, count);
    };
    const auto totals = read(good, 2).value();
    REQUIRE(totals.size() == 2);
    CHECK(totals[0].balance == Amount{100});
    CHECK(totals[1].total_claimed == Amount{5});
    CHECK(read({word(32), word(0)}, 0).value().empty());
    CHECK(read(good, 1).error() == Error::rpc_read_failed);
    CHECK(read(good, 3).error() == Error::rpc_read_failed);
    for (const std::size_t at : {0, 1, 2, 3, 4, 7}) {
        auto bad = good;
        bad[at] = word(96);
        CHECK(read(bad, 2).error() == Error::rpc_read_failed);
    }
    auto huge = good;
    huge[5].bytes[15] = 1;
    CHECK(read(huge, 2).error() == Error::rpc_read_failed);
}

TEST_CASE("escrow: topics are those of the published clients") {
    const auto expected = vectors()["topics"];
    for (const auto& [signature, topic] : expected.members()) {
        INFO(signature);
        CHECK(to_hex(keccak256(signature)) == topic.text());
    }
    const auto text = [&](const char* signature) { return expected[signature].text(); };
    CHECK(to_hex(topics().deposited) == text("Deposited(bytes32,address,uint128,uint128)"));
    CHECK(to_hex(topics().claimed) == text("Claimed(bytes32,address,uint128,uint128)"));
    CHECK(to_hex(topics().settled) == text("Settled(address,address,address,uint128)"));
    CHECK(to_hex(topics().refunded) == text("Refunded(bytes32,address,uint128)"));
}

TEST_CASE("escrow: every event is decoded") {
    const Word id = support::fixed<Word>("0x" + std::string(64, 'a'));
    const auto sender = word_from(config_at(0).payer);
    const auto number = [](std::uint64_t value) { return word_from(value); };

    const auto deposited =
        event_of<Deposited>(log_with(topics().deposited, {id, sender}, {number(5), number(15)}));
    CHECK(deposited.channel == ChannelId{id.bytes});
    CHECK(deposited.sender == config_at(0).payer);
    CHECK(deposited.amount == Amount{5});
    CHECK(deposited.new_balance == Amount{15});
    const auto claimed =
        event_of<Claimed>(log_with(topics().claimed, {id, sender}, {number(3), number(8)}));
    CHECK(claimed.new_total_claimed == Amount{8});
    const auto receiver = word_from(config_at(0).receiver);
    const auto token = word_from(config_at(0).token);
    const auto settled = event_of<SettledOnChain>(
        log_with(topics().settled, {receiver, token, sender}, {number(9)}));
    CHECK(settled.receiver == config_at(0).receiver);
    CHECK(settled.token == config_at(0).token);
    CHECK(settled.amount == Amount{9});
    CHECK(event_of<Refunded>(log_with(topics().refunded, {id, sender}, {number(2)})).amount ==
          Amount{2});
    const auto initiated = event_of<WithdrawInitiated>(
        log_with(topics().withdraw_initiated, {id}, {number(4), number(1'700'000'900)}));
    CHECK(initiated.finalize_after == 1'700'000'900);
    CHECK(event_of<WithdrawFinalized>(
              log_with(topics().withdraw_finalized, {id, sender}, {number(4)}))
              .amount == Amount{4});

    const auto config = config_at(0);
    const std::vector<Word> words{word_from(config.payer),    word_from(config.payer_authorizer),
                                  word_from(config.receiver), word_from(config.receiver_authorizer),
                                  word_from(config.token),    number(config.withdraw_delay_seconds),
                                  Word{config.salt.bytes}};
    CHECK(event_of<ChannelCreated>(log_with(topics().channel_created, {id}, words)).config ==
          config);
    CHECK(event_of<ChannelClosed>(log_with(topics().channel_closed, {id}, words)).config == config);
}

TEST_CASE("escrow: a log of another event is none, a malformed one is refused") {
    const Word id = word_from(std::uint64_t{1});
    CHECK_FALSE(decode(log_with(id, {}, {})).value().has_value());
    CHECK_FALSE(decode(Log{}).value().has_value());
    const auto refused = [](const Log& log) {
        return decode(log).has_error() && decode(log).error() == Error::rpc_read_failed;
    };
    CHECK(refused(log_with(topics().deposited, {id}, {id, id})));
    CHECK(refused(log_with(topics().deposited, {id, id}, {id})));
    CHECK(refused(log_with(topics().settled, {id, id}, {id})));
    Word huge;
    huge.bytes.front() = 1;
    CHECK(refused(log_with(topics().deposited, {id, huge}, {id, id})));
    CHECK(refused(log_with(topics().deposited, {id, id}, {huge, id})));
    CHECK(refused(log_with(topics().withdraw_initiated, {id}, {id, huge})));
}

TEST_CASE("revert: errors of the contract are named, other data is shown safely") {
    for (const auto& [signature, selector] : vectors()["errors"].members()) {
        CHECK(revert_reason(parse_hex(selector.text()).value()) == signature);
    }
    CHECK(revert_reason({}).empty());
    CHECK(revert_reason(Bytes{0xde, 0xad, 0xbe, 0xef, 1}) == "error 0xdeadbeef");
    AbiTuple text;
    text.add_dynamic(encode_bytes(Bytes{'n', 'o', 0x07, '!'}));
    CHECK(revert_reason(encode_call({0x08, 0xc3, 0x79, 0xa0}, text)) == "no?!");
    CHECK(revert_reason(encode_call({0x4e, 0x48, 0x7b, 0x71}, AbiTuple{}.add(std::uint64_t{17}))) ==
          "panic 17");
    // A length beyond the data.
    AbiTuple lying;
    lying.add(std::uint64_t{32}).add(~std::uint64_t{0}).add(std::uint64_t{0});
    CHECK(revert_reason(encode_call({0x08, 0xc3, 0x79, 0xa0}, lying)).size() <= 32);
}

TEST_CASE("erc1271: one answer is yes, everything else is no") {
    const Digest digest{};
    const auto call = is_valid_signature_call(digest, Bytes{1, 2, 3});
    CHECK(to_hex(keccak256("isValidSignature(bytes32,bytes)").view().first(4)) ==
          selector_hex(call));
    CHECK(call.size() == 4 + 4 * Word::size);
    Bytes yes(Word::size, 0);
    std::copy_n(call.begin(), 4, yes.begin());
    CHECK(says_valid(yes));
    CHECK_FALSE(says_valid({}));
    CHECK_FALSE(says_valid(BytesView{yes}.first(4)));
    yes[31] = 1;
    CHECK_FALSE(says_valid(yes));
    CHECK_FALSE(says_valid(Bytes(Word::size, 0xff)));
}

TEST_CASE("deposit: what the payer signed is taken, anything else is named") {
    const auto config = config_at(0);
    const auto id = channel_id(separator(), config);
    const auto terms = deposit_terms();
    const auto deposit = deposit_of(vectors()["erc3009Deposit"]);
    const std::uint64_t now = 1'769'000'000;
    const auto refusal = [&](const GaslessDeposit& changed, std::uint64_t at) {
        const auto refused = refuse_deposit(terms, id, config.payer, changed, at);
        return refused ? std::optional(refused->error) : std::nullopt;
    };
    CHECK(refusal(deposit, now) == std::nullopt);
    CHECK(refusal(deposit, 1'770'000'000 - kDepositValiditySecondsMin - 1) == std::nullopt);
    CHECK(refusal(deposit, 1'770'000'000 - kDepositValiditySecondsMin) ==
          Error::payload_authorization_valid_before);
    CHECK(refusal(deposit, 0) == Error::payload_authorization_valid_after);

    auto changed = deposit;
    changed.amount = Amount{100'001};
    CHECK(refusal(changed, now) == Error::receive_authorization_signature);
    changed.amount = Amount{99'999};
    CHECK(refusal(changed, now) == Error::deposit_below_min_deposit);
    changed = deposit;
    erc3009(changed).salt = word_from(std::uint64_t{43});
    CHECK(refusal(changed, now) == Error::receive_authorization_signature);
    changed = deposit;
    erc3009(changed).signature.pop_back();
    CHECK(refusal(changed, now) == Error::receive_authorization_signature);
    CHECK(refuse_deposit(terms, id, config.receiver, deposit, now)->error ==
          Error::receive_authorization_signature);
    CHECK(refuse_deposit(terms, ChannelId{}, config.payer, deposit, now)->error ==
          Error::receive_authorization_signature);
    CHECK(is_for_contract_to_judge(Error::receive_authorization_signature));
    CHECK(deposit_reference(terms, id, config.payer, deposit) ==
          to_hex(id) + ":" + vectors()["erc3009Deposit"]["nonce"].text());

    auto without = terms;
    without.erc3009_collector = {};
    CHECK(refuse_deposit(without, id, config.payer, deposit, now)->error ==
          Error::permit2_authorization_required);
}

TEST_CASE("deposit: through Permit2 what the payer signed is taken, anything else is named") {
    const auto config = config_at(0);
    const auto id = channel_id(separator(), config);
    const auto terms = deposit_terms();
    const auto deposit = permit2_deposit_of(vectors()["permit2Deposit"]);
    const std::uint64_t now = 1'769'000'000;
    const auto refusal = [&](const GaslessDeposit& changed, std::uint64_t at) {
        const auto refused = refuse_deposit(terms, id, config.payer, changed, at);
        return refused ? std::optional(refused->error) : std::nullopt;
    };
    CHECK(to_checksum(kPermit2) == "0x000000000022D473030F116dDEE9F6B43aC78BA3");
    CHECK(refusal(deposit, now) == std::nullopt);
    CHECK(refusal(deposit, 1'770'000'000 - kDepositValiditySecondsMin) == std::nullopt);
    CHECK(refusal(deposit, 1'770'000'000 - kDepositValiditySecondsMin + 1) ==
          Error::permit2_deadline_expired);

    const auto changed = [&](const auto& change) {
        auto made = deposit;
        change(permit2(made));
        return refusal(made, now);
    };
    CHECK(changed([](auto& one) { one.spender.bytes[0] ^= 1; }) == Error::permit2_invalid_spender);
    CHECK(changed([](auto& one) { one.token.bytes[0] ^= 1; }) == Error::token_mismatch);
    CHECK(changed([](auto& one) { one.amount = Amount{100'001}; }) ==
          Error::permit2_amount_mismatch);
    CHECK(changed([](auto& one) { one.channel_id.bytes[0] ^= 1; }) == Error::channel_id_mismatch);
    CHECK(changed([](auto& one) { one.from.bytes[0] ^= 1; }) == Error::permit2_invalid_signature);
    CHECK(changed([](auto& one) { one.nonce.bytes[0] ^= 1; }) == Error::permit2_invalid_signature);
    CHECK(changed([](auto& one) { one.signature.pop_back(); }) == Error::permit2_invalid_signature);
    CHECK(is_for_contract_to_judge(Error::permit2_invalid_signature));
    CHECK_FALSE(is_for_contract_to_judge(Error::permit2_deadline_expired));

    auto more = deposit;
    more.amount = permit2(more).amount = Amount{100'001};
    CHECK(refusal(more, now) == Error::permit2_invalid_signature);
    more.amount = permit2(more).amount = Amount{99'999};
    CHECK(refusal(more, now) == Error::deposit_below_min_deposit);

    // The nonce is the payer's, whatever the channel.
    CHECK(deposit_reference(terms, id, config.payer, deposit) ==
          deposit_reference(terms, {}, config.payer, deposit));
    CHECK(deposit_reference(terms, id, config.payer, deposit) ==
          "permit2:eip155:84532:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266:0x" +
              std::string(63, '0') + "7");

    auto without = terms;
    without.permit2_collector = {};
    CHECK(refuse_deposit(without, id, config.payer, deposit, now)->error ==
          Error::erc3009_authorization_required);
}

TEST_CASE("snapshot: the contract's figures make a consistent state") {
    const auto state = [](std::uint64_t balance, std::uint64_t claimed, std::uint64_t withdraw) {
        return snapshot({Amount{balance}, Amount{claimed}}, {Amount{1}, withdraw}, 2);
    };
    CHECK(state(0, 0, 0).status == Status::pending);
    CHECK(state(10, 4, 0).status == Status::open);
    CHECK(state(10, 10, 0).status == Status::closed);
    CHECK(state(10, 4, 99).status == Status::closing);
    CHECK(state(10, 4, 99).withdraw_requested_at == 99);
    CHECK(state(10, 4, 0).charged == Amount{4});
    CHECK(state(10, 4, 0).refund_nonce == 2);
    for (const auto& made : {state(0, 0, 0), state(10, 4, 0), state(10, 10, 0), state(10, 4, 9)}) {
        CHECK(is_consistent(made));
    }
}
