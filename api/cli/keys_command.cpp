#include "api/auth/random.hpp"
#include "api/cli/commands.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <array>
#include <cerrno>
#include <cstring>

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
        throw CommandError(fmt::format("{}: cannot be made ({}); name another file with --out",
                                       path, std::strerror(errno)));
    const auto written = write(file, text.data(), text.size());
    const bool complete = written == static_cast<ssize_t>(text.size()) && fsync(file) == 0;
    if (close(file) != 0 || !complete) {
        unlink(path.c_str());
        throw CommandError(fmt::format("{}: cannot be written ({})", path, std::strerror(errno)));
    }
}

int make_key(std::string path, bool json) {
    SecretBytes bytes{};
    const auto address = draw_key(bytes).address();
    if (path.empty()) path = channel::to_hex(address) + ".key";
    auto text = channel::to_hex(channel::BytesView(bytes)) + '\n';
    OPENSSL_cleanse(bytes.data(), bytes.size());
    write_secret(path, text);
    OPENSSL_cleanse(text.data(), text.size());
    if (json) {
        fmt::print(R"({{"address":"{}","file":"{}"}})"
                   "\n",
                   channel::to_hex(address), path);
    } else {
        fmt::print("{}\n", channel::to_checksum(address));
        fmt::print(stderr, "The key is in {}; whoever has the file has the money.\n", path);
    }
    return kExitDone;
}

}  // namespace

void add_keys(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("keys", "Make signing keys");
    command->require_subcommand(1);
    auto* make = command->add_subcommand("new",
                                         "Make a key, write it to a file only its owner "
                                         "can read, and print its address");
    const auto path = std::make_shared<std::string>();
    const auto json = std::make_shared<bool>(false);
    make->add_option("--out", *path, "Where to; default: <address>.key in this folder")
        ->type_name("FILE");
    make->add_flag("--json", *json, R"(Print {"address", "file"})");
    make->footer("Example:\n  millrace keys new --out relayer.key");
    make->callback(
        [&action, path, json] { action = [path, json] { return make_key(*path, *json); }; });
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
