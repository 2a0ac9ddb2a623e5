#pragma once

#include "api/services.hpp"
#include "api/stream/call.hpp"
#include "api/stream/reply.hpp"
#include "api/task.hpp"

namespace millrace::api::stream {

/// Who asks. What acts for an address by a delegation has a provider's part in a channel, and no
/// payer's, even where the address has that.
struct Party {
    channel::Address address;
    bool is_delegate = false;
};

// Methods that have to ask the database or the chain. `services` outlives the I/O threads. Database
// failures are thrown, as pqxx::failure.

Task<Reply> open_channel(const Services& services, channel::Address caller, OpenAChannel asked);
Task<Reply> top_up(const Services& services, channel::Address caller, TopUp asked);
Task<Reply> get_channel(const Services& services, Party party, GetChannel asked);
Task<Reply> list_channels(const Services& services, channel::Address caller, ListChannels asked);
Task<Reply> refund(const Services& services, Party party, AskForRefund asked);
Task<Reply> make_claim(const Services& services, channel::Address caller, MakeClaim asked);
Task<Reply> get_claim(const Services& services, channel::Address caller, GetClaim asked);

/// Whether it is a party to the channel; the reply is empty text then.
Task<Reply> check_party(const Services& services, Party party, channel::ChannelId channel);

}  // namespace millrace::api::stream
