#include "tests/support/independent_verifier.hpp"

#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>

namespace support {

namespace fs = std::filesystem;
namespace json = boost::json;

Folder::Folder() {
    std::string pattern = (fs::temp_directory_path() / "millrace-audit-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("cannot make " + pattern);
    path_ = pattern;
}

Folder::~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::string Folder::write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return (path_ / name).string();
}

std::vector<json::value> independently(const std::string& arguments) {
    const auto command =
        "node " MILLRACE_SOURCE_DIR "/tests/verifier/verify.mjs " + arguments + " --json 2>&1";
    std::string text;
    {
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"),
                                                                   pclose);
        if (!pipe) throw std::runtime_error("node cannot be started");
        std::string buffer(65536, '\0');
        while (const auto got = std::fread(buffer.data(), 1, buffer.size(), pipe.get()))
            text.append(buffer, 0, got);
    }
    std::vector<json::value> lines;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto line = text.substr(at, end - at);
        if (line.starts_with('{')) lines.push_back(json::parse(line));
        at = end + 1;
    }
    if (lines.empty()) throw std::runtime_error("the verifier said: " + text.substr(0, 2000));
    return lines;
}

}  // namespace support
