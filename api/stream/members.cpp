#include "api/stream/members.hpp"

#include "channel/address.hpp"

#include <algorithm>
#include <charconv>

namespace millrace::api::stream {
namespace {

/// A longer key of the request is not repeated in an error.
constexpr std::size_t kNamedKeyLengthMax = 64;

std::optional<std::uint64_t> whole_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool has_control_characters(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

Members::Members(std::optional<Json> object, std::string path,
                 std::optional<Failure>& first_failure)
    : object_(object), path_(std::move(path)), failure_(&first_failure) {}

bool Members::has(std::string_view key) const {
    return value(key).has_value();
}

std::optional<Json> Members::value(std::string_view key) const {
    return object_ ? object_->member(key) : std::nullopt;
}

std::string Members::field(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void Members::fail(Failure failure) {
    if (!failed()) *failure_ = std::move(failure);
}

void Members::fail(std::string_view key, const boost::system::error_code& error) {
    const auto why = static_cast<channel::Error>(error.value());
    auto limit = why == channel::Error::amount_out_of_range
                     ? channel::to_string(channel::Amount::max())
                     : std::string{};
    fail(bad_param(field(key), why, std::move(limit)));
}

std::optional<Json> Members::expect(std::string_view key, Json::Kind kind,
                                    std::string_view message) {
    const auto found = value(key);
    if (!found)
        fail(bad_param(field(key), "This parameter is missing."));
    else if (!found->is(kind))
        fail(bad_param(field(key), message));
    return failed() ? std::nullopt : found;
}

std::string_view Members::text(std::string_view key) {
    const auto found = expect(key, Json::Kind::string, "Expected a string, in quotes.");
    return found ? found->text() : std::string_view{};
}

std::string Members::optional_text(std::string_view key, std::size_t length_max) {
    if (!has(key)) return {};
    const auto given = text(key);
    if (given.size() > length_max)
        fail(bad_param(field(key), "The text is too long.", std::to_string(length_max)));
    if (has_control_characters(given))
        fail(bad_param(field(key), "The text has control characters in it."));
    return failed() ? std::string{} : std::string(given);
}

channel::Amount Members::amount(std::string_view key) {
    const auto given = text(key);
    if (failed()) return {};
    const auto parsed = channel::parse_amount(given);
    if (!parsed) fail(key, parsed.error());
    return parsed ? *parsed : channel::Amount{};
}

channel::Amount Members::positive_amount(std::string_view key) {
    const auto given = amount(key);
    if (!failed() && given.is_zero())
        fail(bad_param(field(key), "The amount must be at least the limit.", "1"));
    return given;
}

channel::Address Members::address(std::string_view key) {
    const auto given = text(key);
    if (failed()) return {};
    const auto parsed = channel::parse_address(given);
    if (!parsed) fail(key, parsed.error());
    return parsed ? *parsed : channel::Address{};
}

std::uint64_t Members::number(std::string_view key) {
    const auto found = expect(key, Json::Kind::number, "Expected a number, without quotes.");
    if (!found) return 0;
    const auto whole = whole_number(found->text());
    if (!whole)
        fail(bad_param(field(key), "Expected a whole number from 0 to the limit.",
                       std::to_string(UINT64_MAX)));
    return whole.value_or(0);
}

bool Members::boolean(std::string_view key, bool when_missing) {
    if (!has(key)) return when_missing;
    const auto found = expect(key, Json::Kind::boolean, "Expected true or false.");
    return found && found->text() == "true";
}

std::uint64_t Members::decimal(std::string_view key) {
    const auto given = text(key);
    if (failed()) return 0;
    const auto whole = channel::parse_amount(given) ? whole_number(given) : std::nullopt;
    if (!whole)
        fail(bad_param(field(key), "Expected a decimal string from 0 to the limit.",
                       std::to_string(UINT64_MAX)));
    return whole.value_or(0);
}

Members Members::object(std::string_view key) {
    return {expect(key, Json::Kind::object, "Expected an object."), field(key), *failure_};
}

void Members::refuse_others(std::initializer_list<std::string_view> known) {
    if (!object_) return;
    for (const auto member : *object_) {
        if (std::find(known.begin(), known.end(), member.key()) != known.end()) continue;
        const bool nameable = member.key().size() <= kNamedKeyLengthMax;
        fail(bad_param(nameable ? field(member.key()) : path_, "Not a member of what is signed."));
    }
}

}  // namespace millrace::api::stream
