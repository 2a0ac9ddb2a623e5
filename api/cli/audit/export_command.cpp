#include "api/cli/audit/export_source.hpp"
#include "api/cli/audit/output_file.hpp"
#include "api/cli/audit/subcommands.hpp"
#include "api/cli/config_option.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

namespace millrace::api {
namespace {

struct ExportOptions {
    std::string config;
    std::string out;
    std::string format = "ndjson";
    std::uint64_t from = 1;
    std::uint64_t to = 0;
};

int run_export(const ExportOptions& options) {
    ledger::ExportScope scope;
    if (options.format == "csv") scope.format = ledger::ExportFormat::csv;
    scope.from = options.from;
    if (options.to != 0) scope.to = options.to;
    DatabaseExport source(load_config(options.config), scope);
    if (scope.format == ledger::ExportFormat::ndjson) source.warn_of_missing_key();
    OutputFile file(options.out);
    const bool is_shown = isatty(STDERR_FILENO) && !options.out.empty();
    std::uint64_t bytes = 0;
    for (auto text = source.next(); !text.empty(); text = source.next()) {
        file.write(text);
        bytes += text.size();
        if (is_shown) fmt::print(stderr, "\r{} MiB", bytes >> 20);
    }
    file.finish();
    if (is_shown) fmt::print(stderr, "\r");
    const auto& head = source.exported().head();
    fmt::print(stderr, "{} bytes at seq {}, tree head of size {}, SHA-256 {}\n", bytes,
               source.seq(), head ? head->size : 0, source.exported().digest());
    return kExitDone;
}

}  // namespace

void add_audit_export(CLI::App& audit, Action& action) {
    auto* command = audit.add_subcommand(
        "export", "Write the journal with its proofs to a file, straight from the database");
    const auto options = std::make_shared<ExportOptions>();
    add_config_option(*command, options->config);
    command->add_option("--format", options->format, "ndjson proves itself; csv is for tables")
        ->check(CLI::IsMember({"ndjson", "csv"}))
        ->capture_default_str();
    command->add_option("--from", options->from, "The first number; default: 1")->type_name("SEQ");
    command->add_option("--to", options->to, "The last number; default: the newest")
        ->type_name("SEQ");
    command->add_option("--out", options->out, "Where to; default: standard output")
        ->type_name("FILE");
    command->footer(
        "The same comes from GET /v1/ledger/export of a running service.\n\n"
        "Example:\n  millrace audit export --config millrace.toml --out books.ndjson");
    command->callback([&action, options] { action = [options] { return run_export(*options); }; });
}

}  // namespace millrace::api
