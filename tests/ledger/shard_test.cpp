#include "ledger/lease.hpp"
#include "tests/support/answers.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <future>

using namespace support;
using channel::Error;
using ledger::Answer;
using ledger::PaymentCommitted;
using ledger::Request;

namespace {

ledger::ChainLog chain_log(std::uint8_t n) {
    ledger::ChainLog one;
    one.transaction.bytes.fill(n);
    one.block_number = n;
    one.block_hash.bytes.fill(n);
    return one;
}

}  // namespace

TEST_CASE("shard: an opened channel takes payments and the books follow", "[shard]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    const auto opened = process(shard, app.open(1000));
    CHECK(std::get<ledger::ChannelChanged>(opened[0].outcome).name == "opened");

    const auto answers = process(shard, app.pay("a", 100, 100), app.pay("b", 50, 150));
    CHECK(paid(answers[0]).result.charged == units(100));
    CHECK(paid(answers[1]).result.charged == units(150));
    CHECK(paid(answers[1]).result.seq == paid(answers[0]).result.seq + 1);
    CHECK(books.trial_balance() == "0");
    CHECK(books.query("select kind, credits - debits from account where asset_id = " +
                      std::to_string(books.token) + " order by kind") ==
          "channel|850\nclaimed|0\nearned|150\nescrow|-1000");
    CHECK(books.query("select amount, cause from transfer order by seq") ==
          "1000|deposit\n150|payment");
}

TEST_CASE("shard: of pipelined vouchers only the newest is checked, and it covers the others",
          "[shard]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    const auto before = shard.signatures_checked();
    const auto answers =
        process(shard, app.pay("a", 10, 10), app.pay("b", 10, 20), app.pay("c", 10, 30));
    for (const auto& answer : answers) paid(answer);
    CHECK(shard.signatures_checked() == before + 1);
    CHECK(books.query("select inference_id, signature is not null, covered_by from payment "
                      "order by seq") ==
          "a|f|" + std::to_string(paid(answers[2]).result.seq) + "\nb|f|" +
              std::to_string(paid(answers[2]).result.seq) + "\nc|t|-");
}

TEST_CASE("shard: a bad voucher that nothing covers is refused and harms no other", "[shard]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    const auto stranger = payer(books, 2);
    process(shard, app.open(1000));
    auto forged = app.pay("c", 10, 30);
    std::get<channel::Pay>(forged.command).voucher.signature = stranger.voucher(30).signature;
    const auto answers =
        process(shard, app.pay("a", 10, 10), app.pay("b", 10, 20), forged, app.pay("d", 5, 25));
    CHECK(paid(answers[0]).result.charged == units(10));
    CHECK(paid(answers[1]).result.charged == units(20));
    CHECK(refused(answers[2]) == Error::voucher_signature);
    CHECK(paid(answers[3]).result.charged == units(25));
    CHECK(books.query("select count(*) from payment where signature is null") == "0");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("shard: a signature with the other recovery id is refused", "[shard]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    auto flipped = app.pay("a", 10, 10);
    auto& given = std::get<channel::Pay>(flipped.command).voucher.signature;
    auto signature = *given.as_of_key();
    signature.bytes[64] = signature.bytes[64] == 27 ? 28 : 27;
    given = signature;
    CHECK(refused(process(shard, flipped)[0]) == Error::voucher_signature);
    paid(process(shard, app.pay("b", 10, 10))[0]);
    CHECK(refused(process(shard, flipped)[0]) == Error::insufficient_voucher);
}

TEST_CASE("shard: of a contract's vouchers each counts by the verdict it came with", "[shard]") {
    Books books;
    auto app = payer(books, 1);
    app.terms.voucher_signer = channel::VoucherSigner::contract;
    const auto with = [&](ledger::PaymentRequest request, ledger::ContractVerdict verdict) {
        auto& voucher = std::get<channel::Pay>(request.command).voucher;
        voucher.signature = channel::VoucherSignature::from_bytes(channel::Bytes(700, 7)).value();
        request.verdict = verdict;
        return request;
    };
    using ledger::ContractVerdict;
    {
        auto shard = books.shard();
        process(shard, app.open(1000));
        // Nothing covers what was not asked about, and a key's good signature is none of a
        // contract.
        const auto answers =
            process(shard, with(app.pay("a", 10, 10), ContractVerdict::none),
                    with(app.pay("b", 10, 20), ContractVerdict::valid), app.pay("c", 10, 30));
        CHECK(refused(answers[0]) == Error::voucher_signature);
        CHECK(paid(answers[1]).result.charged == units(10));
        CHECK(refused(answers[2]) == Error::voucher_signature);
        CHECK(shard.signatures_checked() == 0);
        shard.release_lease(kNoon);
    }
    CHECK(books.query("select octet_length(signature), covered_by from payment") == "700|-");
    CHECK(books.query("select octet_length(signature), voucher_signer from channel") ==
          "700|contract");
    auto shard = books.shard("again", kNoon + std::chrono::seconds{10});
    const auto answers =
        process(shard, app.pay("d", 5, 30), with(app.pay("e", 5, 30), ContractVerdict::valid));
    CHECK(refused(answers[0]) == Error::voucher_signature);
    CHECK(paid(answers[1]).result.charged == units(15));
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("shard: a longer signature is none of a key", "[shard]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    auto longer = app.pay("a", 10, 10);
    auto& signature = std::get<channel::Pay>(longer.command).voucher.signature;
    auto bytes = channel::Bytes(signature.view().begin(), signature.view().end());
    bytes.push_back(0);
    signature = channel::VoucherSignature::from_bytes(bytes).value();
    longer.verdict = ledger::ContractVerdict::valid;
    CHECK(refused(process(shard, longer)[0]) == Error::voucher_signature);
}

TEST_CASE("shard: what is stored of several vouchers for one amount is the one that was checked",
          "[shard]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    auto first = app.authorize("a", 10, 100);
    auto& given = std::get<channel::Authorize>(first.command).voucher->signature;
    auto changed = *given.as_of_key();
    changed.bytes[3] ^= 1;
    given = changed;
    const auto second = app.authorize("b", 10, 100);
    const auto answers = process(shard, first, second);
    paid(answers[0]);
    paid(answers[1]);
    CHECK(books.query("select signature = (select signature from payment where inference_id = "
                      "'b') from channel") == "t");
}

TEST_CASE("shard: who may pay no more still gets the answer to what was paid", "[shard]") {
    Books books;
    const auto app = payer(books, 1);
    const auto no_more = [&](ledger::PaymentRequest request) {
        request.refusal = channel::Refusal{Error::contract_payer_refused};
        return request;
    };
    std::uint64_t seq = 0;
    {
        auto shard = books.shard();
        process(shard, app.open(1000));
        seq = paid(process(shard, app.pay("a", 100, 100))[0]).result.seq;
        CHECK(refused(process(shard, no_more(app.pay("b", 1, 101)))[0]) ==
              Error::contract_payer_refused);
        CHECK(paid(process(shard, no_more(app.pay("a", 100, 100)))[0]).result.seq == seq);
        shard.release_lease(kNoon);
    }
    auto shard = books.shard();
    const auto again = process(shard, no_more(app.pay("a", 100, 100)));
    CHECK(paid(again[0]).repeated);
    CHECK(paid(again[0]).result.seq == seq);
    CHECK(books.query("select charged from channel") == "100");
}

TEST_CASE("shard: the same request again gets the first result, other content is a conflict",
          "[shard]") {
    Books books;
    const auto app = payer(books, 1);
    std::uint64_t seq = 0;
    {
        auto shard = books.shard();
        process(shard, app.open(1000));
        seq = paid(process(shard, app.pay("a", 100, 100))[0]).result.seq;
        const auto again = process(shard, app.pay("a", 100, 100), app.pay("a", 100, 300));
        CHECK(paid(again[0]).repeated);
        CHECK(paid(again[0]).result.seq == seq);
        CHECK(paid(again[1]).result.seq == seq);
        CHECK(refused(process(shard, app.pay("a", 101, 201))[0]) == Error::idempotency_conflict);
        CHECK(refused(process(shard, app.authorize("a", 100, 200))[0]) ==
              Error::idempotency_conflict);
        const auto twins = process(shard, app.pay("b", 1, 101), app.pay("b", 1, 102));
        CHECK(paid(twins[1]).repeated);
        CHECK(paid(twins[1]).result.seq == paid(twins[0]).result.seq);
        shard.release_lease(kNoon);
    }
    // A new process remembers nothing but the database.
    auto shard = books.shard();
    const auto answers = process(shard, app.pay("c", 1, 102), app.pay("a", 100, 100));
    CHECK(paid(answers[0]).result.charged == units(102));
    CHECK(paid(answers[1]).repeated);
    CHECK(paid(answers[1]).result.seq == seq);
    CHECK(paid(answers[1]).result.charged == units(100));
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("shard: authorise, charge in parts, charge finally, release", "[shard]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    CHECK(paid(process(shard, app.authorize("a", 100, 100))[0]).result.reserved == units(100));
    process(shard, app.authorize("b", 50, 150));

    const auto part = process(shard, app.charge("a", 30, channel::Finality::partial));
    CHECK(paid(part[0]).result.charged == units(30));
    CHECK(paid(part[0]).result.reserved == units(120));
    CHECK(paid(process(shard, app.charge("a", 30, channel::Finality::partial))[0]).repeated);
    const auto last = process(shard, app.charge("a", 70));
    CHECK(paid(last[0]).result.charged == units(70));
    CHECK(paid(last[0]).result.reserved == units(50));
    CHECK(paid(process(shard, app.charge("a", 70))[0]).repeated);
    CHECK(refused(process(shard, app.charge("a", 80))[0]) == Error::idempotency_conflict);
    CHECK(refused(process(shard, app.charge("b", 51))[0]) == Error::amount_exceeds_reservation);
    CHECK(paid(process(shard, app.release("b"))[0]).result.reserved == units(0));
    CHECK(refused(process(shard, app.charge("unheard", 1))[0]) == Error::reservation_unknown);
    CHECK(books.query("select count(*) from reservation") == "0");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("shard: each party does only what is its own", "[shard]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    auto by_provider = app.pay("a", 10, 10);
    by_provider.caller = app.terms.config.receiver;
    auto by_payer = app.charge("a", 10);
    by_payer.caller = app.terms.config.payer;
    auto elsewhere = app.pay("a", 10, 10);
    elsewhere.channel.bytes[0] ^= 1;
    const auto answers = process(shard, by_provider, by_payer, elsewhere);
    CHECK(refused(answers[0]) == Error::forbidden);
    CHECK(refused(answers[1]) == Error::forbidden);
    CHECK(refused(answers[2]) == Error::channel_unknown);
    CHECK(books.query("select count(*) from payment") == "0");
}

TEST_CASE("shard: events of the chain move the books once", "[shard]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(0));
    CHECK(refused(process(shard, app.pay("a", 1, 1))[0]) == Error::channel_not_open);

    const ledger::PostChannelEvent deposit{
        {}, app.terms.id, chain_log(1), channel::DepositConfirmed{units(500)}};
    const auto posted = process(shard, deposit, deposit);
    CHECK(std::get<ledger::ChannelChanged>(posted[0].outcome).name == "opened");
    CHECK(std::get<ledger::ChannelChanged>(posted[1].outcome).name.empty());
    CHECK(std::get<ledger::ChannelChanged>(process(shard, deposit)[0].outcome).name.empty());

    process(shard, app.pay("a", 200, 200));
    process(shard, ledger::PostChannelEvent{
                       {}, app.terms.id, chain_log(2), channel::ClaimConfirmed{units(150)}});
    const ledger::PostAssetEvent settled{
        {}, books.token, chain_log(3), ledger::Settled{app.terms.config.receiver, units(170)}};
    process(shard, settled);
    process(shard, settled);
    process(shard,
            ledger::PostAssetEvent{{}, books.coin, chain_log(9), ledger::FeePaid{units(21000)}});
    CHECK(books.query("select kind, credits - debits from account order by asset_id, kind") ==
          "channel|300\nclaimed|0\nearned|50\nescrow|-350\ngas|-21000\nwallet|21000");
    process(shard, ledger::PostChannelEvent{
                       {}, app.terms.id, chain_log(4), channel::WithdrawalRequested{1700000000}});
    CHECK(refused(process(shard, app.pay("b", 1, 201))[0]) == Error::channel_closing);
    process(shard, ledger::PostChannelEvent{
                       {}, app.terms.id, chain_log(5), channel::WithdrawalFinalized{units(300)}});
    CHECK(books.trial_balance() == "0");
    CHECK(books.query("select name from event order by seq") ==
          "pending\nopened\nclaimed\nclosing\nwithdrawn");
}

TEST_CASE("shard: state is rebuilt from the database alone", "[shard]") {
    Books books;
    const auto app = payer(books, 1);
    {
        auto shard = books.shard();
        process(shard, app.open(1000));
        process(shard, app.pay("a", 100, 100), app.authorize("b", 50, 200));
        shard.release_lease(kNoon);
    }
    auto shard = books.shard();
    CHECK(shard.channel_count() == 1);
    const auto answer = process(shard, app.charge("b", 40));
    CHECK(paid(answer[0]).result.charged == units(140));
    CHECK(paid(answer[0]).result.signed_max == units(200));
    CHECK(paid(answer[0]).result.reserved == units(0));
}

TEST_CASE("shard: a channel that is opened again after a restart is the one that it was",
          "[shard]") {
    Books books;
    const auto app = payer(books, 1);
    {
        auto shard = books.shard();
        process(shard, app.open(1000));
        process(shard, app.pay("a", 100, 100));
        shard.release_lease(kNoon);
    }
    auto shard = books.shard();
    const auto before = books.query("select count(*) from transfer");
    process(shard, app.open(1000));
    process(shard, app.open(5000), app.open(1000));
    CHECK(books.query("select balance, charged from channel") == "1000|100");
    CHECK(books.query("select count(*) from channel_opening") == "1");
    CHECK(books.query("select count(*) from transfer") == before);
    CHECK(refused(process(shard, app.pay("b", 950, 1050))[0]) == Error::cumulative_exceeds_balance);
}

TEST_CASE("shard: a holder that was taken over cannot commit", "[shard][lease]") {
    Books books;
    auto first = books.shard("first");
    const auto app = payer(books, 1);
    process(first, app.open(1000));
    {
        pqxx::connection connection(books.postgres.service_url());
        CHECK_FALSE(ledger::take_lease(connection, 0, "second", std::chrono::seconds{1}, kNoon));
    }
    auto second = books.shard("second", kNoon + std::chrono::seconds{2});
    CHECK_THROWS_AS(process(first, app.pay("a", 1, 1)), ledger::LeaseLost);
    CHECK(books.query("select count(*) from payment") == "0");
    paid(process(second, app.pay("a", 1, 1))[0]);
    CHECK_THROWS_AS(first.keep_lease(kNoon), ledger::LeaseLost);
}

TEST_CASE("shard: a lost database refuses the batch, keeps the state and recovers", "[shard]") {
    Books books(GENERATE(Books::Posting::before_answers, Books::Posting::behind));
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    process(shard, app.pay("a", 100, 100));
    books.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = "
        "current_database() and pid <> pg_backend_pid()");
    // Whether the cut is noticed before or after sending: the answer is the truth either way.
    const auto cut = process(shard, app.pay("b", 100, 200));
    const auto again = process(shard, app.pay("b", 100, 200));
    CHECK(paid(again[0]).result.charged == units(200));
    if (std::holds_alternative<PaymentCommitted>(cut[0].outcome))
        CHECK(paid(again[0]).result.seq == paid(cut[0]).result.seq);
    CHECK(books.query("select count(*) from payment") == "2");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("shard: what is committed stays when a later batch cannot look up", "[shard]") {
    Books books(GENERATE(Books::Posting::before_answers, Books::Posting::behind));
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    paid(process(shard, app.pay("a", 10, 10))[0]);
    paid(process(shard, app.pay("a", 10, 10))[0]);
    const auto last = app.pay("b", 100, 110);
    paid(process(shard, last)[0]);
    books.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = "
        "current_database() and pid <> pg_backend_pid()");
    CHECK(refused(process(shard, last)[0]) == Error::unavailable);
    // The writer's own connection is gone as well, which it may notice only now.
    process(shard, app.pay("c", 1, 111));
    CHECK(paid(process(shard, app.pay("c", 1, 111))[0]).result.charged == units(111));
    CHECK(books.query("select charged from channel") == "111");
}

TEST_CASE("shard: a commit that takes longer than its time-out is waited for", "[shard]") {
    Books books;
    auto shard = books.shard("slow", kNoon, std::chrono::seconds{1});
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    pqxx::connection connection(books.postgres.service_url());
    pqxx::work blocking(connection);
    blocking.exec("select from account for update");
    auto answers =
        std::async(std::launch::async, [&] { return process(shard, app.pay("a", 100, 100)); });
    CHECK(answers.wait_for(std::chrono::milliseconds{2500}) == std::future_status::timeout);
    blocking.commit();
    CHECK(paid(answers.get()[0]).result.charged == units(100));
    CHECK(paid(process(shard, app.pay("b", 100, 200))[0]).result.charged == units(200));
    CHECK(books.query("select charged from channel") == "200");
}

TEST_CASE("shard: a batch that was given up never comes back", "[shard]") {
    Books books(GENERATE(Books::Posting::before_answers, Books::Posting::behind));
    auto shard = books.shard("slow", kNoon, std::chrono::seconds{1});
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    {
        pqxx::connection connection(books.postgres.url());
        pqxx::work blocking(connection);
        // The statement waits before it does anything, and is asked about meanwhile.
        blocking.exec("lock table commit_sequence in share mode");
        CHECK(refused(process(shard, app.pay("a", 100, 100))[0]) == Error::unavailable);
        CHECK(books.query("select count(*) from pg_locks where not granted and relation = "
                          "'commit_sequence'::regclass") == "1");
        blocking.commit();
    }
    while (books.query("select count(*) from pg_stat_activity where application_name = "
                       "'millrace-shard' and state = 'active'") != "0") {
    }
    CHECK(books.query("select count(*) from payment") == "0");
    CHECK(paid(process(shard, app.pay("b", 50, 50))[0]).result.charged == units(50));
    CHECK(books.query("select charged from channel") == "50");
}

TEST_CASE("shard: published events are in commit order with dense numbers", "[shard]") {
    Books books;
    std::vector<std::uint64_t> numbers;
    books.order.published = [&](std::span<const Answer> answers) {
        for (const auto& answer : answers)
            if (const auto* committed = std::get_if<PaymentCommitted>(&answer.outcome))
                numbers.push_back(committed->result.seq);
    };
    auto shard = books.shard();
    const auto one = payer(books, 1);
    const auto two = payer(books, 2);
    process(shard, one.open(1000), two.open(1000));
    process(shard, one.pay("a", 1, 1), two.pay("a", 1, 1), one.pay("b", 1, 2));
    process(shard, two.pay("b", 1, 2));
    CHECK(numbers == std::vector<std::uint64_t>{3, 4, 5, 6});
}
