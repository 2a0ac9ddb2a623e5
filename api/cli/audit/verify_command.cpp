#include "api/cli/audit/chain_check.hpp"
#include "api/cli/audit/export_source.hpp"
#include "api/cli/audit/subcommands.hpp"
#include "api/cli/audit/verify_run.hpp"
#include "api/cli/config_option.hpp"
#include "channel/address.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <fstream>
#include <sstream>
#include <thread>

namespace millrace::api {
namespace {

namespace json = boost::json;

struct VerifyOptions {
    std::string file;
    std::string config;
    std::string key;
    std::vector<std::string> heads;
    std::vector<std::string> rpc_urls;
    std::vector<std::string> contracts;
    unsigned threads = 0;
    bool json = false;
};

/// A tree head that the auditor kept: its note, in a file.
ledger::KnownHead kept_head(const std::string& path, const std::optional<ledger::NoteKey>& key) {
    std::ifstream file(path);
    std::stringstream note;
    if (!file || !(note << file.rdbuf()))
        throw CommandError(path + ": cannot be read; name a file with a tree head");
    const auto text =
        key ? ledger::open_note(note.str(), *key) : std::optional<std::string>(note.str());
    const auto head = text ? ledger::TreeHead::parse(*text) : std::nullopt;
    if (!head)
        throw CommandError(path + (key ? ": is no tree head signed by " + key->name
                                       : std::string(": is no tree head")));
    return {head->size, head->root, path};
}

ledger::VerificationSettings settings_of(const VerifyOptions& options) {
    ledger::VerificationSettings settings;
    if (!options.key.empty()) {
        settings.key = ledger::NoteKey::parse(options.key);
        if (!settings.key)
            throw CommandError(
                "--key: expected a note verifier key, NAME+HASH+KEY, as of GET "
                "/v1/log/key");
    }
    for (const auto& text : options.contracts) {
        const auto equals = text.find('=');
        const auto address = equals == std::string::npos
                                 ? channel::Result<channel::Address>(channel::Error::not_hex)
                                 : channel::parse_address(text.substr(equals + 1));
        if (!address)
            throw CommandError("--contract: expected NETWORK=ADDRESS, such as eip155:8453=0x4020…");
        settings.contracts[text.substr(0, equals)] = *address;
    }
    for (const auto& path : options.heads) settings.known.push_back(kept_head(path, settings.key));
    return settings;
}

/// On a terminal, in one line that is written over.
void show(const ledger::VerificationTotals& totals) {
    constexpr std::uint64_t kWidth = 40;
    const auto all = std::max<std::uint64_t>(1, totals.to + 1 - std::min(totals.from, totals.to));
    const auto done = totals.last < totals.from ? 0 : totals.last - totals.from + 1;
    fmt::print(stderr, "\r[{:<{}}] {:>3} %  {} signatures", std::string(done * kWidth / all, '#'),
               kWidth, done * 100 / all, totals.signatures);
}

json::object totals_json(const ledger::VerificationTotals& totals) {
    return {{"from", std::to_string(totals.from)},
            {"to", std::to_string(totals.to)},
            {"seq", std::to_string(totals.seq)},
            {"sealed", std::to_string(totals.sealed)},
            {"heads", totals.heads},
            {"payments", totals.payments},
            {"signatures", totals.signatures},
            {"transfers", totals.transfers},
            {"chainEvents", totals.chain_events},
            {"channels", totals.channels},
            {"contractChannels", totals.contract_channels},
            {"accounts", totals.accounts}};
}

void print_finding(const ledger::Finding& finding, bool as_json) {
    if (as_json) {
        fmt::print("{}\n", json::serialize(json::object{{"verified", false},
                                                        {"rule", finding.rule},
                                                        {"seq", std::to_string(finding.seq)},
                                                        {"table", finding.table},
                                                        {"key", finding.key},
                                                        {"explanation", finding.explanation}}));
        return;
    }
    fmt::print("BROKEN: rule {}", finding.rule);
    if (finding.seq != 0) fmt::print(", seq {}", finding.seq);
    if (!finding.table.empty()) fmt::print(", {}", finding.table);
    if (!finding.key.empty()) fmt::print(" ({})", finding.key);
    fmt::print("\n  {}\n", finding.explanation);
}

/// What a reader has to know although nothing is broken.
void print_notes(const ledger::Verification& verification, const ledger::VerificationTotals& totals,
                 const ChainCheckTotals& chain, const VerifyOptions& options) {
    if (totals.sealed < totals.to)
        fmt::print("  {} numbers are not sealed yet, and prove nothing so far.\n",
                   totals.to - totals.sealed);
    if (totals.contract_channels > 0)
        fmt::print("  Vouchers of {} channels are for contracts to judge, and were not checked.\n",
                   totals.contract_channels);
    if (totals.from > 1)
        fmt::print("  Figures from before {} are taken as they are.\n", totals.from);
    for (const auto& source : verification.tree().unchecked())
        fmt::print("  {}: not compared, its leaves are not in the export.\n", source);
    for (const auto& network : chain.unchecked)
        if (!options.rpc_urls.empty())
            fmt::print("  {}: not compared, no node of it was named.\n", network);
    if (options.key.empty())
        fmt::print("  The key is the export's own word: name the one that you trust with --key.\n");
    if (options.rpc_urls.empty())
        fmt::print("  Nothing was compared with the chain: name a node with --rpc.\n");
}

void print_verified(const ledger::Verification& verification,
                    const ledger::VerificationTotals& totals, const ChainCheckTotals& chain,
                    const VerifyOptions& options) {
    if (options.json) {
        auto object = totals_json(totals);
        object["verified"] = true;
        object["receivers"] = chain.receivers;
        object["anchors"] = chain.anchors;
        object["chainChecked"] = !options.rpc_urls.empty();
        fmt::print("{}\n", json::serialize(object));
        return;
    }
    fmt::print("Everything holds, from {} to {}:\n", totals.from, totals.to);
    fmt::print("  {} payments, {} signatures checked, {} transfers, {} events of the chain\n",
               totals.payments, totals.signatures, totals.transfers, totals.chain_events);
    fmt::print("  {} channels, {} accounts\n", totals.channels, totals.accounts);
    fmt::print("  {} tree heads, the newest of {} numbers{}\n", totals.heads, totals.sealed,
               verification.key() ? ", signed by " + verification.key()->text()
                                  : ", whose signatures nobody checked");
    if (!options.rpc_urls.empty())
        fmt::print(
            "  {} events, {} channels and {} receivers are on the chain as posted, {} tree heads "
            "are anchored there\n",
            chain.events, chain.channels, chain.receivers, chain.anchors);
    print_notes(verification, totals, chain, options);
}

int verify(const VerifyOptions& options) {
    std::unique_ptr<DatabaseExport> database;
    ExportSource source;
    if (options.file.empty()) {
        database =
            std::make_unique<DatabaseExport>(load_config(options.config), ledger::ExportScope{});
        if (options.key.empty()) database->warn_of_missing_key();
        source = [&database] { return database->next(); };
    } else {
        source = file_source(options.file);
    }
    const auto threads =
        options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
    const bool is_shown = isatty(STDERR_FILENO);
    ledger::Verification verification(settings_of(options));
    try {
        const VerifyProgress progress = is_shown ? VerifyProgress(show) : nullptr;
        verify_export(source, verification, threads, progress);
        // The nodes may take long, and nothing is vacuumed behind an open snapshot.
        database.reset();
        const auto totals = verification.finish();
        const auto chain = options.rpc_urls.empty() ? ChainCheckTotals{}
                                                    : check_chain(verification, options.rpc_urls);
        if (is_shown) fmt::print(stderr, "\r\x1b[K");
        print_verified(verification, totals, chain, options);
        return kExitDone;
    } catch (const ledger::Broken& found) {
        if (is_shown) fmt::print(stderr, "\r\x1b[K");
        print_finding(found.finding, options.json);
        return kExitFailed;
    }
}

}  // namespace

void add_audit_verify(CLI::App& audit, Action& action) {
    auto* command = audit.add_subcommand(
        "verify", "Recompute everything: signatures, charges, balances, the transparency log");
    const auto options = std::make_shared<VerifyOptions>();
    command
        ->add_option("export", options->file,
                     "An export; - is standard input. Default: the database of --config")
        ->type_name("FILE");
    add_config_option(*command, options->config);
    command
        ->add_option("--key", options->key,
                     "The log's key, as you know it from elsewhere: what is older than ten minutes "
                     "has to be sealed with it")
        ->type_name("VKEY");
    command
        ->add_option("--head", options->heads, "A tree head that you kept: it has to be on the way")
        ->type_name("FILE");
    command
        ->add_option("--rpc", options->rpc_urls,
                     "A node of the chain: its events, fees, channels, receivers and anchors are "
                     "compared too")
        ->type_name("URL");
    command
        ->add_option("--contract", options->contracts,
                     "The escrow of a network; default: what the export says")
        ->type_name("NETWORK=ADDRESS");
    command->add_option("--threads", options->threads, "Default: one per core");
    command->add_flag("--json", options->json, "One JSON object");
    command->footer(
        "Stops at the first thing that does not hold, and names it.\n\n"
        "Examples:\n  millrace audit verify books.ndjson --key millrace.example+…\n"
        "  millrace audit verify --config millrace.toml --rpc http://127.0.0.1:8545\n\n"
        "Exit codes: 0 everything holds, 1 not, or it could not be looked at");
    command->callback([&action, options] { action = [options] { return verify(*options); }; });
}

}  // namespace millrace::api
