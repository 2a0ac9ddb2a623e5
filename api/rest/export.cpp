#include "ledger/audit/export.hpp"
#include "api/clock.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/parameters.hpp"
#include "api/rest/problems.hpp"
#include "channel/error.hpp"
#include "ledger/snapshot.hpp"

#include <fmt/format.h>

#include <memory>
#include <stdexcept>

namespace millrace::api::rest {
namespace {

/// For one statement: opening balances are summed up from the beginning.
constexpr std::chrono::minutes kPatience{10};

/// Has a connection of its own: its snapshot lasts longer than a call. It may outlive `exports`,
/// but is not asked for more then.
class ExportBody : public BodySource {
public:
    ExportBody(Exports& exports, Exports::Place place)
        : exports_(exports), place_(std::move(place)) {}

    /// On a thread of `exports`. What is wrong with the scope; nothing when it is good.
    std::optional<HttpResponse> open(const std::string& postgres, const ledger::ExportScope& scope,
                                     ledger::ExportContext told) {
        connection_ = std::make_unique<pqxx::connection>(postgres);
        const Exports::Running running(exports_, *connection_);
        snapshot_ = std::make_unique<ledger::Snapshot>(*connection_, kPatience);
        deadline_ = std::chrono::steady_clock::now() + exports_.longest();
        const auto wrong = ledger::wrong_bound(scope, seq());
        if (!wrong.empty())
            return bad_parameter(wrong, fmt::format("Expected a seq from {} to {}.",
                                                    wrong == "to" ? scope.from : 1, seq()));
        export_ =
            std::make_unique<ledger::Export>(snapshot_->reading(), seq(), scope, std::move(told));
        return std::nullopt;
    }
    std::uint64_t seq() const { return snapshot_->seq(); }

    Task<std::string> next() override {
        const auto work = [this] {
            if (std::chrono::steady_clock::now() >= deadline_)
                throw std::runtime_error(fmt::format(
                    "an export was not read within {} minutes and is cut off",
                    std::chrono::duration_cast<std::chrono::minutes>(exports_.longest()).count()));
            const Exports::Running running(exports_, *connection_);
            return export_->next();
        };
        co_return co_await exports_.run(work);
    }

    /// Digest fields of RFC 9530; the tree head for formats that do not carry it.
    std::vector<std::pair<std::string, std::string>> trailers() override {
        const auto digest = channel::parse_hex("0x" + export_->digest()).value();
        std::vector<std::pair<std::string, std::string>> fields{
            {"Repr-Digest", "sha-256=:" + ledger::to_base64(digest) + ":"}};
        if (const auto& head = export_->head())
            fields.emplace_back(
                "Millrace-Tree-Head",
                ledger::to_base64(channel::BytesView(
                    reinterpret_cast<const std::uint8_t*>(head->note.data()), head->note.size())));
        return fields;
    }

private:
    Exports& exports_;
    Exports::Place place_;
    std::chrono::steady_clock::time_point deadline_;
    std::unique_ptr<pqxx::connection> connection_;
    std::unique_ptr<ledger::Snapshot> snapshot_;
    std::unique_ptr<ledger::Export> export_;
};

ledger::ExportContext told_by(const RestContext& context) {
    ledger::ExportContext told;
    for (const auto& network : context.config.networks)
        told.contracts[channel::to_string(network.network)] = network.contract;
    if (context.log_key) {
        told.origin = context.log_key->name;
        told.key = context.log_key->text();
    }
    told.at = now();
    return told;
}

}  // namespace

Task<HttpResponse> get_export(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto from = parameters.seq("from");
    const auto to = parameters.seq("to");
    if (parameters.failed()) co_return parameters.answer();
    const auto given = request.http.query.find("format");
    const auto format = given == request.http.query.end() ? "ndjson" : given->second;
    if (format != "ndjson" && format != "csv")
        co_return bad_parameter("format", "Expected ndjson or csv.");
    const auto place = context.exports.take_place();
    if (!place) co_return problem(channel::Refusal(channel::Error::rate_limited));
    ledger::ExportScope scope;
    if (format == "csv") scope.format = ledger::ExportFormat::csv;
    scope.from = std::max<std::uint64_t>(1, from);
    if (to != 0) scope.to = to;
    const auto body = std::make_shared<ExportBody>(context.exports, place);
    const auto work = [&] {
        return body->open(context.config.ledger.postgres, scope, told_by(context));
    };
    // It reads by a connection of its own what was acknowledged by now.
    const auto nothing = [](pqxx::connection&) {};
    co_await context.database.run(nothing);
    auto refusal = co_await context.exports.run(work);
    if (refusal) co_return std::move(*refusal);
    HttpResponse response{200,
                          format == "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson",
                          {},
                          {{"Content-Disposition", "attachment; filename=millrace." + format},
                           {"Trailer", "Repr-Digest, Millrace-Tree-Head"}}};
    response.seq = body->seq();
    response.source = body;
    co_return response;
}

}  // namespace millrace::api::rest
