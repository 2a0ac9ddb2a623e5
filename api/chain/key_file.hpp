#pragma once

#include "channel/secp256k1.hpp"

#include <string>

namespace millrace::api {

/// Reads a signing key: "0x" and 64 hex digits, perhaps with a line end, or a keystore (Web3 Secret
/// Storage, version 3). A keystore's password is the first line of `password_file`; without one it
/// is asked for at the terminal. `setting` names the configuration key in messages. Throws
/// ConfigError when there is no file, when others than its owner may read or write it, when it
/// holds something else, or when the password is wrong; never shows its contents.
channel::SecretKey read_key_file(const std::string& setting, const std::string& path,
                                 const std::string& password_file = {});

}  // namespace millrace::api
