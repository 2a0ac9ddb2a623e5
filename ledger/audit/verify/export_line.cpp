#include "ledger/audit/verify/export_line.hpp"

namespace millrace::ledger {
namespace {

boost::json::value parsed(std::string_view text) {
    boost::json::error_code error;
    auto value = boost::json::parse(
        text, error, boost::json::make_shared_resource<boost::json::monotonic_resource>());
    if (error || !value.is_object())
        broken("format", "", "", "the line is no JSON object: " + std::string(text.substr(0, 80)));
    return value;
}

}  // namespace

ExportLine::ExportLine(std::string_view text) : value_(parsed(text)) {}

void Fields::malformed(std::string_view name) const {
    broken("format", "", std::string(name),
           "the member " + std::string(name) +
               " is missing or malformed in: " + boost::json::serialize(object_).substr(0, 200));
}

std::string_view Fields::text(std::string_view name) const {
    const auto found = optional_text(name);
    if (!found) malformed(name);
    return *found;
}

std::optional<std::string_view> Fields::optional_text(std::string_view name) const {
    const auto* value = object_.if_contains(name);
    if (!value) return std::nullopt;
    if (!value->is_string()) malformed(name);
    const auto& string = value->get_string();
    return std::string_view(string.data(), string.size());
}

channel::Amount Fields::amount(std::string_view name) const {
    const auto value = channel::parse_amount(text(name));
    if (!value) malformed(name);
    return *value;
}

std::optional<channel::Amount> Fields::optional_amount(std::string_view name) const {
    if (!has(name)) return std::nullopt;
    return amount(name);
}

std::uint64_t Fields::number(std::string_view name) const {
    const auto value = amount(name).units();
    if (value > INT64_MAX) malformed(name);
    return static_cast<std::uint64_t>(value);
}

std::optional<std::uint64_t> Fields::optional_number(std::string_view name) const {
    if (!has(name)) return std::nullopt;
    return number(name);
}

std::uint64_t Fields::json_number(std::string_view name) const {
    const auto* value = object_.if_contains(name);
    if (!value) malformed(name);
    if (value->is_uint64()) return value->get_uint64();
    if (!value->is_int64() || value->get_int64() < 0) malformed(name);
    return static_cast<std::uint64_t>(value->get_int64());
}

channel::Bytes Fields::bytes(std::string_view name) const {
    auto value = channel::parse_hex(text(name));
    if (!value) malformed(name);
    return std::move(*value);
}

Fields Fields::object(std::string_view name) const {
    const auto* value = object_.if_contains(name);
    if (!value || !value->is_object()) malformed(name);
    return Fields(value->get_object());
}

std::vector<Fields> Fields::list(std::string_view name) const {
    std::vector<Fields> items;
    const auto* value = object_.if_contains(name);
    if (!value) return items;
    if (!value->is_array() || value->get_array().empty()) malformed(name);
    for (const auto& item : value->get_array()) {
        if (!item.is_object()) malformed(name);
        items.emplace_back(item.get_object());
    }
    return items;
}

}  // namespace millrace::ledger
