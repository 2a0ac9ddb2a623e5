#include "channel/hex.hpp"
#include "ledger/chain/key_signer.hpp"
#include "ledger/settlement/claim_store.hpp"
#include "ledger/settlement/due.hpp"
#include "ledger/settlement/refund_store.hpp"
#include "tests/support/answers.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

using namespace support;
using channel::Error;
using ledger::Answer;
using ledger::Request;

namespace {

constexpr channel::Network kNetwork{31337};

std::string outcome(const Answer& answer) {
    if (const auto* refusal = std::get_if<channel::Refusal>(&answer.outcome))
        return std::string(channel::reason(refusal->error));
    if (const auto* changed = std::get_if<ledger::ChannelChanged>(&answer.outcome))
        return changed->name + " " + channel::to_string(changed->amount) + " of " +
               channel::to_string(changed->state.refunding);
    return "paid";
}

ledger::BeginRefund begin(const Payer& app, std::optional<std::uint64_t> amount,
                          std::uint64_t charged) {
    ledger::BeginRefund request{{}, app.terms.config.payer, app.terms.id, {}};
    if (amount) request.asked.amount = units(*amount);
    request.asked.voucher = app.voucher(charged);
    return request;
}

ledger::AbandonRefund abandon(const Payer& app, std::uint64_t number, std::uint64_t amount = 400) {
    return {{}, app.terms.id, {number, units(amount)}};
}

ledger::PostChannelEvent event(const Payer& app, std::uint8_t n, ledger::ChannelChainEvent what) {
    ledger::ChainLog log;
    log.transaction.bytes.fill(n);
    log.block_number = n;
    return {{}, app.terms.id, log, what};
}

template <class Work>
auto commit(Books& books, Work work) {
    pqxx::connection connection(books.postgres.service_url());
    pqxx::work transaction(connection);
    auto result = work(transaction);
    transaction.commit();
    return result;
}

/// A channel of 1000 with 300 charged, of which a refund of 400 was begun.
struct Begun {
    Books books;
    ledger::Shard shard = books.shard();
    Payer app = payer(books, 1);
    ledger::RefundKey key{app.terms.id, 1};

    Begun() {
        process(shard, app.open(1000), app.pay("a", 300, 300));
        if (outcome(process(shard, begin(app, 400, 300))[0]) != "refunding 400 of 400")
            throw std::runtime_error("the refund was not begun");
    }
    std::vector<ledger::OutboxEntry> record() {
        ledger::NewRefund refund{key, units(400), begin(app, 400, 300).asked, {}};
        refund.draft.purpose = ledger::Purpose::refund;
        refund.draft.reference = ledger::refund_reference(key);
        ledger::chain::KeySigner relayer(support::key(104), support::key(4));
        return commit(books, [&](pqxx::work& transaction) {
            auto signed_drafts =
                ledger::sign_drafts(transaction, {kNetwork, relayer, 0}, {refund.draft});
            return ledger::record_refund(transaction, refund, std::move(signed_drafts), kNoon);
        });
    }
    bool give_up() {
        return commit(books, [&](pqxx::work& transaction) {
            return ledger::give_up_refund(transaction, key, units(400), 0, "why", kNoon);
        });
    }
    std::vector<ledger::StrandedRefund> stranded() {
        return commit(books, [&](pqxx::work& transaction) {
            return ledger::stranded_refunds(transaction, kNetwork);
        });
    }
    void finish(const ledger::OutboxEntry& entry, bool succeeded) {
        commit(books, [&](pqxx::work& transaction) {
            ledger::finish_outbox(transaction, entry.id,
                                  {entry.hash, succeeded, 7, 1, units(1), succeeded ? "" : "why"},
                                  kNoon);
            return 0;
        });
    }
};

}  // namespace

TEST_CASE("refund: what is begun is held back, durably, until the chain has paid it", "[refund]") {
    Begun begun;
    auto& [books, shard, app, key] = begun;
    CHECK(books.query("select balance, charged, refunding, refunds_begun from channel") ==
          "1000|300|400|1");
    CHECK(outcome(process(shard, app.pay("b", 301, 601))[0]) ==
          "invalid_batch_settlement_evm_cumulative_exceeds_balance");
    CHECK(outcome(process(shard, begin(app, 1, 300))[0]) ==
          "invalid_batch_settlement_evm_channel_busy");
    CHECK(outcome(process(shard, app.pay("b", 300, 600))[0]) == "paid");

    auto next = books.shard("next", kNoon + std::chrono::seconds{10});
    CHECK(outcome(process(next, app.pay("c", 1, 601))[0]) ==
          "invalid_batch_settlement_evm_cumulative_exceeds_balance");
    process(next, event(app, 1, channel::ClaimConfirmed{units(300)}));
    CHECK(outcome(process(next, event(app, 2, channel::RefundConfirmed{units(400)}))[0]) ==
          "refunded 400 of 0");
    CHECK(books.query("select balance, charged, refunding, refund_nonce from channel") ==
          "600|600|0|1");
    CHECK(books.query("select name from event order by seq") ==
          "opened\nrefunding\nclaimed\nrefunded");
    CHECK(books.query("select cause, amount from transfer order by seq") ==
          "deposit|1000\npayment|300\npayment|300\nclaim|300\nrefund|400");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("refund: a payer that is a contract is believed by its verdict", "[refund]") {
    Books books;
    auto shard = books.shard();
    auto app = payer(books, 1);
    app.terms.voucher_signer = channel::VoucherSigner::contract;
    process(shard, app.open(1000));
    auto asked = begin(app, 400, 0);
    CHECK(outcome(process(shard, asked)[0]) == "invalid_batch_settlement_evm_voucher_signature");
    asked.asked.voucher.signature =
        channel::VoucherSignature::from_bytes(channel::Bytes(130, 7)).value();
    asked.verdict = ledger::ContractVerdict::valid;
    CHECK(outcome(process(shard, asked)[0]) == "refunding 400 of 400");
    ledger::NewRefund refund{{app.terms.id, 1}, units(400), asked.asked, {}};
    refund.draft.purpose = ledger::Purpose::refund;
    refund.draft.reference = ledger::refund_reference(refund.key);
    ledger::chain::KeySigner relayer(support::key(104), support::key(4));
    commit(books, [&](pqxx::work& transaction) {
        auto signed_drafts =
            ledger::sign_drafts(transaction, {kNetwork, relayer, 0}, {refund.draft});
        return ledger::record_refund(transaction, refund, std::move(signed_drafts), kNoon);
    });
    CHECK(books.query("select octet_length(signature) from refund") == "130");
}

TEST_CASE("refund: refused without the payer's own signature over what is charged", "[refund]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    const auto stranger = payer(books, 2);
    process(shard, app.open(1000), app.pay("a", 300, 300));
    auto forged = begin(app, 400, 300);
    forged.asked.voucher.signature = stranger.voucher(300).signature;
    CHECK(outcome(process(shard, forged)[0]) == "invalid_batch_settlement_evm_voucher_signature");
    auto forged_by_receiver = forged;
    forged_by_receiver.caller = app.terms.config.receiver;
    CHECK(outcome(process(shard, forged_by_receiver)[0]) ==
          "invalid_batch_settlement_evm_voucher_signature");
    for (const auto& caller : {app.terms.config.receiver_authorizer, stranger.secret.address()}) {
        auto by_another = begin(app, 400, 300);
        by_another.caller = caller;
        CHECK(outcome(process(shard, by_another)[0]) == "forbidden");
    }
    CHECK(outcome(process(shard, begin(app, 400, 299))[0]) ==
          "invalid_batch_settlement_evm_cumulative_amount_mismatch");
    CHECK(outcome(process(shard, begin(stranger, 400, 300))[0]) == "channel_unknown");
    CHECK(books.query("select refunding, refunds_begun from channel") == "0|0");
}

TEST_CASE("refund: the receiver hands in the payer's voucher", "[refund]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000), app.accept("a", 300, 300), app.charge("a", 200));
    auto handed_in = begin(app, {}, 300);
    handed_in.caller = app.terms.config.receiver;
    CHECK(outcome(process(shard, handed_in)[0]) ==
          "invalid_batch_settlement_evm_cumulative_amount_mismatch");
    handed_in.asked.voucher = app.voucher(200);
    CHECK(outcome(process(shard, handed_in)[0]) == "refunding 800 of 800");
}

TEST_CASE("refund: decided in its place among the payments of a batch", "[refund]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    const auto stranger = payer(books, 2);
    process(shard, app.open(1000));
    auto forged = app.pay("x", 50, 350);
    std::get<channel::Pay>(forged.command).voucher.signature = stranger.voucher(350).signature;
    // The bad voucher makes the whole group be judged again, the refund included.
    const auto answers = process(shard, app.pay("a", 300, 300), forged,
                                 begin(app, std::nullopt, 300), app.pay("b", 1, 301));
    CHECK(outcome(answers[0]) == "paid");
    CHECK(outcome(answers[1]) == "invalid_batch_settlement_evm_voucher_signature");
    CHECK(outcome(answers[2]) == "refunding 700 of 700");
    CHECK(outcome(answers[3]) == "invalid_batch_settlement_evm_cumulative_exceeds_balance");
    CHECK(books.query("select charged, refunding, refunds_begun from channel") == "300|700|1");
}

TEST_CASE("refund: abandoned once, and no other than the one that is named", "[refund]") {
    Begun begun;
    auto& [books, shard, app, key] = begun;
    CHECK(outcome(process(shard, abandon(app, 2))[0]) == " 0 of 400");
    CHECK(outcome(process(shard, abandon(app, 1))[0]) == "refund_failed 400 of 0");
    CHECK(outcome(process(shard, begin(app, 500, 300))[0]) == "refunding 500 of 500");
    CHECK(outcome(process(shard, abandon(app, 1))[0]) == " 0 of 500");
    CHECK(outcome(process(shard, abandon(app, 2, 500))[0]) == "refund_failed 500 of 0");
    CHECK(books.query("select name from event order by seq") ==
          "opened\nrefunding\nrefund_failed\nrefunding\nrefund_failed");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("refund: either sent or given up, whoever is first", "[refund]") {
    Begun sent;
    REQUIRE(sent.record().size() == 1);
    CHECK_FALSE(sent.give_up());
    CHECK(sent.record().empty());
    CHECK(sent.books.query("select count(*) from outbox") == "1");
    CHECK(sent.books.query("select amount, asked, voucher_max, error from refund") ==
          "400|400|300|-");

    Begun given_up;
    CHECK(given_up.give_up());
    CHECK(given_up.give_up());
    CHECK(given_up.record().empty());
    CHECK(given_up.books.query("select count(*) from outbox") == "0");
    CHECK(given_up.books.query("select amount, reference, error from refund") == "400|-|why");
}

TEST_CASE("refund: what was sent is found again", "[refund]") {
    Begun begun;
    const auto find = [&](std::uint64_t number) {
        return commit(begun.books, [&](pqxx::work& transaction) {
            return ledger::find_refund(transaction, {begun.app.terms.id, number});
        });
    };
    CHECK_FALSE(find(1).has_value());
    const auto entries = begun.record();
    const auto found = find(1);
    REQUIRE(found.has_value());
    CHECK(found->amount == units(400));
    CHECK(found->asked == units(400));
    CHECK(found->voucher_max == units(300));
    CHECK(found->transaction == entries.front().hash);
    CHECK_FALSE(find(2).has_value());
}

TEST_CASE("refund: stranded when it holds money and is not on its way", "[refund]") {
    Begun begun;
    auto stranded = begun.stranded();
    REQUIRE(stranded.size() == 1);
    CHECK_FALSE(stranded[0].is_written_down);
    CHECK(stranded[0].key.number == 1);
    CHECK(stranded[0].amount == units(400));

    SECTION("never written down, then given up") {
        begun.give_up();
        REQUIRE(begun.stranded().size() == 1);
        CHECK(begun.stranded()[0].is_written_down);
        CHECK_FALSE(begun.stranded()[0].last_signed.has_value());
        process(begun.shard, abandon(begun.app, 1));
    }
    SECTION("on its way, then failed or without effect") {
        const bool succeeded = GENERATE(true, false);
        const auto entries = begun.record();
        CHECK(begun.stranded().empty());
        begun.finish(entries.front(), succeeded);
        REQUIRE(begun.stranded().size() == 1);
        CHECK(begun.stranded()[0].is_written_down);
        REQUIRE(begun.stranded()[0].last_signed.has_value());
        CHECK(begun.stranded()[0].last_signed->key.number == 1);
        CHECK(begun.stranded()[0].last_signed->amount == units(400));
        process(begun.shard, abandon(begun.app, 1));
    }
    SECTION("carried out") {
        const auto entries = begun.record();
        process(begun.shard, event(begun.app, 2, channel::RefundConfirmed{units(400)}));
        begun.finish(entries.front(), true);
    }
    CHECK(begun.stranded().empty());
}

TEST_CASE("refund: one that blocks revert is paid for again after ever longer pauses", "[refund]") {
    Begun begun;
    begun.finish(begun.record().front(), false);
    const auto stranded = begun.stranded();
    REQUIRE(stranded.size() == 1);
    REQUIRE(stranded[0].last_signed.has_value());
    auto refund = *stranded[0].last_signed;
    CHECK(refund.reverted == 1);
    CHECK(refund.last_reverted_at == kNoon);
    CHECK(ledger::next_attempt(refund) == kNoon);
    const auto pause = [&](unsigned reverted) {
        refund.reverted = reverted;
        return ledger::next_attempt(refund) - kNoon;
    };
    CHECK(pause(2) == std::chrono::minutes{1});
    CHECK(pause(3) == std::chrono::minutes{2});
    CHECK(pause(6) == std::chrono::minutes{16});
    CHECK(pause(100) == std::chrono::hours{6});
    // What was never mined has cost nothing.
    begun.books.change("update outbox set block_number = 0");
    CHECK(begun.stranded()[0].last_signed->reverted == 0);
}

TEST_CASE("refund: what is held for one on its way is not stranded with a later one", "[refund]") {
    Begun begun;
    auto& [books, shard, app, key] = begun;
    const auto entries = begun.record();
    process(shard, event(app, 2, channel::RefundConfirmed{units(400)}));
    REQUIRE(outcome(process(shard, begin(app, 100, 300))[0]) == "refunding 100 of 100");
    CHECK(begun.stranded().empty());
    begun.finish(entries.front(), true);
    REQUIRE(begun.stranded().size() == 1);
    CHECK(begun.stranded()[0].key.number == 2);
    CHECK_FALSE(begun.stranded()[0].is_written_down);
}

TEST_CASE("refund: leaves its channel out of claims, unless the payer withdraws too", "[refund]") {
    Begun begun;
    auto& [books, shard, app, key] = begun;
    const auto due = [&] {
        const auto& config = app.terms.config;
        return commit(books, [&](pqxx::work& transaction) {
            return ledger::due_channels(transaction, books.assets.at(books.token), config.receiver,
                                        config.receiver_authorizer, kNoon);
        });
    };
    CHECK(due().empty());
    // While it is on its way, and no longer than that, although what it takes stays held.
    const auto entries = begun.record();
    CHECK(due().empty());
    begun.finish(entries.front(), false);
    CHECK(books.query("select refunding from channel") == "400");
    REQUIRE(due().size() == 1);
    CHECK(due()[0].charged == units(300));
    books.change("update outbox set status = 'sent'");
    CHECK(due().empty());
    process(shard, event(app, 1, channel::WithdrawalRequested{1'700'000'000, units(700)}));
    const auto closing = due();
    REQUIRE(closing.size() == 1);
    CHECK(closing[0].deadline == 1'700'000'900);
    process(shard, event(app, 2, channel::RefundConfirmed{units(700)}));
    CHECK(books.query("select status, withdraw_requested_at, withdraw_amount, refunding from "
                      "channel") == "open|0|0|0");
    REQUIRE(due().size() == 1);
    CHECK_FALSE(due()[0].deadline.has_value());
}
