#include "api/keys/secret_file.hpp"

#include "api/config.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace millrace::api {
namespace {

constexpr mode_t kOthers = 077;
constexpr std::size_t kBytesMax = 64 * 1024;

/// The service manager keeps these from others by means that their mode may not show.
bool is_credential(const std::string& path) {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    return directory && *directory != '\0' &&
           std::filesystem::path(path).parent_path() == std::filesystem::path(directory);
}

}  // namespace

std::string read_secret_file(const std::string& setting, const std::string& path) {
    struct stat found {};
    std::ifstream file(path, std::ios::binary);
    if (stat(path.c_str(), &found) != 0 || !file)
        throw ConfigError(setting + ": cannot read " + path + ": " + std::strerror(errno));
    if ((found.st_mode & kOthers) != 0 && !is_credential(path))
        throw ConfigError(setting + ": others may use " + path + "; run: chmod 600 " + path);
    std::string text(kBytesMax, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

}  // namespace millrace::api
