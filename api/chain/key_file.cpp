#include "api/chain/key_file.hpp"

#include "api/config.hpp"
#include "api/keys/keystore.hpp"
#include "api/keys/password.hpp"
#include "api/keys/secret_file.hpp"

#include <openssl/crypto.h>

#include <filesystem>
#include <string_view>

namespace millrace::api {
namespace {

struct Wiped {
    std::string text;
    ~Wiped() { OPENSSL_cleanse(text.data(), text.size()); }
};

Password password_for(const std::string& path, const std::string& password_file) {
    if (!password_file.empty()) return read_password_file("keys.password_file", password_file);
    return ask_password("Password of " + path, "name a file that holds it in keys.password_file");
}

}  // namespace

channel::SecretKey read_key_file(const std::string& setting, const std::string& path,
                                 const std::string& password_file) {
    if (path.empty())
        throw ConfigError(setting + " is not set; make a key with: millrace keys new --out FILE");
    if (!std::filesystem::exists(path))
        throw ConfigError(setting + ": there is no file " + path +
                          "; make a key with: millrace keys new --out " + path);
    const Wiped file{read_secret_file(setting, path)};
    if (is_keystore(file.text)) {
        const auto password = password_for(path, password_file);
        try {
            return decrypt_key(file.text, password.text());
        } catch (const KeystoreError& error) {
            throw ConfigError(setting + ": " + path + " does not open: " + error.what());
        }
    }
    std::string_view content = file.text;
    while (!content.empty() && (content.back() == '\n' || content.back() == '\r'))
        content.remove_suffix(1);
    auto key = channel::SecretKey::parse(content);
    if (!key)
        throw ConfigError(setting + ": " + path +
                          " has to hold one key, 0x and 64 hexadecimal digits, or a keystore");
    return std::move(*key);
}

}  // namespace millrace::api
