#pragma once

#include "api/cli/audit/verify_run.hpp"
#include "api/config.hpp"
#include "ledger/audit/export.hpp"
#include "ledger/snapshot.hpp"

#include <memory>
#include <string>

namespace millrace::api {

/// An export straight from the database, as one snapshot; it lives as long as the source.
class DatabaseExport {
public:
    /// Throws CommandError for numbers that the books do not have.
    DatabaseExport(const Config& config, const ledger::ExportScope& scope);
    std::string next() { return export_->next(); }
    std::uint64_t seq() const { return snapshot_->seq(); }
    const ledger::Export& exported() const { return *export_; }
    /// Says on standard error why the export names no key, where there are heads to check with one:
    /// auditors need not have its file, but have to name the key to whoever verifies.
    void warn_of_missing_key() const;

private:
    std::unique_ptr<pqxx::connection> connection_;
    std::unique_ptr<ledger::Snapshot> snapshot_;
    std::unique_ptr<ledger::Export> export_;
    std::string why_no_key_;
};

/// An export in a file; "-": standard input. Throws CommandError when it cannot be read.
ExportSource file_source(const std::string& path);

}  // namespace millrace::api
