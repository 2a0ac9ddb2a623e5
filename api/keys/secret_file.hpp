#pragma once

#include <string>

namespace millrace::api {

/// The contents of a file that only its owner may read or write, or that lies in the directory that
/// the service manager hands over (CREDENTIALS_DIRECTORY, systemd.exec(5)); at most 64 KiB.
/// `setting` names the configuration key in messages. Throws ConfigError; wipe the text after use.
std::string read_secret_file(const std::string& setting, const std::string& path);

}  // namespace millrace::api
