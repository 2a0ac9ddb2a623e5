#include "api/cli/audit/output_file.hpp"

#include "api/cli/commands.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace millrace::api {

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
    if (path_.empty()) {
        file_ = stdout;
        return;
    }
    partial_ = fmt::format("{}.{}.part", path_, getpid());
    file_ = std::fopen(partial_.c_str(), "wbxe");
    if (!file_) fail("cannot be made");
}

OutputFile::~OutputFile() {
    if (path_.empty() || !file_) return;
    static_cast<void>(std::fclose(file_));
    unlink(partial_.c_str());
}

void OutputFile::write(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) fail("cannot be written");
}

void OutputFile::copy(const std::filesystem::path& from) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> source(std::fopen(from.c_str(), "rbe"),
                                                                 &std::fclose);
    if (!source) fail("cannot be written");
    std::array<char, 65'536> buffer{};
    while (const auto count = std::fread(buffer.data(), 1, buffer.size(), source.get()))
        write({buffer.data(), count});
    if (std::ferror(source.get()) != 0) fail("cannot be written");
}

void OutputFile::finish() {
    if (std::fflush(file_) != 0) fail("cannot be written");
    if (path_.empty()) return;
    if (fsync(fileno(file_)) != 0) fail("cannot be written");
    static_cast<void>(std::fclose(std::exchange(file_, nullptr)));
    if (std::rename(partial_.c_str(), path_.c_str()) == 0) return;
    const int error = errno;
    unlink(partial_.c_str());
    errno = error;
    fail("cannot be written");
}

void OutputFile::fail(const char* what) const {
    throw CommandError(fmt::format("{}: {} ({})", path_.empty() ? "standard output" : path_, what,
                                   std::strerror(errno)));
}

}  // namespace millrace::api
