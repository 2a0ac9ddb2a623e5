#pragma once

#include "channel/bytes.hpp"
#include "ledger/request.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

namespace millrace::api::stream {

/// Payments of one connection on channels whose vouchers a contract judges (ERC-1271). The contract
/// is asked about many at once; a payment goes on to its shard when it was found good and all that
/// came before it on its channel have gone on or were refused, so that none overtakes another.
class Admissions {
public:
    /// Gives the ticket to come back with.
    std::uint64_t add(ledger::PaymentRequest request);
    /// The contract has said yes, or there was nothing to ask. Gives what may go on now, in order.
    std::vector<ledger::PaymentRequest> admit(const channel::ChannelId& channel,
                                              std::uint64_t ticket);
    /// Refused: goes nowhere, and holds up no other any longer.
    std::vector<ledger::PaymentRequest> drop(const channel::ChannelId& channel,
                                             std::uint64_t ticket);

    std::size_t waiting() const { return waiting_; }

private:
    struct Entry {
        std::uint64_t ticket = 0;
        ledger::PaymentRequest request;
        enum class Standing { asked, admitted, refused } standing = Standing::asked;
    };
    std::vector<ledger::PaymentRequest> settle(const channel::ChannelId& channel,
                                               std::uint64_t ticket, Entry::Standing standing);

    std::unordered_map<channel::ChannelId, std::deque<Entry>> queues_;
    std::uint64_t next_ticket_ = 1;
    std::size_t waiting_ = 0;
};

}  // namespace millrace::api::stream
