#pragma once

#include "api/rest/context.hpp"
#include "ledger/channel_reader.hpp"

#include <optional>

namespace millrace::api::rest {

/// The contract of a network that is no longer configured is not known, and so its channels cannot
/// be described.
bool is_served(const RestContext& context, const ledger::ChannelRecord& record);

/// Why a channel cannot be shown to somebody, if so: it is not there, or is none of theirs.
std::optional<HttpResponse> hidden(const RestContext& context, const Principal& principal,
                                   const std::optional<ledger::ChannelRecord>& record);

}  // namespace millrace::api::rest
