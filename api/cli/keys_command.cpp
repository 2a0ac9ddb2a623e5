#include "api/auth/random.hpp"
#include "api/chain/key_file.hpp"
#include "api/cli/commands.hpp"
#include "api/cli/keys_delegate.hpp"
#include "api/config.hpp"
#include "api/keys/keystore.hpp"
#include "api/keys/password.hpp"
#include "api/keys/secret_file.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"
#include "ledger/proof/note.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace millrace::api {
namespace {

using SecretBytes = std::array<std::uint8_t, 32>;

/// Random bytes that are a key: nearly all are.
channel::SecretKey draw_key(SecretBytes& bytes) {
    for (;;) {
        fill_random(bytes);
        if (auto key = channel::SecretKey::from_bytes(bytes)) return std::move(*key);
    }
}

/// Never over a file that is there: it may be a key that holds money.
void write_secret(const std::string& path, const std::string& text) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        throw CommandError(
            fmt::format("{}: cannot be made ({}); name another file", path, std::strerror(errno)));
    const auto written = write(file, text.data(), text.size());
    const bool complete = written == static_cast<ssize_t>(text.size()) && fsync(file) == 0;
    if (close(file) != 0 || !complete) {
        unlink(path.c_str());
        throw CommandError(fmt::format("{}: cannot be written ({})", path, std::strerror(errno)));
    }
}

struct NewKey {
    std::string out;
    std::string keystore;
    std::string password_file;
    bool json = false;
};

Password new_password(const NewKey& wanted) {
    const std::string remedy = "name a file that holds it with --password-file";
    if (!wanted.password_file.empty())
        return read_password_file("--password-file", wanted.password_file);
    auto password = ask_password("Password for " + wanted.keystore, remedy);
    if (password.text().empty()) throw CommandError("an empty password protects nothing");
    if (ask_password("Once more", remedy).text() != password.text())
        throw CommandError("these are two different passwords");
    return password;
}

std::string keystore_text(const SecretBytes& key, const NewKey& wanted) {
    KeystoreRandom random;
    fill_random(random.salt);
    fill_random(random.iv);
    fill_random(random.id);
    const auto password = new_password(wanted);
    return encrypt_key(key, password.text(), random) + '\n';
}

int make_key(const NewKey& wanted) {
    SecretBytes bytes{};
    const auto address = draw_key(bytes).address();
    const bool encrypted = !wanted.keystore.empty();
    auto path = encrypted ? wanted.keystore : wanted.out;
    if (path.empty()) path = channel::to_hex(address) + ".key";
    auto text = encrypted ? keystore_text(bytes, wanted)
                          : channel::to_hex(channel::BytesView(bytes)) + '\n';
    OPENSSL_cleanse(bytes.data(), bytes.size());
    write_secret(path, text);
    OPENSSL_cleanse(text.data(), text.size());
    if (wanted.json) {
        fmt::print(R"({{"address":"{}","file":"{}"}})"
                   "\n",
                   channel::to_hex(address), path);
    } else {
        fmt::print("{}\n", channel::to_checksum(address));
        fmt::print(stderr, "The key is in {}; whoever has the file{} has the money.\n", path,
                   encrypted ? " and its password" : "");
    }
    return kExitDone;
}

/// Of a keystore, what it says of itself, unless it is opened.
int show_key(const std::string& path, const std::string& password_file) {
    std::error_code unknown;
    if (!std::filesystem::exists(path, unknown) && !unknown)
        throw ConfigError(fmt::format("there is no file {}; name a key file or a keystore", path));
    channel::Address address;
    if (password_file.empty()) {
        Password text(read_secret_file("FILE", path));
        try {
            if (is_keystore(text.text())) address = claimed_address(text.text());
        } catch (const KeystoreError& error) {
            throw CommandError(fmt::format("{} is no keystore: {}", path, error.what()));
        }
    }
    if (address.is_zero()) address = read_key_file("FILE", path, password_file).address();
    fmt::print("{}\n", channel::to_checksum(address));
    return kExitDone;
}

void add_keys_new(CLI::App& keys, Action& action) {
    auto* command = keys.add_subcommand("new",
                                        "Make a key, write it to a file only its owner "
                                        "can read, and print its address");
    const auto wanted = std::make_shared<NewKey>();
    command
        ->add_option("--out", wanted->out,
                     "Where to, in the clear; default: <address>.key in this folder")
        ->type_name("FILE");
    command
        ->add_option("--keystore", wanted->keystore,
                     "Where to, encrypted with a password (Web3 Secret Storage, version 3)")
        ->type_name("FILE")
        ->excludes("--out");
    command
        ->add_option("--password-file", wanted->password_file,
                     "Its first line is the password; otherwise it is asked for")
        ->type_name("FILE")
        ->needs("--keystore");
    command->add_flag("--json", wanted->json, R"(Print {"address", "file"})");
    command->footer("Example:\n  millrace keys new --keystore relayer.json");
    command->callback([&action, wanted] { action = [wanted] { return make_key(*wanted); }; });
}

/// Any 32 bytes are a key of Ed25519.
int make_log_key(const std::string& path, const std::string& origin) {
    ledger::Ed25519Seed seed;
    fill_random(seed.bytes);
    const ledger::NoteSigner signer(origin, seed);
    auto text = channel::to_hex(seed) + '\n';
    OPENSSL_cleanse(seed.bytes.data(), seed.bytes.size());
    write_secret(path, text);
    OPENSSL_cleanse(text.data(), text.size());
    fmt::print("{}\n", signer.key().text());
    fmt::print(stderr,
               "The key that signs tree heads is in {}. The line above is what auditors check them "
               "with: publish it.\n",
               path);
    return kExitDone;
}

void add_keys_log(CLI::App& keys, Action& action) {
    auto* command = keys.add_subcommand(
        "log", "Make the key that signs the transparency log, and print its verifier key");
    const auto path = std::make_shared<std::string>();
    const auto origin = std::make_shared<std::string>();
    command->add_option("--out", *path, "Where to: transparency.key_file")
        ->type_name("FILE")
        ->required();
    command->add_option("--origin", *origin, "The log's name: transparency.origin")
        ->type_name("NAME")
        ->required();
    command->footer("Example:\n  millrace keys log --out log.key --origin millrace.example/log");
    command->callback([&action, path, origin] {
        action = [path, origin] { return make_log_key(*path, *origin); };
    });
}

void add_keys_show(CLI::App& keys, Action& action) {
    auto* command = keys.add_subcommand("show", "Print the address of a key file or keystore");
    const auto path = std::make_shared<std::string>();
    const auto password_file = std::make_shared<std::string>();
    command->add_option("file", *path, "Key file or keystore")->type_name("FILE")->required();
    command
        ->add_option("--password-file", *password_file,
                     "Open the keystore with the password in this file, rather than believe it")
        ->type_name("FILE");
    command->footer("Example:\n  millrace keys show relayer.json");
    command->callback([&action, path, password_file] {
        action = [path, password_file] { return show_key(*path, *password_file); };
    });
}

}  // namespace

void add_keys(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("keys", "Make signing keys, and look at them");
    command->require_subcommand(1);
    add_keys_new(*command, action);
    add_keys_show(*command, action);
    add_keys_log(*command, action);
    add_keys_delegate(*command, action);
}

void add_version(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("version", "Print the version");
    const auto json = std::make_shared<bool>(false);
    command->add_flag("--json", *json, R"(Print {"name", "version"})");
    command->callback([&action, json] {
        action = [json] {
            if (*json)
                fmt::print(R"({{"name":"millrace","version":"{}"}})"
                           "\n",
                           MILLRACE_VERSION);
            else
                fmt::print("millrace {}\n", MILLRACE_VERSION);
            return kExitDone;
        };
    });
}

}  // namespace millrace::api
