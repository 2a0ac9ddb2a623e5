#include "api/signer/journal.hpp"

#include "api/config.hpp"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::api {
namespace {

namespace fs = std::filesystem;
using ledger::signing::SignedEntry;

constexpr auto kFile = "signed.log";

[[noreturn]] void fail(const fs::path& path) {
    throw std::system_error(errno, std::generic_category(), path.string());
}

fs::path prepared(const fs::path& directory) {
    if (directory.empty()) throw ConfigError("signer.state_directory is not set");
    if (::mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) fail(directory);
    return directory;
}

Descriptor opened(const fs::path& path, int flags) {
    const int number = ::open(path.c_str(), flags | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (number < 0) fail(path);
    return Descriptor(number);
}

/// Held until this process ends, however it ends.
Descriptor locked(const fs::path& directory) {
    auto lock = opened(directory / "lock", O_RDWR | O_CREAT);
    if (::flock(lock.number(), LOCK_EX | LOCK_NB) != 0)
        throw ConfigError("signer.state_directory: another signer works in " + directory.string());
    return lock;
}

void write_all(const Descriptor& file, std::string_view text, const fs::path& path) {
    while (!text.empty()) {
        const auto written = ::write(file.number(), text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail(path);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

void sync(const Descriptor& file, const fs::path& path) {
    if (::fsync(file.number()) != 0) fail(path);
}

}  // namespace

Journal::Journal(const fs::path& directory, ledger::Time now)
    : directory_(prepared(directory)), lock_(locked(directory)), file_(-1) {
    read();
    compact(now);
}

void Journal::read() {
    const auto path = directory_ / kFile;
    std::ifstream file(path, std::ios::binary);
    if (!file && fs::exists(path)) fail(path);
    std::size_t number = 0;
    std::size_t bad = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        if (bad != 0)
            throw ConfigError(path.string() + ":" + std::to_string(bad) +
                              ": not as it was written; what was signed before is not known for "
                              "sure. Restore the file, or move it away to begin anew");
        // A line without its end may be complete by chance; nobody has got its signature.
        const auto entry = ledger::signing::parse_line(line);
        if (entry && !file.eof())
            record_.add(*entry);
        else
            bad = number;
    }
    if (bad != 0) spdlog::warn("{}: the last line was cut off and is left out", path.string());
}

void Journal::compact(ledger::Time now) {
    const auto path = directory_ / kFile;
    const auto unfinished = directory_ / (std::string(kFile) + ".new");
    {
        const auto file = opened(unfinished, O_WRONLY | O_CREAT | O_TRUNC);
        std::string text;
        for (const auto& entry : record_.compacted(now))
            text += ledger::signing::to_line(entry) + '\n';
        write_all(file, text, unfinished);
        sync(file, unfinished);
    }
    fs::rename(unfinished, path);
    sync(opened(directory_, O_RDONLY | O_DIRECTORY), directory_);
    file_ = opened(path, O_WRONLY | O_APPEND);
}

void Journal::append(const SignedEntry& entry) {
    const auto path = directory_ / kFile;
    write_all(file_, ledger::signing::to_line(entry) + '\n', path);
    if (::fdatasync(file_.number()) != 0) fail(path);
}

}  // namespace millrace::api
