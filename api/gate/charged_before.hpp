#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"

#include <chrono>
#include <cstddef>
#include <mutex>
#include <unordered_map>

namespace millrace::api::gate {

/// What channels were charged in all when their last calls here ended, and what they hold: by the
/// strict rule of x402 that tells which voucher the service will take next. Each figure is good for
/// one call within a minute, so that only who pays is believed again, and nobody can collect
/// belief. Used by several threads.
class ChargedBefore {
public:
    using Clock = std::chrono::steady_clock;
    struct Figures {
        channel::Amount charged;
        channel::Amount balance;
    };

    /// Beyond `most` channels all are forgotten.
    explicit ChargedBefore(std::size_t most) : most_(most) {}

    void note(const channel::ChannelId& id, Figures figures, Clock::time_point now);
    /// True where a voucher of `max_claimable` for a call of `ceiling` is the one that the service
    /// has to expect, and is covered. That figure is gone then.
    bool expects(const channel::ChannelId& id, channel::Amount max_claimable,
                 channel::Amount ceiling, Clock::time_point now);
    void forget(const channel::ChannelId& id);

private:
    struct Noted {
        Figures figures;
        Clock::time_point at;
    };

    const std::size_t most_;
    std::mutex mutex_;
    std::unordered_map<channel::ChannelId, Noted> all_;
};

}  // namespace millrace::api::gate
