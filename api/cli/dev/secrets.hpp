#pragma once

#include "channel/bytes.hpp"

#include <filesystem>
#include <string>

namespace millrace::api {

/// The keys and tokens of one development stack. Made when first asked for and kept in files that
/// only their owner can read; worth nothing outside that stack.
struct DevSecrets {
    std::filesystem::path relayer_file;
    std::filesystem::path receiver_authorizer_file;
    /// Signs the heads of the transparency log.
    std::filesystem::path log_key_file;
    channel::Address relayer;
    channel::Address receiver_authorizer;
    std::string token_secret;
    std::string auditor_token;
    std::string operator_token;
};
DevSecrets dev_secrets(const std::filesystem::path& directory);

/// Writes a file that only its owner can read, wholly or not at all.
void write_private(const std::filesystem::path& file, const std::string& text);

}  // namespace millrace::api
