#pragma once

#include "api/stream/failure.hpp"
#include "api/stream/json.hpp"
#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/hex.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::api::stream {

/// Reads the members of one object of the parameters. The first thing that is wrong is kept in the
/// slot shared by all objects of a request; from then on every read gives a value that means
/// nothing.
class Members {
public:
    /// `object` may be nothing: then every member is missing.
    Members(std::optional<Json> object, std::string path, std::optional<Failure>& first_failure);

    bool has(std::string_view key) const;
    /// "path.key".
    std::string field(std::string_view key) const;
    void fail(Failure failure);
    bool failed() const { return failure_->has_value(); }

    /// A string; refused when it is missing or something else.
    std::string_view text(std::string_view key);
    /// A string of at most `length_max` bytes without control characters; empty when missing.
    std::string optional_text(std::string_view key, std::size_t length_max);
    channel::Amount amount(std::string_view key);
    /// As `amount`, and not zero.
    channel::Amount positive_amount(std::string_view key);
    channel::Address address(std::string_view key);
    template <class Fixed>
    Fixed fixed(std::string_view key) {
        const auto given = text(key);
        if (failed()) return {};
        const auto parsed = channel::parse_fixed<Fixed>(given);
        if (!parsed) fail(key, parsed.error());
        return parsed ? *parsed : Fixed{};
    }
    /// A whole number that is one in JSON too.
    std::uint64_t number(std::string_view key);
    bool boolean(std::string_view key, bool when_missing);
    /// A decimal string of 64 bits.
    std::uint64_t decimal(std::string_view key);
    Members object(std::string_view key);

    /// Anything at all that is there.
    std::optional<Json> value(std::string_view key) const;
    void fail(std::string_view key, const boost::system::error_code& error);
    /// For objects that are signed: a member that the signature does not cover is refused.
    void refuse_others(std::initializer_list<std::string_view> known);

private:
    std::optional<Json> expect(std::string_view key, Json::Kind kind, std::string_view message);

    std::optional<Json> object_;
    std::string path_;
    std::optional<Failure>* failure_;
};

}  // namespace millrace::api::stream
