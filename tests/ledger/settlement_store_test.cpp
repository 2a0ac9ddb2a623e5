#include "channel/hex.hpp"
#include "ledger/chain/cursor.hpp"
#include "ledger/chain/key_signer.hpp"
#include "ledger/settlement/claim_store.hpp"
#include "ledger/settlement/due.hpp"
#include "ledger/settlement/outbox.hpp"
#include "ledger/settlement/payer_channels.hpp"
#include "ledger/settlement/quarantine.hpp"
#include "tests/support/ledger_fixture.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>

#include <pqxx/pqxx>

using namespace support;
using channel::Amount;
using ledger::OutboxDraft;
using ledger::Purpose;

namespace {

constexpr channel::Network kNetwork{31337};

OutboxDraft draft(Purpose purpose, const std::string& reference) {
    OutboxDraft made;
    made.purpose = purpose;
    made.reference = reference;
    made.to = key(5).address();
    made.data = {1, 2, 3};
    made.gas_limit = 100'000;
    made.fees = {units(3000), units(100)};
    return made;
}

template <class Work>
auto commit(Books& books, Work work) {
    pqxx::connection connection(books.postgres.service_url());
    pqxx::work transaction(connection);
    auto result = work(transaction);
    transaction.commit();
    return result;
}

ledger::OutboxResult result_of(const ledger::OutboxEntry& entry, bool succeeded) {
    return {entry.hash, succeeded, 7, 21'000, units(42), succeeded ? "" : "reverted"};
}

ledger::chain::KeySigner signer_of(unsigned relayer) {
    return {key(relayer + 100), key(relayer)};
}

/// Two channels of receiver 900 with 60 and 40 charged, in the database as shards leave them.
struct Due {
    Books books;
    std::vector<Payer> payers;
    ledger::chain::KeySigner signer = signer_of(4);

    Due() {
        auto shard = books.shard();
        for (const unsigned n : {1u, 2u}) {
            payers.push_back(payer(books, n));
            std::vector<ledger::Request> requests;
            requests.emplace_back(payers.back().open(1000));
            requests.emplace_back(payers.back().pay("a", n == 1 ? 60 : 40, 100));
            for (const auto& answer : shard.process(std::move(requests), kNoon))
                if (std::holds_alternative<channel::Refusal>(answer.outcome))
                    throw std::runtime_error("the channel was not prepared");
        }
    }
    const ledger::Asset& asset() const { return books.assets.at(books.token); }
    const channel::Address& receiver() const { return payers[0].terms.config.receiver; }
    const channel::Address& authorizer() const {
        return payers[0].terms.config.receiver_authorizer;
    }
    std::vector<ledger::PlannedRow> plan(ledger::Time at = kNoon) {
        return commit(books, [&](pqxx::work& transaction) {
            return ledger::plan_claim(
                ledger::due_channels(transaction, asset(), receiver(), authorizer(), at), {});
        });
    }
    /// All rows are in the first transaction.
    ledger::RecordedClaim record(const std::string& id, const std::vector<ledger::PlannedRow>& rows,
                                 std::size_t transactions = 1) {
        std::vector<std::size_t> batches(transactions, 0);
        batches.front() = rows.size();
        return record(id, rows, batches);
    }
    ledger::RecordedClaim record(const std::string& id, const std::vector<ledger::PlannedRow>& rows,
                                 const std::vector<std::size_t>& batches) {
        const auto transactions = batches.size();
        return commit(books, [&](pqxx::work& transaction) {
            const ledger::NewClaim claim{id, asset(), receiver(), rows, units(100), batches};
            auto signed_drafts = ledger::sign_drafts(transaction, {kNetwork, signer, 0},
                                                     {transactions, draft(Purpose::claim, id)});
            return ledger::record_claim(transaction, claim, std::move(signed_drafts), kNoon);
        });
    }
};

}  // namespace

TEST_CASE("outbox: nonces follow each other, above what the chain says is used", "[settlement]") {
    Books books;
    auto relayer = signer_of(4);
    const auto nonces = [&](std::uint64_t nonce_min, std::size_t count) {
        const auto entries = commit(books, [&](pqxx::work& transaction) {
            return ledger::enqueue(transaction, {kNetwork, relayer, nonce_min},
                                   {count, draft(Purpose::deposit, "x")}, kNoon);
        });
        std::vector<std::uint64_t> all;
        for (const auto& entry : entries) all.push_back(entry.nonce);
        return all;
    };
    CHECK(nonces(0, 2) == std::vector<std::uint64_t>{0, 1});
    CHECK(nonces(0, 1) == std::vector<std::uint64_t>{2});
    CHECK(nonces(7, 2) == std::vector<std::uint64_t>{7, 8});
    CHECK(nonces(1, 1) == std::vector<std::uint64_t>{9});
}

TEST_CASE("outbox: two writers cannot take the same nonce", "[settlement]") {
    Books books;
    auto relayer = signer_of(4);
    const std::vector<OutboxDraft> drafts{draft(Purpose::deposit, "x")};
    commit(books, [&](pqxx::work& transaction) {
        return ledger::enqueue(transaction, {kNetwork, relayer, 0}, drafts, kNoon);
    });
    pqxx::connection connection(books.postgres.service_url());
    pqxx::work late(connection);
    // As a writer that had looked for the next nonce before the other committed.
    CHECK_THROWS_AS(late.exec("insert into outbox select outbox_id + 1, network, signer, nonce, "
                              "purpose, reference, to_address, data, gas_limit, max_fee, "
                              "priority_fee, raw, hash, status, block_number, gas_used, fee, "
                              "error, created_at, updated_at from outbox"),
                    pqxx::unique_violation);
}

TEST_CASE("outbox: what was written is read back as it was, newest first", "[settlement]") {
    Books books;
    auto relayer = signer_of(4);
    const auto entries = commit(books, [&](pqxx::work& transaction) {
        return ledger::enqueue(transaction, {kNetwork, relayer, 0},
                               {draft(Purpose::deposit, "x"), draft(Purpose::claim, "x"),
                                draft(Purpose::deposit, "x")},
                               kNoon);
    });
    const auto found = commit(books, [](pqxx::work& transaction) {
        return ledger::find_outbox(transaction, Purpose::deposit, "x");
    });
    REQUIRE(found.has_value());
    CHECK(found->id == entries[2].id);
    CHECK(found->nonce == 2);
    CHECK(found->raw == entries[2].raw);
    CHECK(found->hash == entries[2].hash);
    CHECK(found->data == channel::Bytes{1, 2, 3});
    CHECK(found->fees == entries[2].fees);
    CHECK(found->signer == relayer.relayer());
    CHECK(found->status == ledger::OutboxStatus::queued);
    const auto none = commit(books, [](pqxx::work& transaction) {
        return ledger::find_outbox(transaction, Purpose::deposit, "y");
    });
    CHECK_FALSE(none.has_value());
}

TEST_CASE("outbox: raised fees keep the nonce and what was broadcast before", "[settlement]") {
    Books books;
    auto relayer = signer_of(4);
    const auto entry = commit(books, [&](pqxx::work& transaction) {
        return ledger::enqueue(transaction, {kNetwork, relayer, 5}, {draft(Purpose::deposit, "x")},
                               kNoon)
            .front();
    });
    const auto raised = commit(books, [&](pqxx::work& transaction) {
        return ledger::raise_fees(transaction, entry, relayer, {units(4000), units(200)}, kNoon);
    });
    CHECK(raised.nonce == entry.nonce);
    CHECK(raised.hash != entry.hash);
    commit(books, [&](pqxx::work& transaction) {
        CHECK(ledger::former_hashes(transaction, entry.id) ==
              std::vector<channel::TransactionHash>{entry.hash});
        const auto unfinished = ledger::unfinished_outbox(transaction, kNetwork);
        REQUIRE(unfinished.size() == 1);
        CHECK(unfinished[0].hash == raised.hash);
        CHECK(unfinished[0].fees == raised.fees);
        ledger::mark_sent(transaction, entry.id, kNoon);
        // The one before the raise was mined after all.
        ledger::finish_outbox(transaction, entry.id, result_of(entry, true), kNoon);
        CHECK(ledger::unfinished_outbox(transaction, kNetwork).empty());
        return 0;
    });
    CHECK(books.query("select status, fee, gas_used from outbox") == "confirmed|42|21000");
}

TEST_CASE("due: channels of the receiver, its asset and our authorizer, until they are claimed",
          "[settlement]") {
    Due due;
    const auto rows = due.plan();
    REQUIRE(rows.size() == 2);
    CHECK(*ledger::total(rows) == units(100));
    commit(due.books, [&](pqxx::work& transaction) {
        CHECK(ledger::due_channels(transaction, due.asset(), key(77).address(), due.authorizer(),
                                   kNoon)
                  .empty());
        CHECK(
            ledger::due_channels(transaction, due.asset(), due.receiver(), key(77).address(), kNoon)
                .empty());
        CHECK(ledger::due_receivers(transaction, due.books.token, units(100)) ==
              std::vector<channel::Address>{due.receiver()});
        CHECK(ledger::due_receivers(transaction, due.books.token, units(101)).empty());
        CHECK(ledger::has_channels(transaction, due.payers[0].terms.config.payer, 1));
        CHECK_FALSE(ledger::has_channels(transaction, due.payers[0].terms.config.payer, 2));
        return 0;
    });
    due.record("0x01", rows);
    CHECK(due.plan().empty());
    commit(due.books, [&](pqxx::work& transaction) {
        CHECK(ledger::has_unfinished_claim(transaction, due.books.token, due.receiver()));
        CHECK(ledger::due_receivers(transaction, due.books.token, units(1)).empty());
        return 0;
    });
}

TEST_CASE("claim: a channel is in one unfinished claim at most, and the second leaves nothing",
          "[settlement]") {
    Due due;
    const auto rows = due.plan();
    due.record("0x01", {rows[0]});
    CHECK_THROWS_AS(due.record("0x02", rows), ledger::ClaimInTheWay);
    CHECK(due.books.query("select count(*) from claim") == "1");
    CHECK(due.books.query("select count(*) from outbox") == "1");
    due.record("0x03", {rows[1]});
    // Numbers of rolled back claims are not lost: the sequence stays dense.
    CHECK(due.books.query("select last_seq from commit_sequence") ==
          due.books.query("select max(seq) from event"));
}

TEST_CASE("claim: queued, sent once all is broadcast, confirmed once all is confirmed",
          "[settlement]") {
    Due due;
    const auto recorded = due.record("0x01", due.plan(), 2);
    CHECK(recorded.event.name == "queued");
    CHECK(recorded.event.receiver == due.receiver());
    CHECK(recorded.record.transactions.size() == 2);
    const auto& assets = due.books.assets;
    const auto sent = [&](std::size_t at) {
        return commit(due.books, [&](pqxx::work& transaction) {
            ledger::mark_sent(transaction, recorded.outbox[at].id, kNoon);
            return ledger::claim_sent(transaction, "0x01", assets, kNoon);
        });
    };
    CHECK_FALSE(sent(0).has_value());
    const auto event = sent(1);
    REQUIRE(event.has_value());
    CHECK(event->name == "sent");
    CHECK(event->seq == recorded.event.seq + 1);
    CHECK_FALSE(sent(1).has_value());

    const auto finished = [&](std::size_t at, std::uint64_t swept) {
        return commit(due.books, [&](pqxx::work& transaction) {
            ledger::finish_outbox(transaction, recorded.outbox[at].id,
                                  result_of(recorded.outbox[at], true), kNoon);
            return ledger::claim_finished(transaction, "0x01", units(swept), assets, kNoon);
        });
    };
    CHECK_FALSE(finished(0, 0).has_value());
    const auto ended = finished(1, 100);
    REQUIRE(ended.has_value());
    CHECK(ended->name == "confirmed");
    CHECK_FALSE(finished(1, 0).has_value());
    const auto claim = commit(
        due.books, [](pqxx::work& transaction) { return ledger::read_claim(transaction, "0x01"); });
    REQUIRE(claim.has_value());
    CHECK(claim->status == ledger::ClaimStatus::confirmed);
    CHECK(claim->amount == units(100));
    CHECK(claim->channels == 2);
    CHECK(ended->data.find("\"amount\":\"100\"") != std::string::npos);
    CHECK(ended->data.find(channel::to_hex(claim->transactions[1])) != std::string::npos);
    CHECK(due.books.query("select count(*) from event where topic = 'settlement'") == "3");
}

TEST_CASE("claim: one failed transaction fails it, and its channels are due again",
          "[settlement]") {
    Due due;
    const auto recorded = due.record("0x01", due.plan(), 2);
    const auto ended = commit(due.books, [&](pqxx::work& transaction) {
        ledger::finish_outbox(transaction, recorded.outbox[0].id,
                              result_of(recorded.outbox[0], false), kNoon);
        ledger::finish_outbox(transaction, recorded.outbox[1].id,
                              result_of(recorded.outbox[1], true), kNoon);
        return ledger::claim_finished(transaction, "0x01", units(40), due.books.assets, kNoon);
    });
    REQUIRE(ended.has_value());
    CHECK(ended->name == "failed");
    CHECK(ended->data.find("\"error\":\"reverted\"") != std::string::npos);
    REQUIRE(due.plan().size() == 2);
    CHECK(due.plan()[0].reverted_rows == 2);
    const auto none = commit(
        due.books, [](pqxx::work& transaction) { return ledger::read_claim(transaction, "0x02"); });
    CHECK_FALSE(none.has_value());
}

TEST_CASE("claim: a channel whose claim alone was reverted on chain goes into quarantine",
          "[settlement]") {
    Due due;
    const auto rows = due.plan();
    const auto recorded = due.record("0x01", {rows[0]});
    commit(due.books, [&](pqxx::work& transaction) {
        ledger::finish_outbox(transaction, recorded.outbox[0].id,
                              result_of(recorded.outbox[0], false), kNoon);
        return ledger::claim_finished(transaction, "0x01", {}, due.books.assets, kNoon);
    });
    REQUIRE(due.plan().size() == 1);
    CHECK(due.plan()[0].id == rows[1].id);
    const auto after = due.plan(kNoon + std::chrono::seconds{61});
    REQUIRE(after.size() == 2);
    CHECK(due.books.query("select reason, detail, amount, attempts from claim_quarantine") ==
          "reverted|reverted|" + channel::to_string(rows[0].increment) + "|1");
    CHECK(std::count_if(after.begin(), after.end(),
                        [](const auto& row) { return row.reverted_rows == 1; }) == 1);
}

TEST_CASE("claim: of several transactions the one that was reverted is under suspicion alone",
          "[settlement]") {
    Due due;
    const auto rows = due.plan();
    const auto end = [&](const std::string& id, const ledger::RecordedClaim& recorded,
                         ledger::Time at) {
        commit(due.books, [&](pqxx::work& transaction) {
            for (const auto& entry : recorded.outbox)
                ledger::finish_outbox(transaction, entry.id,
                                      result_of(entry, &entry != &recorded.outbox[0]), at);
            return ledger::claim_finished(transaction, id, {}, due.books.assets, at);
        });
    };
    const auto quarantined = [&] {
        return due.books.query("select reason, amount, attempts from claim_quarantine");
    };
    end("0x01", due.record("0x01", rows, {1, 1, 0}), kNoon);
    CHECK(quarantined() == "reverted|" + channel::to_string(rows[0].increment) + "|1");
    auto next = due.plan();
    REQUIRE(next.size() == 1);
    CHECK(next[0].id == rows[1].id);
    CHECK(next[0].reverted_rows == 0);

    // A new voucher is no reason to pay for another trial; time is, for longer each time.
    due.books.change("update channel set signature = decode(repeat('07', 65), 'hex')");
    CHECK(due.plan(kNoon + std::chrono::seconds{59}).size() == 1);
    const auto later = kNoon + std::chrono::seconds{60};
    next = due.plan(later);
    REQUIRE(next.size() == 2);
    const auto again = std::find_if(next.begin(), next.end(),
                                    [&](const auto& row) { return row.id == rows[0].id; });
    REQUIRE(again != next.end());
    CHECK(again->reverted_rows == 1);
    end("0x02", due.record("0x02", {*again}), later);
    CHECK(quarantined() == "reverted|" + channel::to_string(rows[0].increment) + "|2");
    CHECK(due.plan(later + std::chrono::seconds{119}).size() == 1);
    REQUIRE(due.plan(later + std::chrono::seconds{120}).size() == 2);

    // Claimed at last.
    const auto recorded = due.record("0x03", {*again});
    commit(due.books, [&](pqxx::work& transaction) {
        ledger::finish_outbox(transaction, recorded.outbox[0].id,
                              result_of(recorded.outbox[0], true), later);
        return ledger::claim_finished(transaction, "0x03", {}, due.books.assets, later);
    });
    CHECK(due.books.query("select count(*) from claim_quarantine") == "0");
}

TEST_CASE("claim: a nonce that another transaction took is no fault of its channels",
          "[settlement]") {
    Due due;
    const auto recorded = due.record("0x01", {due.plan()[0]});
    commit(due.books, [&](pqxx::work& transaction) {
        const ledger::OutboxResult gone{recorded.outbox[0].hash, false, 0, 0, {}, "taken"};
        ledger::finish_outbox(transaction, recorded.outbox[0].id, gone, kNoon);
        return ledger::claim_finished(transaction, "0x01", {}, due.books.assets, kNoon);
    });
    const auto rows = due.plan();
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].reverted_rows == 0);
    CHECK(rows[1].reverted_rows == 0);
}

TEST_CASE("claim: a channel in doubt, or with a refund on its way, holds up no other",
          "[settlement]") {
    const auto left_out = GENERATE(as<std::string>{}, "in_doubt = true", "refunding = 1");
    Due due;
    const auto rows = due.plan();
    REQUIRE(rows.size() == 2);
    const auto one = " where channel_id = '\\x" + channel::to_hex(rows[0].id).substr(2) + "'";
    due.books.change("update channel set " + left_out + one);
    REQUIRE(due.plan().size() == 1);
    CHECK(due.plan()[0].id == rows[1].id);
    // What was planned before is not written down either, unless a refund began meanwhile: of the
    // two, whichever is mined second skips what the first has claimed.
    if (left_out == "refunding = 1") {
        due.record("0x01", rows);
        return;
    }
    CHECK_THROWS_AS(due.record("0x01", rows), ledger::ClaimInTheWay);
    CHECK(due.books.query("select count(*) from claim") == "0");
    due.record("0x02", due.plan());
}

TEST_CASE("quarantine: no longer than a minute at a time while the payer withdraws",
          "[settlement]") {
    Due due;
    const std::vector<ledger::BadRow> bad{
        {due.plan()[0], ledger::RowFault::invalid_signature, "InvalidSignature()"}};
    const auto put = [&](ledger::Time at) {
        commit(due.books, [&](pqxx::work& transaction) {
            return ledger::quarantine(transaction, bad, due.asset(), at);
        });
    };
    for (int n = 0; n < 5; ++n) put(kNoon);
    CHECK(due.plan(kNoon + std::chrono::seconds{500}).size() == 1);
    due.books.change("update channel set status = 'closing', withdraw_requested_at = 1000");
    CHECK(due.plan(kNoon).size() == 2);
    put(kNoon);
    CHECK(due.plan(kNoon + std::chrono::seconds{59}).size() == 1);
    CHECK(due.plan(kNoon + std::chrono::seconds{60}).size() == 2);
}

TEST_CASE("quarantine: left out until time, a change of state or somebody takes it up again",
          "[settlement]") {
    Due due;
    const auto rows = due.plan();
    const std::vector<ledger::BadRow> bad{
        {rows[0], ledger::RowFault::invalid_signature, "InvalidSignature()"}};
    const auto put = [&](ledger::Time at) {
        return commit(due.books, [&](pqxx::work& transaction) {
            return ledger::quarantine(transaction, bad, due.asset(), at);
        });
    };
    const auto listed = [&] {
        return commit(due.books, [&](pqxx::work& transaction) {
            return ledger::list_quarantine(transaction, due.receiver(), std::nullopt, 10);
        });
    };
    const auto told = put(kNoon);
    REQUIRE(told.size() == 1);
    CHECK(told[0].name == "quarantined");
    CHECK(told[0].receiver == due.receiver());
    CHECK_THAT(told[0].data, Catch::Contains(R"("reason":"invalid_signature","detail":"Invalid)"));
    CHECK(due.books.query("select name, data from event where topic = 'settlement'") ==
          "quarantined|" + told[0].data);
    CHECK(due.plan(kNoon + std::chrono::seconds{59}).size() == 1);
    CHECK(due.plan(kNoon + std::chrono::seconds{60}).size() == 2);
    // Nobody is told the same twice.
    CHECK(put(kNoon + std::chrono::seconds{60}).empty());
    CHECK(due.plan(kNoon + std::chrono::seconds{179}).size() == 1);
    REQUIRE(listed().size() == 1);
    const auto one = listed()[0];
    CHECK(one.id == rows[0].id);
    CHECK(one.reason == "invalid_signature");
    CHECK(one.detail == "InvalidSignature()");
    CHECK(one.amount == rows[0].increment);
    CHECK(one.attempts == 2);
    CHECK(one.retry_at > one.since);
    SECTION("a new voucher") {
        due.books.change("update channel set signature = decode(repeat('07', 65), 'hex')");
    }
    SECTION("asked for") {
        const auto id = rows[0].id;
        CHECK(commit(due.books, [&](pqxx::work& transaction) {
                  return ledger::release_from_quarantine(transaction, std::array{id});
              }) == 1);
        CHECK(listed().empty());
    }
    REQUIRE(due.plan().size() == 2);
    due.record("0x01", due.plan());
    CHECK(listed().empty());
    CHECK(ledger::quarantine_pause(1) == std::chrono::seconds{60});
    CHECK(ledger::quarantine_pause(3) == std::chrono::seconds{240});
    CHECK(ledger::quarantine_pause(1000) == std::chrono::seconds{600});
}

TEST_CASE("outbox: the earliest deadline of the claims behind a transaction is its own",
          "[settlement]") {
    Due due;
    auto relayer = signer_of(4);
    const auto before = commit(due.books, [&](pqxx::work& transaction) {
        return ledger::enqueue(transaction, {kNetwork, relayer, 5}, {draft(Purpose::deposit, "x")},
                               kNoon)
            .front();
    });
    const auto claim = due.record("0x01", due.plan()).outbox.front();
    REQUIRE(claim.signer == before.signer);
    REQUIRE(claim.nonce > before.nonce);
    const auto after = commit(due.books, [&](pqxx::work& transaction) {
        return ledger::enqueue(transaction, {kNetwork, relayer, 5}, {draft(Purpose::deposit, "y")},
                               kNoon)
            .front();
    });
    const auto deadline = [&](const ledger::OutboxEntry& entry) {
        return commit(due.books, [&](pqxx::work& transaction) {
            return ledger::deadline_behind(transaction, entry);
        });
    };
    CHECK_FALSE(deadline(claim).has_value());
    due.books.change("update channel set status = 'closing', withdraw_requested_at = 1000");
    const auto expected = 1000 + due.payers[0].terms.config.withdraw_delay_seconds;
    CHECK(deadline(claim) == expected);
    CHECK(deadline(before) == expected);
    CHECK_FALSE(deadline(after).has_value());
}

TEST_CASE("outbox: fees of a nonce rise, and only of the attempt that was looked at",
          "[settlement]") {
    Books books;
    auto relayer = signer_of(4);
    const auto entry = commit(books, [&](pqxx::work& transaction) {
        return ledger::enqueue(transaction, {kNetwork, relayer, 5}, {draft(Purpose::deposit, "x")},
                               kNoon)
            .front();
    });
    const auto raise = [&](const ledger::chain::Fees& fees) {
        return commit(books, [&](pqxx::work& transaction) {
            return ledger::raise_fees(transaction, entry, relayer, fees, kNoon);
        });
    };
    CHECK_THROWS(raise({units(2999), units(200)}));
    CHECK_THROWS(raise({units(4000), units(100)}));
    raise({units(4000), units(200)});
    // Somebody has raised it since.
    CHECK_THROWS(raise({units(5000), units(300)}));
    CHECK(books.query("select max_fee, priority_fee from outbox") == "4000|200");
    CHECK(books.query("select count(*) from outbox_attempt") == "1");
}

TEST_CASE("outbox: a gap between what the chain takes next and what is here is found and filled",
          "[settlement]") {
    Books books;
    auto relayer = signer_of(4);
    const auto missing = [&](std::uint64_t unused, std::uint64_t before) {
        return commit(books, [&](pqxx::work& transaction) {
            return ledger::missing_nonce(transaction, kNetwork, relayer.relayer(), unused, before);
        });
    };
    commit(books, [&](pqxx::work& transaction) {
        return ledger::enqueue(transaction, {kNetwork, relayer, 5},
                               {2, draft(Purpose::deposit, "x")}, kNoon);
    });
    CHECK(missing(3, 5) == 3u);
    CHECK(missing(4, 6) == 4u);
    CHECK_FALSE(missing(5, 5).has_value());
    CHECK_FALSE(missing(5, 7).has_value());
    const auto filler = commit(books, [&](pqxx::work& transaction) {
        return ledger::fill_nonce(transaction, {kNetwork, relayer, 0}, 4, {units(3000), units(100)},
                                  kNoon);
    });
    CHECK(filler.nonce == 4);
    CHECK(filler.to == relayer.relayer());
    CHECK(filler.data.empty());
    CHECK_FALSE(missing(4, 6).has_value());
    const auto unfinished = commit(books, [](pqxx::work& transaction) {
        return ledger::unfinished_outbox(transaction, kNetwork);
    });
    REQUIRE(unfinished.size() == 3);
    CHECK(unfinished[0].purpose == Purpose::filler);
    CHECK(unfinished[0].raw == filler.raw);
}

TEST_CASE("outbox: the nonce of one that another had taken is filled when that one is gone",
          "[settlement]") {
    Books books;
    auto relayer = signer_of(4);
    const auto given_up = commit(books, [&](pqxx::work& transaction) {
        const auto entries = ledger::enqueue(transaction, {kNetwork, relayer, 5},
                                             {2, draft(Purpose::deposit, "x")}, kNoon);
        ledger::finish_outbox(
            transaction, entries[0].id,
            {entries[0].hash, false, 0, 0, {}, "another transaction took its nonce"}, kNoon);
        return entries[0];
    });
    const auto missing = [&] {
        return commit(books, [&](pqxx::work& transaction) {
            return ledger::missing_nonce(transaction, kNetwork, relayer.relayer(), 5, 6);
        });
    };
    REQUIRE(missing() == 5u);
    const auto filler = commit(books, [&](pqxx::work& transaction) {
        return ledger::fill_nonce(transaction, {kNetwork, relayer, 0}, 5, {units(1), units(1)},
                                  kNoon);
    });
    CHECK_FALSE(missing().has_value());
    CHECK(filler.id == given_up.id);
    CHECK(filler.fees.max_fee == given_up.fees.max_fee);
    const auto unfinished = commit(books, [](pqxx::work& transaction) {
        return ledger::unfinished_outbox(transaction, kNetwork);
    });
    REQUIRE(unfinished.size() == 2);
    CHECK(unfinished[0].purpose == Purpose::deposit);
    CHECK(unfinished[0].reference == "x");
    CHECK(unfinished[0].raw == filler.raw);
    CHECK(unfinished[0].is_filled());
    // Given up and filled once more, with the same fees.
    commit(books, [&](pqxx::work& transaction) {
        ledger::finish_outbox(transaction, filler.id, {filler.hash, false, 0, 0, {}, "taken again"},
                              kNoon);
        ledger::fill_nonce(transaction, {kNetwork, relayer, 0}, 5, {units(1), units(1)}, kNoon);
        return ledger::fill_nonce(transaction, {kNetwork, relayer, 0}, 5, {units(1), units(1)},
                                  kNoon);
    });
    // Either may be mined in the end.
    CHECK(commit(books, [&](pqxx::work& transaction) {
              return ledger::former_hashes(transaction, filler.id);
          }) == std::vector{given_up.hash, filler.hash});
}

TEST_CASE("cursor: only moves forward, one per network", "[settlement]") {
    Books books;
    channel::BlockHash hash;
    hash.bytes.fill(7);
    commit(books, [&](pqxx::work& transaction) {
        CHECK_FALSE(ledger::chain::read_cursor(transaction, kNetwork).has_value());
        ledger::chain::advance_cursor(transaction, kNetwork, {10, hash});
        ledger::chain::advance_cursor(transaction, kNetwork, {9, {}});
        ledger::chain::advance_cursor(transaction, channel::Network{1}, {3, {}});
        const auto cursor = ledger::chain::read_cursor(transaction, kNetwork);
        CHECK(cursor->block_number == 10);
        CHECK(cursor->block_hash == hash);
        return 0;
    });
}
