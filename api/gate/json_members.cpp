#include "api/gate/json_members.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

namespace millrace::api::gate {

std::optional<std::vector<JsonMember>> members_of(std::string_view json) {
    namespace ondemand = simdjson::ondemand;
    const simdjson::padded_string padded(json);
    ondemand::parser parser;
    ondemand::document document;
    ondemand::object object;
    if (parser.iterate(padded).get(document) || document.get_object().get(object))
        return std::nullopt;
    std::vector<JsonMember> members;
    for (auto one : object) {
        ondemand::raw_json_string key;
        ondemand::value value;
        std::string_view raw;
        if (one.key().get(key) || one.value().get(value)) return std::nullopt;
        if (simdjson::to_json_string(value).get(raw)) return std::nullopt;
        const auto name = static_cast<std::size_t>(key.raw() - padded.data());
        auto end = name;
        while (json[end] != '"') end += json[end] == '\\' ? 2 : 1;
        members.push_back({json.substr(name, end - name),
                           static_cast<std::size_t>(raw.data() - padded.data()), raw.size()});
    }
    return members;
}

std::string with_values(std::string_view json, const std::vector<JsonMember>& members,
                        const JsonValues& values) {
    const auto place_of = [&](std::string_view name) {
        return std::find_if(members.begin(), members.end(),
                            [&](const JsonMember& member) { return member.name == name; });
    };
    const auto opened = json.find('{') + 1;
    std::string out(json.substr(0, opened));
    std::vector<std::pair<JsonMember, std::string_view>> replaced;
    bool is_first = true;
    for (const auto& [name, value] : values) {
        const auto found = place_of(name);
        if (found != members.end()) {
            replaced.emplace_back(*found, value);
            continue;
        }
        out += fmt::format(R"({}"{}":{})", is_first ? "" : ",", name, value);
        is_first = false;
    }
    if (!is_first && !members.empty()) out += ',';
    std::sort(replaced.begin(), replaced.end(), [](const auto& one, const auto& other) {
        return one.first.begin < other.first.begin;
    });
    auto copied = opened;
    for (const auto& [member, value] : replaced) {
        (out += json.substr(copied, member.begin - copied)) += value;
        copied = member.begin + member.size;
    }
    return out += json.substr(copied);
}

}  // namespace millrace::api::gate
