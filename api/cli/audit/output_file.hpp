#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::api {

/// A file that is there as a whole or not at all: written beside its place, and moved there by
/// `finish`. Anything that goes wrong throws CommandError, and what was written so far is removed.
class OutputFile {
public:
    /// An empty path: standard output, which cannot be taken back.
    explicit OutputFile(std::string path);
    ~OutputFile();
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    void write(std::string_view text);
    /// Everything of another file.
    void copy(const std::filesystem::path& from);
    void finish();

private:
    [[noreturn]] void fail(const char* what) const;

    std::string path_;
    std::string partial_;
    std::FILE* file_ = nullptr;
};

}  // namespace millrace::api
