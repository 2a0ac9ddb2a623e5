#include "api/cli/audit/operator_database.hpp"
#include "api/cli/audit/subcommands.hpp"
#include "api/cli/audit/time_option.hpp"
#include "api/cli/config_option.hpp"
#include "api/clock.hpp"
#include "ledger/audit/audit_query.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <limits>

namespace millrace::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kPage = 1000;

struct QueriesOptions {
    std::string config;
    std::string caller;
    std::string since = "1d";
    bool json = false;
};

std::string query_json(const ledger::AuditQuery& query) {
    json::object object{{"at", ledger::to_rfc3339(query.at)},
                        {"callerKind", ledger::to_string(query.caller.kind)},
                        {"caller", query.caller.id},
                        {"remoteAddress", query.remote_address},
                        {"method", query.method},
                        {"target", query.target},
                        {"status", query.status},
                        {"durationMicros", query.duration.count()}};
    if (query.seq) object["seq"] = std::to_string(*query.seq);
    return json::serialize(object);
}

/// In columns, and without holding them all: the widths are known beforehand, but of the last.
std::string query_line(const ledger::AuditQuery& query) {
    return fmt::format("{}  {:<5}  {}  {:>6}  {:>10}  {:>9.1f}  {:<15}  {} {}",
                       ledger::to_rfc3339(query.at), ledger::to_string(query.caller.kind),
                       query.caller.id, query.status, query.seq ? std::to_string(*query.seq) : "-",
                       std::chrono::duration<double, std::milli>(query.duration).count(),
                       query.remote_address, query.method, query.target);
}

int print_queries(const QueriesOptions& options) {
    const auto connection = open_operator_database(options.config);
    const auto since = parse_time_ago(options.since, now()).value_or(now());
    ledger::AuditQueryKey after{since, std::numeric_limits<std::int64_t>::min()};
    if (!options.json)
        fmt::print("{:<27}  {:<5}  {:<16}  {:>6}  {:>10}  {:>9}  {:<15}  {}\n", "AT", "KIND",
                   "CALLER", "STATUS", "SEQ", "MS", "FROM", "REQUEST");
    for (;;) {
        const auto page = ledger::list_audit_queries(*connection, options.caller, after, kPage);
        for (const auto& query : page)
            fmt::print("{}\n", options.json ? query_json(query) : query_line(query));
        if (page.size() < kPage) return kExitDone;
        after = {page.back().at, page.back().id};
    }
}

}  // namespace

void add_audit_queries(CLI::App& audit, Action& action) {
    auto* command =
        audit.add_subcommand("queries", "What auditors asked (from the database itself)");
    const auto options = std::make_shared<QueriesOptions>();
    add_config_option(*command, options->config);
    command
        ->add_option("--key", options->caller,
                     "Only of this key, or of the token whose SHA-256 begins so; default: all")
        ->type_name("ID");
    command->add_option("--since", options->since, "So long ago, or an RFC 3339 time")
        ->check(check_time_option)
        ->type_name("TIME");
    command->add_flag("--json", options->json, "One JSON object a line");
    command->footer("Example:\n  millrace audit queries --since 7d");
    command->callback(
        [&action, options] { action = [options] { return print_queries(*options); }; });
}

}  // namespace millrace::api
