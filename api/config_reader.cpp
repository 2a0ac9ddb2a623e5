#include "api/config_reader.hpp"

#include "api/config.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

namespace millrace::api {
namespace {

std::string upper(std::string_view text) {
    std::string raised;
    for (const char letter : text)
        raised += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    return raised;
}

std::optional<std::uint64_t> parse_integer(std::string_view text) {
    std::uint64_t value = 0;
    const auto* end = text.data() + text.size();
    const auto [stopped, failure] = std::from_chars(text.data(), end, value);
    if (failure != std::errc{} || stopped != end) return std::nullopt;
    return value;
}

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto part = text.substr(0, text.find(','));
        if (!part.empty()) parts.emplace_back(part);
        text.remove_prefix(std::min(text.size(), part.size() + 1));
    }
    return parts;
}

}  // namespace

ConfigSection::ConfigSection(const toml::table* table, std::string name,
                             const Environment* environment, ConfigProblems& problems)
    : table_(table), name_(std::move(name)), environment_(environment), problems_(problems) {}

std::string ConfigSection::variable(std::string_view key) const {
    return "MILLRACE_" + upper(name_) + "__" + upper(key);
}

std::optional<std::string> ConfigSection::override_of(std::string_view key) {
    asked_.emplace(key);
    if (!environment_) return std::nullopt;
    const auto found = environment_->find(variable(key));
    if (found == environment_->end()) return std::nullopt;
    overrides_.insert(found->first);
    return found->second;
}

const toml::node* ConfigSection::find(std::string_view key) {
    asked_.emplace(key);
    return table_ ? table_->get(key) : nullptr;
}

bool ConfigSection::has(std::string_view key) const {
    return (table_ && table_->contains(key)) ||
           (environment_ && environment_->contains(variable(key)));
}

std::string ConfigSection::where(std::string_view key) const {
    const auto option = problems_.options.find(variable(key));
    if (option != problems_.options.end()) return option->second;
    if (environment_ && environment_->contains(variable(key)))
        return "environment: " + variable(key);
    const auto* node = table_ ? table_->get(key) : nullptr;
    const auto line = node ? node->source().begin.line : table_ ? table_->source().begin.line : 0;
    const auto place = line ? fmt::format("{}:{}", problems_.file, line) : problems_.file;
    return fmt::format("{}: {}.{}", place, name_, key);
}

void ConfigSection::problem(std::string_view key, const std::string& what) {
    problems_.lines.push_back(fmt::format("{}: {}", where(key), what));
}

std::optional<std::string> ConfigSection::string(std::string_view key) {
    if (auto given = override_of(key)) return given;
    const auto* node = find(key);
    if (!node) return std::nullopt;
    if (const auto* value = node->as_string()) return value->get();
    problem(key, "has to be text in quotation marks");
    return std::nullopt;
}

std::optional<std::uint64_t> ConfigSection::integer(std::string_view key, std::uint64_t least,
                                                    std::uint64_t most) {
    std::optional<std::uint64_t> value;
    if (const auto given = override_of(key)) {
        value = parse_integer(*given);
    } else {
        const auto* node = find(key);
        if (!node) return std::nullopt;
        if (const auto* number = node->as_integer(); number && number->get() >= 0)
            value = static_cast<std::uint64_t>(number->get());
    }
    if (value && *value >= least && *value <= most) return value;
    problem(key, fmt::format("has to be a whole number from {} to {}, without quotation marks",
                             least, most));
    return std::nullopt;
}

void ConfigSection::text(std::string_view key, std::string& out) {
    if (auto given = string(key)) out = std::move(*given);
}

void ConfigSection::texts(std::string_view key, std::vector<std::string>& out) {
    if (const auto given = override_of(key)) {
        out = split(*given);
        return;
    }
    const auto* node = find(key);
    if (!node) return;
    const auto* array = node->as_array();
    if (!array || !(array->empty() || array->is_homogeneous<std::string>())) {
        problem(key, R"(has to be a list of texts, such as ["…", "…"])");
        return;
    }
    out.clear();
    for (const auto& item : *array) out.push_back(item.as_string()->get());
}

void ConfigSection::flag(std::string_view key, bool& out) {
    std::optional<bool> value;
    if (const auto given = override_of(key)) {
        if (*given == "true" || *given == "false") value = *given == "true";
    } else {
        const auto* node = find(key);
        if (!node) return;
        if (const auto* boolean = node->as_boolean()) value = boolean->get();
    }
    if (value)
        out = *value;
    else
        problem(key, "has to be true or false, without quotation marks");
}

void ConfigSection::word(std::string_view key, std::string& out,
                         const std::vector<std::string>& words) {
    auto given = string(key);
    if (!given) return;
    if (std::find(words.begin(), words.end(), *given) != words.end())
        out = std::move(*given);
    else
        problem(key, fmt::format("has to be one of: {}", fmt::join(words, ", ")));
}

void ConfigSection::finish(const std::vector<std::string>& other_keys) {
    if (!table_) return;
    for (const auto& [key, node] : *table_) {
        const std::string name(key.str());
        if (asked_.contains(name) ||
            std::find(other_keys.begin(), other_keys.end(), name) != other_keys.end())
            continue;
        std::vector<std::string> known(asked_.begin(), asked_.end());
        known.insert(known.end(), other_keys.begin(), other_keys.end());
        problems_.lines.push_back(
            fmt::format("{}:{}: {}.{}: there is no such key; keys of {} are: {}", problems_.file,
                        key.source().begin.line, name_, name, name_, fmt::join(known, ", ")));
    }
}

toml::table parse_toml(std::string_view text, const std::string& file) {
    try {
        return toml::parse(text, file);
    } catch (const toml::parse_error& error) {
        throw ConfigError(fmt::format("{}:{}: not TOML: {}", file, error.source().begin.line,
                                      error.description()));
    }
}

std::string read_config_file(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    if (file) text << file.rdbuf();
    if (!file)
        throw ConfigError(fmt::format("{}: cannot be read ({}); name another file with --config",
                                      path, std::strerror(errno)));
    return text.str();
}

Environment environment_of_process(bool (*is_wanted)(std::string_view name)) {
    Environment found;
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view text(*entry);
        const auto equals = text.find('=');
        if (equals == std::string_view::npos || !is_wanted(text.substr(0, equals))) continue;
        found.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return found;
}

}  // namespace millrace::api
