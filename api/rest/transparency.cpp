#include "api/database.hpp"
#include "api/rest/channel_access.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/json_object.hpp"
#include "api/rest/parameters.hpp"
#include "api/rest/problems.hpp"
#include "channel/inference.hpp"
#include "ledger/proof/journal.hpp"
#include "ledger/proof/log_store.hpp"
#include "ledger/snapshot.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace millrace::api::rest {
namespace {

HttpResponse no_log() {
    return not_found("not_found", "This service keeps no transparency log.");
}

HttpResponse not_sealed() {
    auto answer = not_found("not_found", "This number is not sealed yet; ask again in a moment.");
    answer.headers.emplace_back("Retry-After", "1");
    return answer;
}

std::string hash_json(const ledger::TreeHash& hash) {
    return '"' + channel::to_hex(hash) + '"';
}

JsonObject& add_head(JsonObject& body, const ledger::StoredHead& head) {
    return body.decimal("treeSize", head.size).hex("root", head.root).text("checkpoint", head.note);
}

JsonObject proof_object(const ledger::InclusionProof& proof) {
    JsonObject body;
    body.decimal("seq", proof.seq)
        .decimal("leafIndex", proof.seq - 1)
        .hex("leafHash", proof.leaf)
        .list("path", proof.path, hash_json);
    return body;
}

/// A head, and what is proven under it.
struct Inclusion {
    ledger::StoredHead head;
    ledger::InclusionProof proof;
};

struct Consistency {
    ledger::StoredHead head;
    std::vector<ledger::TreeHash> path;
};

/// Which of a channel's updates are asked for.
struct WantedUpdates {
    channel::ChannelId channel;
    std::string inference;
    std::uint64_t after = 0;
    std::size_t limit = 0;
};

/// What a party is shown of one update: the leaf itself, to be hashed by it.
struct ProvenUpdate {
    ledger::InclusionProof proof;
    channel::Bytes leaf;
};

struct ProvenPayment {
    std::optional<ledger::StoredHead> head;
    std::vector<ProvenUpdate> updates;
    bool is_sealed = true;
};

/// Throws std::runtime_error when the rows or the tree are not as they were sealed: no party is
/// given a proof that does not hold.
ProvenUpdate prove_update(pqxx::transaction_base& transaction, ledger::TileReader& tiles,
                          std::uint64_t seq, const ledger::StoredHead& head) {
    ProvenUpdate update{ledger::prove_inclusion(tiles, seq, head), {}};
    const auto page = ledger::read_journal(transaction, seq, seq);
    if (!ledger::write_leaf(page.numbers.front(), update.leaf) ||
        ledger::leaf_hash(update.leaf) != update.proof.leaf)
        throw std::runtime_error(
            fmt::format("the rows of seq {} are not as they were sealed", seq));
    return update;
}

ProvenPayment prove_payment(pqxx::connection& connection, const WantedUpdates& wanted) {
    ledger::Snapshot snapshot(connection);
    auto& transaction = snapshot.reading();
    ProvenPayment proven{ledger::newest_head(transaction), {}};
    ledger::TileReader tiles(transaction);
    const auto numbers = ledger::numbers_of(transaction, wanted.channel, wanted.inference,
                                            wanted.after, wanted.limit);
    for (const auto seq : numbers) {
        if (!proven.head || seq > proven.head->size) {
            proven.is_sealed = false;
            break;
        }
        proven.updates.push_back(prove_update(transaction, tiles, seq, *proven.head));
    }
    return proven;
}

}  // namespace

Task<HttpResponse> get_log_key(RestContext& context, RestRequest) {
    if (!context.log_key) co_return no_log();
    JsonObject body;
    body.text("origin", context.log_key->name).text("key", context.log_key->text());
    co_return body.answer();
}

Task<HttpResponse> get_checkpoint(RestContext& context, RestRequest) {
    const auto head = co_await context.database.run([](pqxx::connection& connection) {
        ledger::Snapshot snapshot(connection);
        auto& transaction = snapshot.reading();
        return ledger::newest_head(transaction);
    });
    if (!head) co_return not_found("not_found", "No tree head has been signed yet.");
    co_return HttpResponse{200, "text/plain; charset=utf-8", head->note, {}};
}

Task<HttpResponse> get_inclusion_proof(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto seq = parameters.seq("seq");
    if (parameters.failed()) co_return parameters.answer();
    if (seq == 0) co_return bad_parameter("seq", "Expected a seq: 1 or more.");
    const auto found = co_await context.database.run([seq](pqxx::connection& connection) {
        ledger::Snapshot snapshot(connection);
        auto& transaction = snapshot.reading();
        auto head = ledger::newest_head(transaction);
        std::optional<Inclusion> inclusion;
        if (!head || head->size < seq) return inclusion;
        ledger::TileReader tiles(transaction);
        auto proof = ledger::prove_inclusion(tiles, seq, *head);
        inclusion = Inclusion{std::move(*head), std::move(proof)};
        return inclusion;
    });
    if (!found) co_return not_sealed();
    auto body = proof_object(found->proof);
    co_return add_head(body, found->head).answer();
}

Task<HttpResponse> get_consistency_proof(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto from = parameters.seq("from");
    const auto to = parameters.seq("to");
    if (parameters.failed()) co_return parameters.answer();
    if (from == 0) co_return bad_parameter("from", "Expected a tree's size: 1 or more.");
    if (to != 0 && to < from) co_return bad_parameter("to", "Expected a size not below from.");
    const auto found = co_await context.database.run([from, to](pqxx::connection& connection) {
        ledger::Snapshot snapshot(connection);
        auto& transaction = snapshot.reading();
        auto head = to == 0 ? ledger::newest_head(transaction) : ledger::head_at(transaction, to);
        std::optional<Consistency> consistency;
        if (!head || head->size < from) return consistency;
        // Only heads are signed; between two of them any size is as good, and none is shown.
        if (to != 0 && head->size != to) head->note.clear();
        if (to != 0) head->size = to;
        ledger::TileReader tiles(transaction);
        if (head->note.empty()) head->root = tiles.tree(to).root();
        auto path = ledger::prove_consistency(tiles, from, *head);
        consistency = Consistency{std::move(*head), std::move(path)};
        return consistency;
    });
    if (!found) co_return not_sealed();
    JsonObject body;
    body.decimal("from", from).list("path", found->path, hash_json);
    co_return add_head(body, found->head).answer();
}

Task<HttpResponse> get_payment_proof(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto id = parameters.channel_in_path(request.segment);
    const auto after = parameters.seq("after");
    const auto limit = parameters.limit();
    if (parameters.failed()) co_return parameters.answer();
    const auto given = request.http.query.find("inferenceId");
    const auto inference =
        channel::InferenceId::parse(given == request.http.query.end() ? "" : given->second);
    if (!inference) co_return bad_parameter("inferenceId", "Expected the id of an inference.");
    const auto record = co_await context.database.run(
        [id](pqxx::connection& connection) { return ledger::read_channel(connection, id); });
    if (auto refusal = hidden(context, request.principal, record)) co_return std::move(*refusal);
    const WantedUpdates wanted{id, inference->text(), after, limit};
    const auto proven = co_await context.database.run(
        [&wanted](pqxx::connection& connection) { return prove_payment(connection, wanted); });
    if (!proven.is_sealed || (after != 0 && !proven.head)) co_return not_sealed();
    // Behind the last update there is an empty page, as of any list.
    if (proven.updates.empty() && after == 0)
        co_return not_found("not_found", "The channel has no payment of this inference.");
    JsonObject body;
    body.hex("channelId", id)
        .text("inferenceId", inference->text())
        .list("updates", proven.updates, [](const ProvenUpdate& update) {
            return proof_object(update.proof)
                .text("leaf", channel::to_hex(channel::BytesView(update.leaf)))
                .take();
        });
    if (proven.updates.size() == limit) body.decimal("next", proven.updates.back().proof.seq);
    co_return add_head(body, *proven.head).answer();
}

}  // namespace millrace::api::rest
