#include "api/keys/secret_file.hpp"

#include "api/config.hpp"
#include "api/descriptor.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

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

// Read without a stream, whose buffer would keep a copy.
std::string read_secret_file(const std::string& setting, const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat found {};
    if (file.number() < 0 || ::fstat(file.number(), &found) != 0)
        throw ConfigError(setting + ": cannot read " + path + ": " + std::strerror(errno));
    if ((found.st_mode & kOthers) != 0 && !is_credential(path))
        throw ConfigError(setting + ": others may use " + path + "; run: chmod 600 " + path);
    std::string text(kBytesMax, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const auto got = ::read(file.number(), text.data() + size, text.size() - size);
        if (got < 0)
            throw ConfigError(setting + ": cannot read " + path + ": " + std::strerror(errno));
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    text.resize(size);
    return text;
}

}  // namespace millrace::api
