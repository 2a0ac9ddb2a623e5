#pragma once

#include "api/descriptor.hpp"
#include "ledger/signing/signed_record.hpp"
#include "ledger/time.hpp"

#include <filesystem>
#include <string>

namespace millrace::api {

/// Keeps what was signed in a file of lines that only grows, `signed.log` in the signer's state
/// directory, which no other signer uses meanwhile. Written anew, without what no longer counts, at
/// each start. A last line that was cut off by a crash is left out: its signature was never given
/// away. Any other line that does not read as written is an error.
class Journal {
public:
    /// Makes the directory (mode 0700) if there is none. Throws ConfigError or std::system_error.
    Journal(const std::filesystem::path& directory, ledger::Time now);

    /// What was kept before this start.
    ledger::signing::SignedRecord take_record() { return std::move(record_); }

    /// On disk when it returns. Throws std::system_error; whether the entry is there is unknown
    /// then, so that nothing more may be signed before another start.
    void append(const ledger::signing::SignedEntry& entry);

private:
    void read();
    void compact(ledger::Time now);

    std::filesystem::path directory_;
    Descriptor lock_;
    Descriptor file_;
    ledger::signing::SignedRecord record_;
};

}  // namespace millrace::api
