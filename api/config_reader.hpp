#pragma once

#include "channel/result.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace toml {
inline namespace v3 {
class node;
class table;
}  // namespace v3
}  // namespace toml

namespace millrace::api {

using Environment = std::map<std::string, std::string>;

/// Throws ConfigError, with the line.
toml::table parse_toml(std::string_view text, const std::string& file);
/// What the file says. Throws ConfigError.
std::string read_config_file(const std::string& path);
/// The variables of this process whose name `is_wanted`.
Environment environment_of_process(bool (*is_wanted)(std::string_view name));

/// All that is wrong with a configuration, so that it can be said at once.
struct ConfigProblems {
    std::string file;
    std::vector<std::string> lines;
    /// Overrides that the command line gave, by the name that the environment has for them: the
    /// option to blame.
    std::map<std::string, std::string> options{};
};

/// The keys of one table. Each reader leaves `out` alone when the key is absent, and notes a
/// problem, with file, line, key and remedy, when its value will not do.
class ConfigSection {
public:
    /// `table` may be null. A named section takes overrides from the environment: key `port` of
    /// section `server` from MILLRACE_SERVER__PORT.
    ConfigSection(const toml::table* table, std::string name, const Environment* environment,
                  ConfigProblems& problems);

    void text(std::string_view key, std::string& out);
    /// "…" or an array of them; from the environment, separated by commas.
    void texts(std::string_view key, std::vector<std::string>& out);
    void flag(std::string_view key, bool& out);

    template <class Int>
    void number(std::string_view key, Int& out, std::uint64_t least, std::uint64_t most) {
        if (const auto value = integer(key, least, most)) out = static_cast<Int>(*value);
    }
    /// Milliseconds or seconds, as the type of `out` has it.
    template <class Period>
    void duration(std::string_view key, std::chrono::duration<std::int64_t, Period>& out,
                  std::uint64_t least, std::uint64_t most) {
        if (const auto value = integer(key, least, most))
            out = std::chrono::duration<std::int64_t, Period>(static_cast<std::int64_t>(*value));
    }
    /// Text that `parse` takes; `expected` says what that is.
    template <class Value>
    void parsed(std::string_view key, Value& out, channel::Result<Value> (*parse)(std::string_view),
                std::string_view expected) {
        const auto given = string(key);
        if (!given) return;
        if (const auto value = parse(*given))
            out = *value;
        else
            problem(key, "has to be " + std::string(expected));
    }
    /// One of these words.
    void word(std::string_view key, std::string& out, const std::vector<std::string>& words);

    bool has(std::string_view key) const;
    /// Notes a problem of this key, at its line.
    void problem(std::string_view key, const std::string& what);
    /// Notes the keys that nobody asked for. Call once, at the end.
    void finish(const std::vector<std::string>& other_keys = {});
    /// Names of overrides that were there and belong to this section.
    const std::set<std::string>& overrides() const { return overrides_; }

private:
    std::optional<std::string> string(std::string_view key);
    std::optional<std::uint64_t> integer(std::string_view key, std::uint64_t least,
                                         std::uint64_t most);
    const toml::node* find(std::string_view key);
    std::optional<std::string> override_of(std::string_view key);
    std::string variable(std::string_view key) const;
    std::string where(std::string_view key) const;

    const toml::table* table_;
    std::string name_;
    const Environment* environment_;
    ConfigProblems& problems_;
    std::set<std::string, std::less<>> asked_;
    std::set<std::string> overrides_;
};

}  // namespace millrace::api
