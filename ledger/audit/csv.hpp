#pragma once

#include <string>
#include <string_view>

namespace millrace::ledger {

/// Appends a field (RFC 4180): what has a comma, a quote or a line's end is quoted.
void append_csv_field(std::string& out, std::string_view field);

}  // namespace millrace::ledger
