#include "api/chain/key_file.hpp"

#include "api/config.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace millrace::api {
namespace {

constexpr mode_t kOthers = 077;
constexpr std::size_t kBytesMax = 128;

struct Wiped {
    std::array<char, kBytesMax> bytes{};
    ~Wiped() { explicit_bzero(bytes.data(), bytes.size()); }
};

}  // namespace

channel::SecretKey read_key_file(const std::string& setting, const std::string& path) {
    if (path.empty())
        throw ConfigError(setting + " is not set; make a key with: millrace keys new --out FILE");
    struct stat found {};
    if (stat(path.c_str(), &found) != 0)
        throw ConfigError(setting + ": cannot read " + path + ": " + std::strerror(errno) +
                          "; make a key with: millrace keys new --out " + path);
    if ((found.st_mode & kOthers) != 0)
        throw ConfigError(setting + ": others may use " + path + "; run: chmod 600 " + path);

    Wiped text;
    std::ifstream file(path, std::ios::binary);
    file.read(text.bytes.data(), kBytesMax);
    auto content = std::string_view(text.bytes.data(), static_cast<std::size_t>(file.gcount()));
    while (!content.empty() && (content.back() == '\n' || content.back() == '\r'))
        content.remove_suffix(1);
    auto key = channel::SecretKey::parse(content);
    if (!key)
        throw ConfigError(setting + ": " + path +
                          " has to hold one key, 0x and 64 hexadecimal digits");
    return std::move(*key);
}

}  // namespace millrace::api
