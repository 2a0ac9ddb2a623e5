#pragma once

namespace millrace::ledger {

/// Text in one form for the rest of the transaction, whatever the login's settings are: the leaves
/// of the transparency log are made of it, and exports have it.
inline constexpr const char* kOneTextForm =
    "set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; "
    "set local client_encoding = 'UTF8'; set local bytea_output = 'hex'";

}  // namespace millrace::ledger
