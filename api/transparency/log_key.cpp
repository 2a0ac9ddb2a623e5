#include "api/transparency/log_key.hpp"

#include "api/keys/secret_file.hpp"
#include "channel/hex.hpp"

#include <openssl/crypto.h>

#include <filesystem>

namespace millrace::api {

std::optional<ledger::NoteSigner> open_log_signer(const Config& config) {
    constexpr auto kSetting = "transparency.key_file";
    const auto& path = config.transparency.key_file;
    if (path.empty()) return std::nullopt;
    if (!std::filesystem::exists(path))
        throw ConfigError(std::string(kSetting) + ": there is no file " + path +
                          "; make a key with: millrace keys log --out " + path);
    auto text = read_secret_file(kSetting, path);
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    auto seed = channel::parse_fixed<ledger::Ed25519Seed>(text);
    OPENSSL_cleanse(text.data(), text.size());
    if (!seed)
        throw ConfigError(std::string(kSetting) + ": " + path +
                          " has to hold 0x and 64 hexadecimal digits");
    ledger::NoteSigner signer(config.transparency.origin, *seed);
    OPENSSL_cleanse(seed->bytes.data(), seed->bytes.size());
    return signer;
}

}  // namespace millrace::api
