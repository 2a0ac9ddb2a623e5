#pragma once

#include "ledger/audit/export.hpp"
#include "ledger/audit/verify/verification.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <optional>
#include <string>

#include <pqxx/pqxx>

namespace support {

/// All that the transaction sees, exported; `at`: when, as the export tells it.
std::string exported(const Books& books, pqxx::transaction_base& transaction,
                     const std::string& log_key, ledger::ExportScope scope = {},
                     ledger::Time at = kNoon);

/// What does not hold; nullopt: everything does.
std::optional<ledger::Finding> verified(const std::string& text,
                                        ledger::VerificationSettings settings = {});

}  // namespace support
