// The checks of the database, each tried with a row that it is the first, by name, to refuse.
#include "tests/support/answers.hpp"

#include <fmt/format.h>
#include <catch2/catch.hpp>

namespace {

using namespace support;

struct Wrong {
    const char* table;
    /// Of which row the wrong one is a copy.
    const char* where;
    const char* column;
    const char* value;
    const char* check;
};

constexpr const char* kAny = "true";
constexpr const char* kPaid = "charged > 0";
constexpr const char* kFresh = "charged = 0";

constexpr Wrong kWrong[] = {
    {"account", kAny, "kind", "'savings'", "account_kind_known"},
    {"account", "kind = 'channel'", "debits", "-1", "account_not_negative"},
    {"account", "kind = 'wallet'", "credits", "-1", "account_not_negative"},
    {"account", "kind = 'channel'", "credits", "debits - 1", "account_not_negative"},
    {"account", "kind = 'earned'", "debits", "credits + 1", "account_not_negative"},
    {"account", "kind = 'escrow'", "credits", "debits + 1", "account_not_negative"},
    {"account", "kind = 'gas'", "credits", "debits + 1", "account_not_negative"},
    {"account", "kind = 'channel'", "owner", "substr(owner, 2)", "account_owner_of_kind"},
    {"account", "kind = 'claimed'", "owner", R"('\x00')", "account_owner_of_kind"},
    {"account", "kind = 'escrow'", "owner", R"('\x00')", "account_owner_of_kind"},
    {"transfer", kAny, "amount", "0", "transfer_moves_something"},
    {"transfer", kAny, "cause", "'gift'", "transfer_cause_known"},
    {"transfer", kAny, "leg", "-1", "transfer_in_order"},
    {"transfer", kAny, "first_seq", "0", "transfer_in_order"},
    {"transfer", kAny, "first_seq", "seq + 1", "transfer_in_order"},
    {"transfer", kAny, "reverses_seq", "seq", "transfer_in_order"},
    {"transfer", kAny, "reverses_seq", "seq - 1", "transfer_reversal"},
    {"payment", kAny, "kind", "'refund'", "payment_kind_known"},
    {"payment", kAny, "seq", "0", "payment_not_negative"},
    {"payment", kAny, "step", "-1", "payment_not_negative"},
    {"payment", kAny, "amount", "-1", "payment_not_negative"},
    {"payment", kAny, "increment", "-1", "payment_not_negative"},
    {"payment", kAny, "increment", "charged + 1", "payment_not_negative"},
    {"payment", kAny, "reserved", "-1", "payment_not_negative"},
    {"payment", kAny, "reserved", "balance + 1", "payment_within_balance"},
    {"payment", kAny, "channel_id", "substr(channel_id, 2)", "payment_lengths"},
    {"payment", kAny, "content", R"('\x00')", "payment_lengths"},
    {"payment", "signature is not null", "signature", "''", "payment_lengths"},
    {"payment", "signature is not null", "signature", "convert_to(repeat('x', 2049), 'UTF8')",
     "payment_lengths"},
    {"payment", "signature is not null", "signature", "null", "payment_evidence"},
    {"payment", kAny, "channel_month", "channel_month + 1", "payment_month_begins"},
    {"channel", kAny, "status", "'ajar'", "channel_status_known"},
    {"channel", kAny, "voucher_signer", "'anybody'", "channel_voucher_signer_known"},
    {"channel", kPaid, "total_claimed", "-1", "channel_claimed_within_charged"},
    {"channel", kPaid, "signature", "null", "channel_signature_of_voucher"},
    {"channel", kPaid, "signature", "substr(signature, 2)", "channel_signature_of_signer"},
    {"channel", kPaid, "refunding", "-1", "channel_refund_keeps_reserved"},
    {"channel", "reserved > 0", "refunding", "balance - charged - reserved + 1",
     "channel_refund_keeps_reserved"},
    {"channel", kFresh, "reserved", "-1", "channel_not_negative"},
    {"channel", kFresh, "owed", "-1", "channel_not_negative"},
    {"channel", kFresh, "withdraw_amount", "-1", "channel_not_negative"},
    {"channel", kFresh, "withdraw_delay_seconds", "-1", "channel_not_negative"},
    {"channel", kFresh, "withdraw_requested_at", "-1", "channel_not_negative"},
    {"channel", kFresh, "refund_nonce", "-1", "channel_not_negative"},
    {"channel", kFresh, "refunds_begun", "-1", "channel_not_negative"},
    {"channel", kFresh, "seq", "-1", "channel_not_negative"}};

constexpr const char* kThereAlready = "there already";

/// The check that refuses a copy of a row with one column changed.
std::string refused_by(Books& books, const Wrong& wrong) {
    const auto columns = books.query(fmt::format(
        "select string_agg(format('%I', attname), ', ' order by attnum) from pg_attribute "
        "where attrelid = '{}'::regclass and attnum > 0 and not attisdropped",
        wrong.table));
    auto values = ", " + columns + ",";
    const auto one = fmt::format(", {},", wrong.column);
    values.replace(values.find(one), one.size(), fmt::format(", {},", wrong.value));
    pqxx::connection connection(books.postgres.url());
    pqxx::work transaction(connection);
    try {
        transaction.exec(fmt::format("insert into {0} ({1}) select {2} from {0} where {3} limit 1",
                                     wrong.table, columns, values.substr(2, values.size() - 3),
                                     wrong.where));
    } catch (const pqxx::unique_violation&) {
        return kThereAlready;
    } catch (const pqxx::sql_error& error) {
        const std::string text = error.what();
        const auto begin = text.find("constraint \"") + 12;
        return text.substr(begin, text.find('"', begin) - begin);
    }
    return "";
}

}  // namespace

TEST_CASE("checks: each refuses what it is there for, and nothing else", "[checks]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    const auto fresh = payer(books, 2);
    process(shard, app.open(1000), fresh.open(1000), app.pay("a", 100, 100),
            app.authorize("b", 50, 150));

    for (const auto& wrong : kWrong) {
        INFO(wrong.table << "." << wrong.column << " = " << wrong.value);
        CHECK(refused_by(books, wrong) == wrong.check);
    }
    // What settling cost may be more than was ever put into the wallet.
    const Wrong right[] = {{"account", kAny, "kind", "kind", kThereAlready},
                           {"account", "kind = 'wallet'", "credits", "debits + 1", kThereAlready},
                           {"transfer", kAny, "cause", "cause", kThereAlready},
                           {"payment", kAny, "kind", "kind", kThereAlready},
                           {"channel", kPaid, "status", "'closed'", kThereAlready}};
    for (const auto& one : right) CHECK(refused_by(books, one) == one.check);
}
