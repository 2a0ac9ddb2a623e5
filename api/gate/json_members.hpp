#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::api::gate {

/// A member of a JSON object, and where its value stands in the object's text.
struct JsonMember {
    /// As it is written, without the quotes: escapes stay.
    std::string_view name;
    std::size_t begin = 0;
    std::size_t size = 0;
};

/// The members of an object in their order; nothing where `json` is no object. The names are views
/// of `json`, which has to be valid.
std::optional<std::vector<JsonMember>> members_of(std::string_view json);

/// Names and the JSON of their values.
using JsonValues = std::vector<std::pair<std::string_view, std::string>>;

/// The object with these values: in the place of the members of that name where there are, else in
/// front of all others. The rest stays, byte by byte. `members` are those of `json`, each once.
std::string with_values(std::string_view json, const std::vector<JsonMember>& members,
                        const JsonValues& values);

}  // namespace millrace::api::gate
