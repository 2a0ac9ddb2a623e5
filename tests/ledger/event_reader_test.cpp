#include "ledger/event_reader.hpp"
#include "ledger/bytea.hpp"
#include "tests/support/answers.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

using namespace support;
using ledger::Topic;

namespace {

const std::vector<Topic> kAllTopics{Topic::channel, Topic::payment, Topic::settlement};

std::string names(const std::vector<ledger::StoredEvent>& events) {
    std::string text;
    for (const auto& event : events) {
        if (!text.empty()) text += ' ';
        text += std::string(ledger::to_string(event.topic)) + '.' + event.name;
    }
    return text;
}

/// Two channels of one provider, a little history, and an event of a claim.
struct History {
    Books books;
    ledger::Shard shard = books.shard();
    Payer first = payer(books, 1);
    Payer second = payer(books, 2);
    pqxx::connection connection{books.postgres.service_url()};

    History() {
        process(shard, first.open(1000));
        process(shard, first.pay("a", 10, 10), first.authorize("b", 50, 60));
        process(shard, second.open(1000));
        process(shard, second.pay("a", 5, 5), first.charge("b", 20));
        process(shard, first.authorize("c", 1, 60));
        process(shard, first.release("c"));
        add_claim_event();
    }

    void add_claim_event() {
        pqxx::work transaction(connection);
        transaction.exec_params(
            "with taken as (update commit_sequence set last_seq = last_seq + 1 returning last_seq) "
            "insert into event (seq, topic, name, asset_id, receiver, data, at) "
            "select last_seq, 'settlement', 'queued', $1, $2::bytea, '{\"name\":\"queued\"}', "
            "now() "
            "from taken",
            books.token, ledger::to_bytea(first.terms.config.receiver));
        transaction.commit();
    }

    ledger::EventPage read(const ledger::EventQuery& query) {
        return ledger::read_events(connection, query);
    }
};

}  // namespace

TEST_CASE("event reader: each party gets what concerns it, in commit order", "[reader]") {
    History history;
    const auto payer_side =
        history.read({history.first.terms.config.payer, kAllTopics, {}, 0, 100});
    CHECK(names(payer_side.events) ==
          "channel.opened payment.paid payment.authorized payment.charged payment.authorized "
          "payment.released");
    CHECK_FALSE(payer_side.more);

    const auto provider =
        history.read({history.first.terms.config.receiver, kAllTopics, {}, 0, 100});
    CHECK(names(provider.events) ==
          "channel.opened payment.paid payment.authorized channel.opened payment.paid "
          "payment.charged payment.authorized payment.released settlement.queued");
    for (std::size_t at = 1; at < provider.events.size(); ++at)
        CHECK(provider.events[at - 1].seq < provider.events[at].seq);

    CHECK(history.read({key(77).address(), kAllTopics, {}, 0, 100}).events.empty());
}

TEST_CASE("event reader: topics, channel and seq narrow what is read", "[reader]") {
    History history;
    const auto receiver = history.first.terms.config.receiver;
    CHECK(names(history.read({receiver, {Topic::settlement}, {}, 0, 100}).events) ==
          "settlement.queued");
    CHECK(names(history.read({receiver, {Topic::channel}, {}, 0, 100}).events) ==
          "channel.opened channel.opened");
    CHECK(names(history.read({receiver, kAllTopics, history.second.terms.id, 0, 100}).events) ==
          "channel.opened payment.paid");
    CHECK(
        history.read({history.first.terms.config.payer, kAllTopics, history.second.terms.id, 0, 9})
            .events.empty());
    const auto all = history.read({receiver, kAllTopics, {}, 0, 100}).events;
    const auto later = history.read({receiver, kAllTopics, {}, all[3].seq, 100}).events;
    REQUIRE(later.size() == all.size() - 4);
    CHECK(later.front().seq == all[4].seq);
}

TEST_CASE("event reader: pages join without gap or repetition", "[reader]") {
    History history;
    const auto receiver = history.first.terms.config.receiver;
    const auto all = history.read({receiver, kAllTopics, {}, 0, 100});
    std::vector<std::uint64_t> seqs;
    ledger::EventQuery query{receiver, kAllTopics, {}, 0, 2};
    for (bool more = true; more;) {
        const auto page = history.read(query);
        CHECK(page.events.size() <= 2);
        for (const auto& event : page.events) seqs.push_back(event.seq);
        query.after_seq = page.through_seq;
        more = page.more;
    }
    REQUIRE(seqs.size() == all.events.size());
    for (std::size_t at = 0; at < seqs.size(); ++at) CHECK(seqs[at] == all.events[at].seq);
    CHECK(std::to_string(query.after_seq) ==
          history.books.query("select last_seq from commit_sequence"));
}

TEST_CASE("event reader: a gap of many thousand numbers is crossed", "[reader]") {
    History history;
    {
        pqxx::work transaction(history.connection);
        transaction.exec("update commit_sequence set last_seq = last_seq + 1000000");
        transaction.commit();
    }
    history.add_claim_event();
    const auto receiver = history.first.terms.config.receiver;
    const auto page = history.read({receiver, {Topic::settlement}, {}, 0, 100});
    CHECK(names(page.events) == "settlement.queued settlement.queued");
    CHECK_FALSE(page.more);
    CHECK(page.through_seq == page.events.back().seq);
}

TEST_CASE("event reader: a payment carries its result, other events their data", "[reader]") {
    History history;
    const auto events =
        history.read({history.first.terms.config.payer, kAllTopics, {}, 0, 100}).events;
    CHECK(std::get<std::string>(events[0].payload) ==
          history.books.query("select data from event order by seq limit 1"));
    const auto& payment = std::get<ledger::PaymentCommitted>(events[3].payload);
    CHECK(payment.kind == ledger::PaymentKind::charge);
    CHECK(payment.result.charged == units(30));
    CHECK(payment.result.amount == units(20));
    CHECK(payment.result.inference.text() == "b");
    CHECK(payment.result.channel == history.first.terms.id);
    CHECK(payment.detail == "{}");
}
