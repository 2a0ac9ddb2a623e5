#pragma once

#include "ledger/account_reader.hpp"

#include <string>

namespace millrace::api::rest {

/// The OpenAPI schema Account.
std::string account_json(const ledger::Account& account);

}  // namespace millrace::api::rest
