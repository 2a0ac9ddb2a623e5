#pragma once

#include "api/gate/service_link.hpp"
#include "api/task.hpp"
#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/price.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace millrace::api::gate {

/// A payer's payment that the service has taken: a reservation of at most `ceiling`, which is to be
/// charged or released.
struct Payment {
    channel::ChannelId channel;
    std::string inference;
    channel::Amount ceiling;
    /// Charged on the channel before this, and the channel's balance: decimal text.
    std::string charged_before;
    std::string balance;
    /// Of a deposit that came with it; empty: none.
    std::string transaction;
    std::string deposited;
    /// All of it is charged or released, or will be.
    bool is_ended = false;
    /// What the service was asked last about it; null: nothing yet.
    std::shared_ptr<ServiceCall> last{};
};

/// What the service says no to.
struct Refused {
    std::string reason;
    std::string message;
};
/// It says nothing in time: what was asked may be so or not.
struct NoAnswer {
    /// What is on its way still; null: nothing.
    std::shared_ptr<ServiceCall> under_way;
};

struct Charged {
    channel::Amount amount;
    /// Of the channel, after it: decimal text.
    std::string charged_in_all;
    std::string balance;
};

/// The payments of a gate, as the payment stream has them (stream-protocol, payment.accept,
/// payment.charge, payment.release). All of it is idempotent by the inference's id, so that nothing
/// is charged twice; what nobody waits for any more is seen through all the same.
class Payments {
public:
    /// Beyond so many requests without an answer no new payment is taken.
    Payments(ServiceLink& link, std::size_t outstanding_max)
        : link_(link), outstanding_max_(outstanding_max) {}

    using Deadline = std::chrono::steady_clock::time_point;

    struct Asked {
        channel::ChannelId channel;
        std::string inference;
        std::string model;
        channel::Amount max_amount;
        /// JSON, as the payer sent it; `deposit` may be empty.
        std::string channel_config;
        std::string voucher;
        std::string deposit;
    };
    /// Sends a payment to the service. `taken` has to follow, or it stands though nobody charges
    /// it.
    std::shared_ptr<ServiceCall> hand_in(const Asked& asked);
    /// What became of it. Where no answer comes in time, a payment that is taken after all is
    /// released.
    Task<std::variant<Payment, Refused, NoAnswer>> taken(Asked asked,
                                                         std::shared_ptr<ServiceCall> call,
                                                         Deadline deadline);

    /// What is due by now of a call that goes on. Is not waited for; the next one should be.
    std::shared_ptr<ServiceCall> charge_so_far(Payment& payment, channel::Amount amount,
                                               channel::TokenCounts tokens);

    /// What is to become of a charge that is not answered in time: it stands, and is seen through,
    /// or it is taken back, because the payer was not served.
    enum class Unanswered { stands, taken_back };
    /// All that is due: frees the rest. To take it back takes as long again at most; where it turns
    /// out to have been charged before that, it is charged.
    Task<std::variant<Charged, Refused, NoAnswer>> charge(Payment& payment, channel::Amount amount,
                                                          channel::TokenCounts tokens,
                                                          std::chrono::milliseconds patience,
                                                          Unanswered unanswered);
    /// Nothing more is charged. Is not waited for.
    void release(Payment& payment, std::string_view reason);
    /// Waits for the answer to what was asked last.
    Task<void> settled(const Payment& payment, Deadline deadline);

    /// The channel object; nothing when there is none, or no answer.
    Task<std::optional<boost::json::object>> channel(channel::ChannelId id, Deadline deadline);
    /// Hands in the payer's refund voucher. `amount` is decimal text; empty: all that is left.
    Task<std::variant<boost::json::object, Refused, NoAnswer>> refund(channel::ChannelId id,
                                                                      std::string amount,
                                                                      std::string voucher,
                                                                      Deadline deadline);

    /// True when a payment can be taken now.
    bool is_available() const;

    /// Releases what gates of this name have reserved whose boot was another one: nobody will
    /// charge it. How many, or nothing when the service could not be asked.
    Task<std::optional<std::size_t>> release_left_over(std::string name_prefix,
                                                       std::string boot_prefix);

private:
    /// Given up where it does not come in time.
    Task<std::optional<ServiceAnswer>> answer(std::shared_ptr<ServiceCall> call, Deadline deadline);
    Task<std::optional<Charged>> take_back(Payment& payment, channel::Amount amount,
                                           std::string params, Deadline deadline);

    ServiceLink& link_;
    std::size_t outstanding_max_;
};

}  // namespace millrace::api::gate
