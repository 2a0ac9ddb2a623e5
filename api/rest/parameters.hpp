#pragma once

#include "api/http.hpp"
#include "channel/bytes.hpp"
#include "ledger/account_reader.hpp"
#include "ledger/audit/statement_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::api::rest {

inline constexpr std::size_t kPageSize = 100;
inline constexpr std::size_t kPageSizeMax = 1000;

/// Reads query parameters and path segments. The first that will not do is kept as the answer; what
/// is read from then on means nothing. Parameters that nobody asks for are ignored.
class Parameters {
public:
    explicit Parameters(const HttpRequest& request) : query_(request.query) {}

    /// `limit`: 1 to kPageSizeMax, kPageSize when absent.
    std::size_t limit();
    /// A decimal number of 64 bits; 0 when absent.
    std::uint64_t seq(std::string_view key);
    std::optional<channel::ChannelId> channel(std::string_view key);
    std::optional<ledger::AccountId> account(std::string_view key);
    /// A seq or an RFC 3339 time.
    std::optional<ledger::Moment> moment(std::string_view key);
    /// "seq:leg".
    std::optional<ledger::PostingKey> posting(std::string_view key);

    channel::ChannelId channel_in_path(std::string_view segment);
    ledger::AccountId account_in_path(std::string_view segment);
    std::uint64_t seq_in_path(std::string_view segment);

    bool failed() const { return answer_.has_value(); }
    const HttpResponse& answer() const { return *answer_; }

private:
    const std::string* find(std::string_view key) const;
    void fail(std::string_view field, std::string_view expected);

    const std::map<std::string, std::string>& query_;
    std::optional<HttpResponse> answer_;
};

/// RFC 3339 with "Z" or an offset, to the microsecond; nothing for other text.
std::optional<ledger::Time> parse_rfc3339(std::string_view text);

}  // namespace millrace::api::rest
