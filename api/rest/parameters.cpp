#include "api/rest/parameters.hpp"

#include "api/rest/problems.hpp"
#include "channel/amount.hpp"
#include "channel/hex.hpp"

#include <algorithm>
#include <chrono>

namespace millrace::api::rest {
namespace {

constexpr std::uint64_t kSeqMax = INT64_MAX;
constexpr std::uint64_t kLegMax = INT16_MAX;
constexpr std::string_view kDecimal = "Expected a decimal number from 0 to 9223372036854775807.";
constexpr std::string_view kLimit = "Expected a whole number from 1 to 1000.";
constexpr std::string_view kChannel = "Expected a channel id: 0x and 64 hex digits.";
constexpr std::string_view kAccount =
    "Expected an account id: <chain id>:<token>:<kind>, and :<owner> for channel, earned, held and "
    "claimed.";
constexpr std::string_view kMoment =
    "Expected a seq, or an RFC 3339 time such as 2026-01-02T12:00:00Z.";
constexpr std::string_view kPosting = "Expected a seq and the number of a leg, such as 17:0.";

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
    const auto amount = channel::parse_amount(text);
    if (!amount || amount->units() > kSeqMax) return std::nullopt;
    return static_cast<std::uint64_t>(amount->units());
}

/// So many digits off the front of `text`, or nothing.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
    if (text.size() < count) return std::nullopt;
    int value = 0;
    for (const char digit : text.substr(0, count)) {
        if (digit < '0' || digit > '9') return std::nullopt;
        value = value * 10 + (digit - '0');
    }
    text.remove_prefix(count);
    return value;
}

bool take(std::string_view& text, std::string_view letters) {
    if (text.empty() || letters.find(text.front()) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
}

/// The digits of a fraction of a second, cut to microseconds.
std::optional<int> take_fraction(std::string_view& text) {
    if (!take(text, ".")) return 0;
    int micros = 0;
    int scale = 100'000;
    const auto length = text.size();
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        micros += (text.front() - '0') * scale;
        scale /= 10;
        text.remove_prefix(1);
    }
    if (text.size() == length) return std::nullopt;
    return micros;
}

/// "Z" or "+01:00", as minutes; a "+" that was not escaped in a query has become a space.
std::optional<int> take_offset(std::string_view& text) {
    if (take(text, "Zz")) return 0;
    const bool behind = text.starts_with('-');
    if (!take(text, "+- ")) return std::nullopt;
    const auto hours = take_digits(text, 2);
    if (!hours || !take(text, ":")) return std::nullopt;
    const auto minutes = take_digits(text, 2);
    if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    return (behind ? -1 : 1) * (*hours * 60 + *minutes);
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text) {
    const auto year = take_digits(text, 4);
    if (!year || !take(text, "-")) return std::nullopt;
    const auto month = take_digits(text, 2);
    if (!month || !take(text, "-")) return std::nullopt;
    const auto day = take_digits(text, 2);
    if (!day) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{*year},
                                           std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days{date};
}

std::optional<std::chrono::seconds> take_clock(std::string_view& text) {
    const auto hours = take_digits(text, 2);
    if (!hours || !take(text, ":")) return std::nullopt;
    const auto minutes = take_digits(text, 2);
    if (!minutes || !take(text, ":")) return std::nullopt;
    const auto seconds = take_digits(text, 2);
    if (!seconds || *hours > 23 || *minutes > 59 || *seconds > 59) return std::nullopt;
    return std::chrono::hours{*hours} + std::chrono::minutes{*minutes} +
           std::chrono::seconds{*seconds};
}

}  // namespace

std::optional<ledger::Time> parse_rfc3339(std::string_view text) {
    const auto date = take_date(text);
    if (!date || !take(text, "Tt ")) return std::nullopt;
    const auto clock = take_clock(text);
    if (!clock) return std::nullopt;
    const auto micros = take_fraction(text);
    if (!micros) return std::nullopt;
    const auto offset = take_offset(text);
    if (!offset || !text.empty()) return std::nullopt;
    return *date + *clock + std::chrono::microseconds{*micros} - std::chrono::minutes{*offset};
}

const std::string* Parameters::find(std::string_view key) const {
    const auto found = query_.find(std::string(key));
    return found == query_.end() ? nullptr : &found->second;
}

void Parameters::fail(std::string_view field, std::string_view expected) {
    if (!failed()) answer_ = bad_parameter(field, expected);
}

std::size_t Parameters::limit() {
    const auto* given = find("limit");
    if (!given) return kPageSize;
    const auto value = parse_decimal(*given);
    if (!value || *value < 1 || *value > kPageSizeMax) fail("limit", kLimit);
    return failed() ? kPageSize : *value;
}

std::uint64_t Parameters::seq(std::string_view key) {
    const auto* given = find(key);
    if (!given) return 0;
    const auto value = parse_decimal(*given);
    if (!value) fail(key, kDecimal);
    return value.value_or(0);
}

std::optional<channel::ChannelId> Parameters::channel(std::string_view key) {
    const auto* given = find(key);
    if (!given) return std::nullopt;
    const auto id = channel::parse_fixed<channel::ChannelId>(*given);
    if (!id) fail(key, kChannel);
    return id ? std::optional(*id) : std::nullopt;
}

std::optional<ledger::AccountId> Parameters::account(std::string_view key) {
    const auto* given = find(key);
    if (!given) return std::nullopt;
    const auto id = ledger::parse_account_id(*given);
    if (!id) fail(key, kAccount);
    return id ? std::optional(*id) : std::nullopt;
}

std::optional<ledger::Moment> Parameters::moment(std::string_view key) {
    const auto* given = find(key);
    if (!given) return std::nullopt;
    if (const auto number = parse_decimal(*given)) return ledger::Moment{*number};
    if (const auto time = parse_rfc3339(*given)) return ledger::Moment{*time};
    fail(key, kMoment);
    return std::nullopt;
}

std::optional<ledger::PostingKey> Parameters::posting(std::string_view key) {
    const auto* given = find(key);
    if (!given) return std::nullopt;
    const std::string_view text = *given;
    const auto colon = std::min(text.find(':'), text.size());
    const auto seq = parse_decimal(text.substr(0, colon));
    const auto leg = parse_decimal(text.substr(std::min(colon + 1, text.size())));
    if (seq && leg && *leg <= kLegMax)
        return ledger::PostingKey{*seq, static_cast<std::int32_t>(*leg)};
    fail(key, kPosting);
    return std::nullopt;
}

channel::ChannelId Parameters::channel_in_path(std::string_view segment) {
    const auto id = channel::parse_fixed<channel::ChannelId>(segment);
    if (!id) fail("id", kChannel);
    return id ? *id : channel::ChannelId{};
}

ledger::AccountId Parameters::account_in_path(std::string_view segment) {
    const auto id = ledger::parse_account_id(segment);
    if (!id) fail("id", kAccount);
    return id ? *id : ledger::AccountId{};
}

std::uint64_t Parameters::seq_in_path(std::string_view segment) {
    const auto value = parse_decimal(segment);
    if (!value) fail("seq", kDecimal);
    return value.value_or(0);
}

}  // namespace millrace::api::rest
