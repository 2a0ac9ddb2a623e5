#include "api/database.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/json_object.hpp"
#include "api/rest/parameters.hpp"
#include "api/rest/problems.hpp"
#include "ledger/entry_reader.hpp"

namespace millrace::api::rest {
namespace {

std::string posting_json(const ledger::Posting& posting) {
    JsonObject body;
    body.number("leg", static_cast<std::uint64_t>(posting.leg))
        .text("debit", ledger::to_string(posting.debit))
        .text("credit", ledger::to_string(posting.credit))
        .amount("amount", posting.amount)
        .text("cause", posting.cause);
    if (!posting.reverses.empty()) body.text("reverses", posting.reverses);
    return body.take();
}

std::string chain_json(const ledger::ChainCause& chain) {
    JsonObject body;
    body.text("network", channel::to_string(chain.network))
        .hex("transaction", chain.transaction)
        .number("logIndex", chain.log_index)
        .decimal("blockNumber", chain.block_number)
        .hex("blockHash", chain.block_hash)
        .text("event", chain.kind);
    return body.take();
}

std::string opening_json(const ledger::OpeningCause& opening) {
    JsonObject body;
    body.text("network", channel::to_string(opening.network))
        .hex("channelId", opening.channel)
        .decimal("blockNumber", opening.block_number)
        .hex("blockHash", opening.block_hash)
        .amount("balance", opening.balance)
        .amount("totalClaimed", opening.total_claimed);
    return body.take();
}

std::string payment_json(const ledger::PaymentCause& payment) {
    JsonObject body;
    body.decimal("seq", payment.seq)
        .hex("channelId", payment.channel)
        .text("inferenceId", payment.inference_id)
        .amount("increment", payment.increment);
    return body.take();
}

/// The members that a page and a single entry have in common.
JsonObject entry_object(const ledger::Entry& entry) {
    JsonObject body;
    body.decimal("seq", entry.seq)
        .decimal("firstSeq", entry.first_seq)
        .text("at", entry.at)
        .list("postings", entry.postings, posting_json);
    if (entry.chain) body.json("chain", chain_json(*entry.chain));
    if (entry.opening) body.json("opening", opening_json(*entry.opening));
    return body;
}

struct EntriesPage {
    std::uint64_t seq = 0;
    std::vector<ledger::Entry> entries;
};

}  // namespace

Task<HttpResponse> get_entries(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto after = parameters.seq("after");
    const auto limit = parameters.limit();
    if (parameters.failed()) co_return parameters.answer();
    const auto page = co_await context.database.run([=](pqxx::connection& connection) {
        ledger::Snapshot snapshot(connection);
        return EntriesPage{snapshot.seq(), ledger::list_entries(snapshot, after, limit)};
    });
    JsonObject body;
    body.decimal("seq", page.seq).list("entries", page.entries, [](const ledger::Entry& entry) {
        return entry_object(entry).take();
    });
    if (page.entries.size() == limit) body.decimal("next", page.entries.back().seq);
    co_return body.answer_at(page.seq);
}

Task<HttpResponse> get_entry(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto seq = parameters.seq_in_path(request.segment);
    if (parameters.failed()) co_return parameters.answer();
    const auto entry = co_await context.database.run([seq](pqxx::connection& connection) {
        ledger::Snapshot snapshot(connection);
        return ledger::read_entry(snapshot, seq);
    });
    if (!entry)
        co_return not_found("not_found",
                            "No entry has this seq: not every committed update moves money.");
    auto body = entry_object(*entry);
    body.list("payments", entry->payments, payment_json);
    if (entry->more_payments) body.decimal("paymentsNext", entry->payments.back().seq);
    co_return body.answer_at(seq);
}

}  // namespace millrace::api::rest
