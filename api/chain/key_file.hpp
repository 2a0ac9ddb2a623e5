#pragma once

#include "channel/secp256k1.hpp"

#include <string>

namespace millrace::api {

/// Reads a signing key: "0x" and 64 hex digits, perhaps with a line end. `setting` names the
/// configuration key in messages. Throws ConfigError when there is no file, when others than its
/// owner may read or write it, or when it holds something else; never shows its contents.
channel::SecretKey read_key_file(const std::string& setting, const std::string& path);

}  // namespace millrace::api
