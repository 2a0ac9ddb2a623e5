// Rules of the tree that neither the compiler nor the linker keeps.
#include <catch2/catch.hpp>

#include <array>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = MILLRACE_SOURCE_DIR;

struct Source {
    std::string path;
    std::vector<std::string> lines;
};

bool is_ours(const fs::path& path) {
    for (const auto& part : path)
        if (part == "node_modules" || part == "out" || part == "build") return false;
    return path.extension() == ".cpp" || path.extension() == ".hpp";
}

std::vector<Source> sources(const std::vector<std::string>& folders) {
    std::vector<Source> found;
    for (const auto& folder : folders) {
        for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
            if (!entry.is_regular_file() || !is_ours(fs::relative(entry.path(), kRoot))) continue;
            Source source{fs::relative(entry.path(), kRoot).string(), {}};
            std::ifstream file(entry.path());
            for (std::string line; std::getline(file, line);) source.lines.push_back(line);
            found.push_back(std::move(source));
        }
    }
    return found;
}

std::string without_comment(const std::string& line) {
    const auto at = line.find("//");
    return at == std::string::npos ? line : line.substr(0, at);
}

/// "file:line: text" of each line of code that matches.
std::vector<std::string> matches(const std::vector<std::string>& folders,
                                 const std::string& pattern) {
    const std::regex expression(pattern);
    std::vector<std::string> hits;
    for (const auto& source : sources(folders)) {
        for (std::size_t at = 0; at < source.lines.size(); ++at) {
            if (std::regex_search(without_comment(source.lines[at]), expression))
                hits.push_back(source.path + ":" + std::to_string(at + 1) + ": " +
                               source.lines[at]);
        }
    }
    return hits;
}

const std::vector<std::string> kNothing;

}  // namespace

TEST_CASE("tidy: the scan sees the sources at all") {
    CHECK(sources({"channel"}).size() > 10);
    CHECK(sources({"ledger"}).size() > 10);
    CHECK(matches({"channel"}, "^namespace millrace::channel").size() > 10);
}

TEST_CASE("tidy: includes point from api to ledger to channel, never back") {
    CHECK(matches({"channel"}, "#include \"(ledger|api|tests)/") == kNothing);
    CHECK(matches({"ledger"}, "#include \"(api|tests)/") == kNothing);
    CHECK(matches({"api"}, "#include \"tests/") == kNothing);
}

TEST_CASE("tidy: channel decides without I/O, clock, randomness, log, coroutine or exception") {
    CHECK(matches({"channel"},
                  "#include <(pqxx|spdlog|boost/asio|boost/beast|random|chrono|thread|"
                  "mutex|fstream|iostream|cstdio)") == kNothing);
    CHECK(matches({"channel"}, "\\b(co_await|co_return|throw|try|catch|now\\(|getenv)\\b") ==
          kNothing);
}

TEST_CASE("tidy: ledger records without Asio, coroutine, log or clock") {
    CHECK(matches({"ledger"}, "#include <(spdlog|boost/asio|boost/beast|random)") == kNothing);
    CHECK(matches({"ledger"}, "\\bco_(await|return|yield)\\b|_clock::now|getenv") == kNothing);
}

TEST_CASE("tidy: api has no SQL") {
    CHECK(matches({"api"}, "\"\\s*(select|insert into|update|delete from) [a-z_]+") == kNothing);
    CHECK(matches({"api"}, "\\bexec(_params|_prepared)?[01]?\\(\"") == kNothing);
}

TEST_CASE("tidy: Beast is seen by connections and clients alone") {
    const std::set<std::string> allowed{"api/asio.cpp",
                                        "api/chain/rpc_client.cpp",
                                        "api/cli/bench/load_connection.cpp",
                                        "api/cli/http_client.cpp",
                                        "api/cli/stream_client.cpp",
                                        "api/coalescing_stream.hpp",
                                        "api/connection.cpp",
                                        "api/connection_stream.cpp",
                                        "api/connection_stream.hpp",
                                        "api/gate/connection.cpp",
                                        "api/gate/service_wire.cpp",
                                        "api/gate/upstream.cpp"};
    std::set<std::string> others;
    for (const auto& hit : matches({"api"}, "#include <boost/beast")) {
        const auto path = hit.substr(0, hit.find(':'));
        if (!allowed.contains(path)) others.insert(path);
    }
    CHECK(others == std::set<std::string>{});
}

TEST_CASE("tidy: money is never floating point") {
    CHECK(matches({"channel"}, "\\b(double|float)\\b") == kNothing);
    CHECK(matches({"ledger"}, "\\b(double|float)\\b") == kNothing);
}

TEST_CASE("tidy: no sleep in a test, no detached work, no namespace poured into a header") {
    CHECK(matches({"tests"}, "[s]leep_for|[s]leep_until|\\b[s]leep\\(") == kNothing);
    CHECK(matches({"api"}, "asio::detached") == kNothing);
    // GCC 12 destroys the temporaries of such an expression twice.
    CHECK(matches({"api"}, "[?:] co_await") == kNothing);
    std::vector<std::string> poured;
    for (const auto& hit : matches({"channel", "ledger", "api"}, "^using namespace"))
        if (hit.find(".hpp:") != std::string::npos) poured.push_back(hit);
    CHECK(poured == kNothing);
}

TEST_CASE("tidy: headers are guarded and short, sources are short, lines fit") {
    std::vector<std::string> broken;
    for (const auto& source : sources({"channel", "ledger", "api"})) {
        const bool header = source.path.ends_with(".hpp");
        const std::size_t most = header ? 250 : 500;
        if (source.lines.size() > most)
            broken.push_back(source.path + " has " + std::to_string(source.lines.size()) +
                             " lines");
        if (header && (source.lines.empty() || source.lines.front() != "#pragma once"))
            broken.push_back(source.path + " does not begin with #pragma once");
        for (std::size_t at = 0; at < source.lines.size(); ++at)
            if (source.lines[at].size() > 120)
                broken.push_back(source.path + ":" + std::to_string(at + 1) + " is too long");
    }
    CHECK(broken == kNothing);
}

TEST_CASE("tidy: the top level holds what it should and nothing else") {
    const std::set<std::string> allowed{"CMakeLists.txt",
                                        "CMakePresets.json",
                                        "channel",
                                        "ledger",
                                        "api",
                                        "migrations",
                                        "tests",
                                        "config",
                                        "README.md",
                                        "LICENSE",
                                        "ARCHITECTURE.md",
                                        "CONTRIBUTING.md",
                                        "SECURITY.md",
                                        "dev",
                                        "build"};
    std::vector<std::string> strays;
    for (const auto& entry : fs::directory_iterator(kRoot)) {
        const auto name = entry.path().filename().string();
        if (!name.starts_with(".") && !allowed.contains(name)) strays.push_back(name);
    }
    CHECK(strays == kNothing);
}
