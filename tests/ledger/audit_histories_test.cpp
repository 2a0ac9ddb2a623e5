#include "tests/support/audited_export.hpp"
#include "tests/support/independent_verifier.hpp"
#include "tests/support/journal_history.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <cstdlib>
#include <iostream>
#include <random>
#include <set>
#include <sstream>
#include <string>

using namespace support;

namespace {

std::uint64_t number(const char* variable, std::uint64_t otherwise) {
    const char* given = std::getenv(variable);
    return given && *given ? std::stoull(given) : otherwise;
}

/// What the journals of the histories have to have had between them, or they prove little.
constexpr const char* kKinds =
    "select 'event ' || name from event union select 'cause ' || cause from transfer union "
    "select 'chain ' || kind from chain_event union select 'undone ' || e.kind from chain_event e "
    "join chain_reversal r on r.event_seq = e.seq union select 'undone opening' from "
    "channel_opening o join chain_reversal r on r.event_seq = o.seq union select 'claimed before' "
    "from channel_opening where total_claimed > 0 union select 'covered' from payment where "
    "covered_by is not null union select 'of a contract' from payment p join channel c using "
    "(channel_id) where c.voucher_signer = 'contract' union select 'included again' from "
    "chain_event where inclusion > 0 union select 'nothing left' from reservation where charged = "
    "max_amount union select 'payment ' || kind from payment";
constexpr std::size_t kKindsCount = 48;

void add_lines(std::set<std::string>& to, const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) to.insert(line);
}

}  // namespace

TEST_CASE("audit: histories of whatever can happen hold in both verifiers", "[audit]") {
    const bool is_long = number("MILLRACE_LONG", 0) == 1;
    const auto start = number("MILLRACE_SEED", std::random_device{}());
    const std::uint64_t count = is_long ? 200 : 4;
    const std::uint64_t asked_one_in = is_long ? 7 : 2;
    const auto key = log_signer().key();
    ledger::VerificationSettings settings;
    settings.key = key;
    std::cout << "histories from MILLRACE_SEED=" << start << " on\n";
    std::set<std::string> kinds;
    for (std::uint64_t n = 0; n < count; ++n) {
        INFO("MILLRACE_SEED=" << start + n);
        Books books(n % 2 == 0 ? Books::Posting::behind : Books::Posting::before_answers);
        JournalHistory history(books, start + n, 6);
        history.run(30);
        CHECK(books.trial_balance() == "0");
        add_lines(kinds, books.query(kKinds));
        pqxx::connection connection(books.postgres.url());
        pqxx::work transaction(connection);
        const auto text = exported(books, transaction, key.text());
        const auto finding = verified(text, settings);
        INFO((finding ? finding->rule + " " + std::to_string(finding->seq) + " " + finding->table +
                            " " + finding->key + ": " + finding->explanation
                      : ""));
        CHECK_FALSE(finding.has_value());
        if (n % asked_one_in != 0) continue;
        const Folder folder;
        for (const auto& said :
             independently(folder.write("books", text) + " --key " + key.text())) {
            INFO(boost::json::serialize(said));
            CHECK(said.as_object().at("ok").as_bool());
        }
    }
    std::string all;
    for (const auto& kind : kinds) all += kind + ", ";
    std::cout << kinds.size() << " kinds: " << all << "\n";
    if (is_long) CHECK(kinds.size() == kKindsCount);
}
