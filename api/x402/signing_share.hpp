#pragma once

#include "api/config.hpp"
#include "api/x402/answers.hpp"
#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "ledger/time.hpp"

#include <cstddef>
#include <deque>
#include <optional>

namespace millrace::api::x402 {

/// What the keys sign for others on one network, as a share of what they sign at all, so that they
/// are never found used up by what the service itself has to sign: of signatures_per_minute_max a
/// quarter, in equal parts for all networks; of a token's signed_value_per_hour_max a half, and a
/// quarter for one receiver. Counted since the start of the process: what was signed before is in
/// the signer's own record. Used on the chain thread.
class SigningShare {
public:
    SigningShare(const Config& config, const NetworkConfig& network);

    /// Counts one signature, or says why it may not be made now.
    std::optional<Objection> take(ledger::Time now);

    /// A signature that lets `value` of the token move for a receiver. The same digest again moves
    /// nothing more.
    struct Moved {
        channel::Digest digest;
        channel::Address receiver;
        channel::Address token;
        channel::Amount value;
    };
    /// As `take`, and counts its value.
    std::optional<Objection> take(ledger::Time now, const Moved& moved);

private:
    struct Signed {
        ledger::Time at;
        Moved moved;
    };
    bool is_within_value(const Moved& moved) const;

    const NetworkConfig& network_;
    std::size_t signatures_max_;
    std::deque<ledger::Time> signatures_;
    /// Of an hour, so no more than `signatures_max_` for each minute of it.
    std::deque<Signed> values_;
};

}  // namespace millrace::api::x402
