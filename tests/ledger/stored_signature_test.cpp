#include "tests/support/audited_export.hpp"
#include "tests/support/independent_verifier.hpp"
#include "tests/support/journal_history.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <functional>

using namespace support;
using channel::Error;
using ledger::Answer;
using ledger::Checking;
using ledger::Request;

namespace {

ledger::Shard shard_of(Books& books, Checking checking, std::size_t key_tables_max = 1024) {
    pqxx::connection connection(books.postgres.service_url());
    const auto lease =
        ledger::take_lease(connection, 0, "test", std::chrono::milliseconds{1000}, kNoon);
    return ledger::Shard(
        {books.postgres.service_url(), 0, 1, {}, checking, std::chrono::seconds{5}, key_tables_max},
        books.assets, lease.value(), books.order);
}

std::vector<std::string> process_all(ledger::Shard& shard, std::vector<Request> batch) {
    std::vector<std::string> said;
    for (const auto& answer : shard.process(std::move(batch), kNoon)) {
        if (const auto* refusal = std::get_if<channel::Refusal>(&answer.outcome))
            said.emplace_back(channel::reason(refusal->error));
        else if (const auto* changed = std::get_if<ledger::ChannelChanged>(&answer.outcome))
            said.push_back(changed->name);
        else
            said.emplace_back("paid");
    }
    return said;
}

template <class... Requests>
std::vector<std::string> process(ledger::Shard& shard, Requests... requests) {
    std::vector<Request> batch;
    (batch.push_back(std::move(requests)), ...);
    return process_all(shard, std::move(batch));
}

channel::VoucherSignature& signature_of(ledger::PaymentRequest& request) {
    if (auto* authorize = std::get_if<channel::Authorize>(&request.command))
        return authorize->voucher->signature;
    return std::get<channel::Pay>(request.command).voucher.signature;
}

ledger::PaymentRequest signed_with(ledger::PaymentRequest request, std::size_t byte,
                                   std::uint8_t change) {
    auto& given = signature_of(request);
    auto signature = *given.as_of_key();
    signature.bytes[byte] ^= change;
    given = signature;
    return request;
}

/// In the form of a signature, and nobody's.
ledger::PaymentRequest forged(ledger::PaymentRequest request) {
    return signed_with(std::move(request), 40, 1);
}

/// With the other v: r and s are the payer's, and the contract would find another signer.
ledger::PaymentRequest flipped(ledger::PaymentRequest request) {
    return signed_with(std::move(request), 64, 27 ^ 28);
}

ledger::PostChannelEvent event(const Payer& app, std::uint8_t n, ledger::ChannelChainEvent what) {
    ledger::ChainLog log;
    log.transaction.bytes.fill(n);
    log.block_number = n;
    log.block_hash.bytes.fill(n);
    return {{}, app.terms.id, log, std::move(what)};
}

ledger::BeginRefund refund(const Payer& app, std::uint64_t amount, std::uint64_t charged) {
    ledger::BeginRefund request{{}, app.terms.config.payer, app.terms.id, {}};
    request.asked.amount = units(amount);
    request.asked.voucher = app.voucher(charged);
    return request;
}

std::string hex(ledger::PaymentRequest request) {
    return channel::to_hex(signature_of(request));
}

/// Neither the rows nor the events nor the channel have it.
bool is_nowhere(Books& books, const ledger::PaymentRequest& request) {
    const auto bytea = "'\\" + hex(request).substr(1) + "'::bytea";
    return books.query("select (select count(*) from payment where signature = " + bytea +
                       ") + (select count(*) from channel where signature = " + bytea +
                       ") + (select count(*) from event where data::text like '%" + hex(request) +
                       "%')") == "0";
}

std::string told_signature(Books& books, const std::string& event_name) {
    return books.query("select data::json->>'signature' from event where name = '" + event_name +
                       "' order by seq desc limit 1");
}

void check_sound(Books& books) {
    CHECK(books.trial_balance() == "0");
    {
        ledger::Sealer sealer(log_signer());
        pqxx::connection connection(books.postgres.service_url());
        sealer.seal(connection, 1'000'000, kNoon);
    }
    const auto key = log_signer().key();
    pqxx::connection connection(books.postgres.url());
    pqxx::work transaction(connection);
    const auto text = exported(books, transaction, key.text());
    ledger::VerificationSettings settings;
    settings.key = key;
    const auto finding = verified(text, settings);
    INFO((finding ? finding->rule + " " + finding->key + ": " + finding->explanation : ""));
    CHECK_FALSE(finding.has_value());
    const Folder folder;
    for (const auto& said : independently(folder.write("books", text) + " --key " + key.text())) {
        INFO(boost::json::serialize(said));
        CHECK(said.as_object().at("ok").as_bool());
    }
}

}  // namespace

TEST_CASE("evidence: a voucher that an event tells of is checked, though a later one covers it",
          "[shard][evidence]") {
    const auto checking = GENERATE(Checking::newest_first, Checking::each);
    Books books;
    auto shard = shard_of(books, checking);
    const auto app = payer(books, 1);
    process(shard, app.open(1000), app.pay("a", 100, 100));
    auto bad = forged(app.pay("b", 1, 101));
    const auto good = app.pay("c", 1, 102);
    std::vector<std::string> said;
    SECTION("a deposit") {
        said = process(shard, bad, event(app, 1, channel::DepositConfirmed{units(50)}), good);
        CHECK(said[1] == "topped_up");
    }
    SECTION("somebody's claim") {
        said = process(shard, bad, event(app, 1, channel::ClaimConfirmed{units(60)}), good);
        CHECK(said[1] == "claimed");
    }
    SECTION("a refund that begins") {
        // An authorization, since a refund's voucher is for exactly what is charged.
        bad = forged(app.authorize("b", 1, 101));
        said = process(shard, bad, refund(app, 50, 100), good);
        CHECK(said[1] == "refunding");
    }
    CHECK(said[0] == channel::reason(Error::voucher_signature));
    CHECK(said[2] == "paid");
    CHECK(is_nowhere(books, bad));
    CHECK(books.query("select signed_max, charged from channel") == "102|101");
    check_sound(books);
}

TEST_CASE("evidence: a refund is refused for its own voucher, and harms no payment",
          "[shard][evidence]") {
    Books books;
    auto shard = shard_of(books, Checking::newest_first);
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    auto bad = refund(app, 50, 10);
    auto signature = *bad.asked.voucher.signature.as_of_key();
    signature.bytes[40] ^= 1;
    bad.asked.voucher.signature = signature;
    const auto said = process(shard, app.pay("a", 10, 10), bad, app.pay("b", 10, 20));
    CHECK(said == std::vector<std::string>{
                      "paid", std::string(channel::reason(Error::voucher_signature)), "paid"});
    CHECK(books.query("select count(*) from event where name = 'refunding'") == "0");
    check_sound(books);
}

TEST_CASE("evidence: of vouchers for one amount an event tells the one that was checked",
          "[shard][evidence]") {
    const auto checking = GENERATE(Checking::newest_first, Checking::each);
    const bool is_forged = checking == Checking::newest_first;
    Books books;
    auto shard = shard_of(books, checking);
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    const auto first = app.pay("a", 10, 100);
    const auto bad = is_forged ? forged(first) : flipped(first);
    const auto good = app.pay("b", 10, 100);
    const auto said =
        process(shard, bad, good, event(app, 1, channel::DepositConfirmed{units(50)}),
                app.pay("c", 10, 100), event(app, 2, channel::ClaimConfirmed{units(30)}));
    CHECK(said == std::vector<std::string>{"paid", "paid", "topped_up", "paid", "claimed"});
    CHECK(told_signature(books, "topped_up") == hex(good));
    CHECK(told_signature(books, "claimed") == hex(good));
    CHECK(is_nowhere(books, bad));
    CHECK(books.query("select inference_id, signature is not null from payment order by seq") ==
          "a|f\nb|t\nc|t");
    check_sound(books);
}

TEST_CASE("evidence: a channel keeps the signature it had, whatever comes for the same amount",
          "[shard][evidence]") {
    Books books;
    auto shard = shard_of(books, Checking::newest_first);
    const auto app = payer(books, 1);
    const auto kept = app.pay("a", 10, 100);
    process(shard, app.open(1000), kept);
    const auto bad = forged(app.pay("b", 10, 100));
    const auto said = process(shard, bad, app.pay("c", 10, 100),
                              event(app, 1, channel::DepositConfirmed{units(50)}));
    CHECK(said == std::vector<std::string>{"paid", "paid", "topped_up"});
    CHECK(told_signature(books, "topped_up") == hex(kept));
    CHECK(is_nowhere(books, bad));
    check_sound(books);
}

TEST_CASE("evidence: a signature with the other v is not stored, also where each is checked",
          "[shard][evidence]") {
    Books books;
    auto shard = shard_of(books, Checking::each);
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    const auto bad = flipped(app.pay("a", 10, 10));
    const auto before = shard.signatures_checked();
    CHECK(process(shard, bad, app.pay("b", 10, 20), app.pay("c", 10, 30)) ==
          std::vector<std::string>{"paid", "paid", "paid"});
    CHECK(shard.signatures_checked() == before + 3);
    CHECK(is_nowhere(books, bad));
    CHECK(books.query("select p.inference_id, p.signature is not null, c.inference_id from payment "
                      "p left join payment c on c.seq = p.covered_by order by p.seq") ==
          "a|f|c\nb|f|c\nc|t|-");

    // Where nothing covers it, or r and s are not the payer's either, it is refused.
    const auto voucher_signature = std::string(channel::reason(Error::voucher_signature));
    CHECK(process(shard, flipped(app.pay("d", 10, 40)))[0] == voucher_signature);
    CHECK(process(shard, forged(app.pay("e", 10, 40)), app.pay("f", 10, 50)) ==
          std::vector<std::string>{voucher_signature, "paid"});
    check_sound(books);
}

TEST_CASE("evidence: with tables of the keys that sign often all is judged as without them",
          "[shard][evidence]") {
    const auto checking = GENERATE(Checking::newest_first, Checking::each);
    const auto tables = GENERATE(std::size_t{0}, std::size_t{3}, std::size_t{1024});
    CAPTURE(tables);
    Books books;
    auto shard = shard_of(books, checking, tables);
    std::vector<Payer> apps;
    for (std::uint8_t n = 1; n <= 5; ++n) apps.push_back(payer(books, n));
    for (const auto& app : apps) process(shard, app.open(10'000));
    const auto for_each = [&](const std::function<Request(const Payer&, std::size_t)>& made) {
        std::vector<Request> batch;
        for (std::size_t n = 0; n < apps.size(); ++n) batch.push_back(made(apps[n], n));
        return process_all(shard, std::move(batch));
    };
    using Said = std::vector<std::string>;
    const auto bad = std::string(channel::reason(Error::voucher_signature));
    // Enough of them that the keys are known.
    for (std::uint64_t n = 1; n <= 20; ++n) {
        const auto id = std::to_string(n);
        CHECK(for_each([&](const Payer& app, std::size_t) { return app.pay(id, 10, 10 * n); }) ==
              Said(5, "paid"));
    }
    const auto before = shard.signatures_checked();
    // Alone in its channel each is judged by itself, whatever the others of the batch are.
    CHECK(for_each([&](const Payer& app, std::size_t n) -> Request {
              const auto good = app.pay("last", 10, 210);
              return n == 1 ? forged(good) : n == 3 ? flipped(good) : good;
          }) == Said{"paid", bad, "paid", bad, "paid"});
    // A good one covers those before it, unless each is checked; the other v is no matter then.
    std::vector<Request> covered;
    for (const auto n : {0, 2, 4}) {
        covered.push_back(n == 2 ? flipped(apps[n].pay("x", 10, 220))
                                 : forged(apps[n].pay("x", 10, 220)));
        covered.push_back(apps[n].pay("y", 10, 230));
    }
    const auto forged_said = checking == Checking::each ? bad : "paid";
    CHECK(process_all(shard, std::move(covered)) ==
          Said{forged_said, "paid", "paid", "paid", forged_said, "paid"});
    CHECK(shard.signatures_checked() > before);
    CHECK(books.query("select count(*) from payment where signature is not null and covered_by is "
                      "not null") == "0");
    check_sound(books);
}
