#include "api/cli/audit/export_source.hpp"

#include "api/cli/commands.hpp"
#include "api/clock.hpp"
#include "api/transparency/log_key.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace millrace::api {
namespace {

/// A cursor's fetches are short, but the first may have to sum up all that was before.
constexpr std::chrono::minutes kPatience{30};
constexpr std::size_t kReadBytes = 1024 * 1024;

/// What an export has to know and the database does not.
ledger::ExportContext export_context(const Config& config, std::string& why_no_key) {
    ledger::ExportContext context;
    for (const auto& network : config.networks)
        context.contracts[channel::to_string(network.network)] = network.contract;
    context.at = now();
    try {
        if (const auto signer = open_log_signer(config)) {
            context.origin = signer->key().name;
            context.key = signer->key().text();
        } else {
            why_no_key = "transparency.key_file is not set";
        }
    } catch (const std::exception& error) {
        // Not to be read, or in a directory that is not to be looked into.
        why_no_key = error.what();
    }
    return context;
}

}  // namespace

DatabaseExport::DatabaseExport(const Config& config, const ledger::ExportScope& scope)
    : connection_(std::make_unique<pqxx::connection>(config.ledger.postgres)),
      snapshot_(std::make_unique<ledger::Snapshot>(*connection_, kPatience)) {
    if (!ledger::wrong_bound(scope, seq()).empty())
        throw CommandError(fmt::format("numbers go from 1 to {}, of which {} to {} is no part",
                                       seq(), scope.from, scope.to.value_or(seq())));
    export_ = std::make_unique<ledger::Export>(snapshot_->reading(), snapshot_->seq(), scope,
                                               export_context(config, why_no_key_));
}

void DatabaseExport::warn_of_missing_key() const {
    if (!why_no_key_.empty() && export_->head())
        fmt::print(stderr, "warning: the log's key is left out: {}\n", why_no_key_);
}

ExportSource file_source(const std::string& path) {
    const bool is_input = path == "-";
    const std::shared_ptr<std::FILE> file(is_input ? stdin : std::fopen(path.c_str(), "rb"),
                                          [is_input](std::FILE* opened) {
                                              if (opened && !is_input) std::fclose(opened);
                                          });
    if (!file)
        throw CommandError(fmt::format("{}: cannot be read ({})", path, std::strerror(errno)));
    return [file, path] {
        std::string text(kReadBytes, '\0');
        text.resize(std::fread(text.data(), 1, text.size(), file.get()));
        if (text.empty() && std::ferror(file.get()))
            throw CommandError(fmt::format("{}: cannot be read ({})", path, std::strerror(errno)));
        return text;
    };
}

}  // namespace millrace::api
