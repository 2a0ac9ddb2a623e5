#include "api/cli/dev/secrets.hpp"

#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <openssl/rand.h>
#include <unistd.h>

namespace millrace::api {
namespace {

namespace fs = std::filesystem;

/// "0x" and 64 digits. A key of secp256k1 too, but for one chance in 2^128.
std::string random_hex() {
    channel::Word random;
    if (RAND_bytes(random.bytes.data(), static_cast<int>(random.bytes.size())) != 1)
        throw std::runtime_error("no random numbers");
    return channel::to_hex(random);
}

std::string kept(const fs::path& file) {
    if (std::string text; std::getline(std::ifstream(file), text) && !text.empty()) return text;
    const auto made = random_hex();
    write_private(file, made + "\n");
    return made;
}

channel::Address address_of_key(const fs::path& file) {
    const auto key = channel::SecretKey::parse(kept(file));
    if (!key) throw std::runtime_error(file.string() + " holds no key");
    return key->address();
}

}  // namespace

void write_private(const fs::path& file, const std::string& text) {
    const auto unfinished = file.string() + ".new";
    const int descriptor =
        open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (descriptor < 0) throw std::system_error(errno, std::generic_category(), unfinished);
    const auto written = write(descriptor, text.data(), text.size());
    const bool synced = fsync(descriptor) == 0;
    close(descriptor);
    if (written != static_cast<ssize_t>(text.size()) || !synced)
        throw std::runtime_error("cannot write " + unfinished);
    fs::rename(unfinished, file);
}

DevSecrets dev_secrets(const fs::path& directory) {
    fs::create_directories(directory);
    fs::permissions(directory, fs::perms::owner_all);
    DevSecrets secrets{.relayer_file = directory / "relayer",
                       .receiver_authorizer_file = directory / "receiver_authorizer",
                       .log_key_file = directory / "log_key",
                       .relayer = {},
                       .receiver_authorizer = {},
                       .token_secret = kept(directory / "token_secret").substr(2),
                       .auditor_token = kept(directory / "auditor_token").substr(2),
                       .operator_token = kept(directory / "operator_token").substr(2)};
    kept(secrets.log_key_file);
    secrets.relayer = address_of_key(secrets.relayer_file);
    secrets.receiver_authorizer = address_of_key(secrets.receiver_authorizer_file);
    return secrets;
}

}  // namespace millrace::api
