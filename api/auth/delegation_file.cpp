#include "api/auth/delegation_file.hpp"

#include "api/config.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace millrace::api {

namespace json = boost::json;

namespace {

constexpr std::string_view kRemedy = "make one with: millrace keys delegate --out FILE";

std::string read(const std::string& setting, const std::string& path) {
    std::error_code unknown;
    if (!std::filesystem::exists(path, unknown) && !unknown)
        throw ConfigError(fmt::format("{}: there is no file {}; {}", setting, path, kRemedy));
    std::ifstream file(path);
    std::stringstream text;
    if (file) text << file.rdbuf();
    if (!file)
        throw ConfigError(
            fmt::format("{}: cannot read {}: {}", setting, path, std::strerror(errno)));
    return text.str();
}

}  // namespace

json::object read_delegation_file(const std::string& setting, const std::string& path) {
    json::error_code error;
    const auto parsed = json::parse(read(setting, path), error);
    const auto* found = error ? nullptr : parsed.if_object();
    const auto text_in = [&](std::string_view name) {
        const auto* value = found ? found->if_contains(name) : nullptr;
        if (!value || !value->is_string())
            throw ConfigError(fmt::format("{}: {} is no delegation; {}", setting, path, kRemedy));
        return *value;
    };
    return {{"message", text_in("message")}, {"signature", text_in("signature")}};
}

}  // namespace millrace::api
