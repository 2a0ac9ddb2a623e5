#include "ledger/accept_preview.hpp"
#include "tests/support/answers.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

using namespace support;
using channel::Error;
using ledger::Answer;
using ledger::Request;

namespace {

channel::Refusal refusal(const Answer& answer) {
    return std::get<channel::Refusal>(answer.outcome);
}

ledger::PaymentRequest with_signature(ledger::PaymentRequest request,
                                      const channel::VoucherSignature& signature) {
    std::get<channel::Accept>(request.command).voucher.signature = signature;
    return request;
}

}  // namespace

TEST_CASE("accept: reserved, charged and accepted again by the strict rule", "[accept]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    const auto answers =
        process(shard, app.accept("a", 100, 100), app.accept("b", 100, 100), app.charge("a", 40),
                app.accept("b", 100, 100), app.accept("b", 100, 140));
    CHECK(paid(answers[0]).kind == ledger::PaymentKind::authorize);
    CHECK(paid(answers[0]).result.reserved == units(100));
    CHECK(refused(answers[1]) == Error::channel_busy);
    CHECK(refusal(answers[3]) == channel::Refusal{Error::cumulative_amount_mismatch, units(140)});
    CHECK(paid(answers[4]).result.signed_max == units(140));
    CHECK(books.query("select kind, inference_id, voucher_max, signature is not null from payment "
                      "order by seq") == "authorize|a|100|t\ncharge|a|-|f\nauthorize|b|140|t");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("accept: a repeat gets the first result, before and after charges and a restart",
          "[accept]") {
    Books books;
    const auto app = payer(books, 1);
    ledger::PaymentResult first;
    {
        auto shard = books.shard();
        process(shard, app.open(1000));
        const auto answers = process(shard, app.accept("a", 100, 100), app.accept("a", 100, 100));
        first = paid(answers[0]).result;
        CHECK(paid(answers[1]).repeated);
        CHECK(paid(answers[1]).result.seq == first.seq);
        process(shard, app.charge("a", 70));
        const auto again = paid(process(shard, app.accept("a", 100, 100))[0]);
        CHECK(again.repeated);
        CHECK(again.result.seq == first.seq);
        CHECK(again.result.charged == units(0));
        CHECK(refused(process(shard, app.accept("a", 101, 171))[0]) ==
              Error::idempotency_conflict);
        shard.release_lease(kNoon);
    }
    // Nothing but the database remembers it now, and by the strict rule it would be refused.
    auto shard = books.shard();
    const auto again = paid(process(shard, app.accept("a", 100, 100))[0]);
    CHECK(again.repeated);
    CHECK(again.result.seq == first.seq);
    CHECK(refused(process(shard, app.accept("a", 99, 169))[0]) ==
          Error::idempotency_conflict);
    CHECK(paid(process(shard, app.accept("b", 30, 100))[0]).result.reserved == units(30));
    CHECK(books.query("select count(*) from payment where kind = 'authorize'") == "2");
}

TEST_CASE("accept: only the receiver hands in, and only what the payer has signed for it",
          "[accept]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    const auto stranger = payer(books, 2);
    process(shard, app.open(1000));
    for (const auto& caller : {app.terms.config.payer, app.terms.config.receiver_authorizer,
                               stranger.secret.address()}) {
        auto by_another = app.accept("a", 100, 100);
        by_another.caller = caller;
        CHECK(refused(process(shard, by_another)[0]) == Error::forbidden);
    }
    // The payer's own later voucher does not stand in for what the receiver made up.
    const auto forged = with_signature(app.accept("a", 100, 100), stranger.voucher(100).signature);
    const auto answers =
        process(shard, app.pay("p", 1, 1), forged, app.charge("a", 100), app.pay("q", 1, 500));
    CHECK(paid(answers[0]).result.charged == units(1));
    CHECK(refused(answers[1]) == Error::cumulative_amount_mismatch);
    const auto exact = with_signature(app.accept("a", 100, 102), stranger.voucher(102).signature);
    const auto more = process(shard, exact, app.charge("a", 100), app.pay("r", 1, 600));
    CHECK(refused(more[0]) == Error::voucher_signature);
    CHECK(refused(more[1]) == Error::reservation_unknown);
    CHECK(paid(more[2]).result.charged == units(3));
    CHECK(books.query("select count(*) from payment where inference_id = 'a'") == "0");
}

TEST_CASE("accept: its voucher is evidence of its own, and stands in for earlier ones",
          "[accept]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    const auto before = shard.signatures_checked();
    const auto answers =
        process(shard, app.pay("p", 10, 10), app.accept("a", 20, 30), app.charge("a", 5),
                app.accept("b", 5, 20), app.charge("b", 5), app.pay("q", 1, 400));
    for (const auto& answer : answers) paid(answer);
    // Those handed in each, and the last of the payer's, which covers its first.
    CHECK(shard.signatures_checked() == before + 3);
    CHECK(books.query("select inference_id, voucher_max, signature is not null from payment "
                      "where kind <> 'charge' order by seq") == "p|10|f\na|30|t\nb|20|t\nq|400|t");
    pqxx::connection connection(books.postgres.service_url());
    const auto record = ledger::read_channel(connection, app.terms.id);
    CHECK(record->state.signature == app.voucher(400).signature);
}

TEST_CASE("accept: where a contract signs, its verdict is needed", "[accept]") {
    Books books;
    auto shard = books.shard();
    auto app = payer(books, 1);
    app.terms.voucher_signer = channel::VoucherSigner::contract;
    process(shard, app.open(1000));
    auto request = app.accept("a", 10, 10);
    CHECK(refused(process(shard, request)[0]) == Error::voucher_signature);
    request.verdict = ledger::ContractVerdict::valid;
    CHECK(paid(process(shard, request)[0]).result.reserved == units(10));
}

TEST_CASE("accept preview: says what the shard would say, with the deposit in", "[accept]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    pqxx::connection connection(books.postgres.service_url());
    const auto preview = [&](const ledger::PaymentRequest& request, std::uint64_t deposit) {
        return ledger::preview_accept(connection, request, units(deposit));
    };
    const auto unknown = preview(app.accept("a", 100, 100), 0);
    CHECK_FALSE(unknown.channel.has_value());
    CHECK_FALSE(unknown.refusal.has_value());
    CHECK_FALSE(preview(app.accept("a", 100, 100), 100).refusal.has_value());
    CHECK(preview(app.accept("a", 100, 100), 99).refusal ==
          channel::Refusal{Error::cumulative_exceeds_balance, units(99)});
    CHECK(preview(app.accept("a", 100, 101), 500).refusal ==
          channel::Refusal{Error::cumulative_amount_mismatch, units(100)});

    process(shard, app.open(1000), app.accept("a", 100, 100));
    CHECK(preview(app.accept("b", 100, 100), 50).refusal == channel::Refusal{Error::channel_busy});
    const auto repeated = preview(app.accept("a", 100, 100), 50);
    REQUIRE(repeated.before.has_value());
    CHECK(repeated.before->reserved == units(100));
    CHECK(preview(app.accept("a", 99, 99), 50).refusal ==
          channel::Refusal{Error::idempotency_conflict});
    process(shard, app.charge("a", 30));
    CHECK(preview(app.accept("b", 1000, 1030), 0).refusal ==
          channel::Refusal{Error::cumulative_exceeds_balance, units(1000)});
    CHECK_FALSE(preview(app.accept("b", 1000, 1030), 30).refusal.has_value());
    auto huge = app.accept("b", 1, 31);
    CHECK(ledger::preview_accept(connection, huge, channel::Amount::max()).refusal ==
          channel::Refusal{Error::amount_out_of_range, channel::Amount::max(), "deposit.amount"});
}
