#pragma once

#include "ledger/audit/verify/verification.hpp"

#include <functional>
#include <string>

namespace millrace::api {

/// The next stretch of an export, ending anywhere; empty at its end.
using ExportSource = std::function<std::string()>;
/// Told of what has been verified so far, some times a second at most.
using VerifyProgress = std::function<void(const ledger::VerificationTotals&)>;

/// Takes a whole export through `verification`, with the signatures and leaves of many entries
/// checked at once on so many threads. Throws ledger::Broken for the first thing that does not
/// hold, in the order of the export, whatever the threads found first.
void verify_export(const ExportSource& source, ledger::Verification& verification, unsigned threads,
                   const VerifyProgress& progress);

}  // namespace millrace::api
