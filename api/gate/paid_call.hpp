#pragma once

#include "api/gate/exchange.hpp"
#include "api/gate/offer.hpp"
#include "api/gate/quote.hpp"
#include "api/gate/worker.hpp"
#include "api/task.hpp"
#include "api/x402/payload.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::api::gate {

/// One request of a priced path, from the payment to the reply (x402 v2, HTTP transport): without a
/// payment it is told what the call may cost; with one the payment is taken, the call is made, and
/// what it cost is charged before, or of a stream behind, the answer.
class PaidCall {
public:
    /// All of it outlives the call.
    PaidCall(Worker& worker, Exchange& exchange, const Quote& quote);

    Task<void> run();

private:
    /// The 402. `correction`: the channel, for payers whose state is behind.
    Task<void> ask_for_payment(std::string error, const boost::json::object* correction = nullptr);
    Task<void> unavailable(std::string_view detail);
    Task<void> take(x402::PaymentPayload paid, std::string header_json);
    Task<std::optional<ChannelTurns::Turn>> take_turn(x402::ChannelVoucher paid);
    Task<void> pay(x402::ChannelVoucher paid, std::string header_json);
    Task<void> serve(Payments::Asked asked, ChannelTurns::Turn turn, x402::ChannelVoucher paid);
    bool may_go_ahead(const x402::ChannelVoucher& paid, const Payments::Asked& asked);
    Task<void> refused(const Refused& why, ChannelTurns::Turn turn,
                       const x402::ChannelVoucher& paid);
    void leave(ChannelTurns::Turn turn, std::shared_ptr<ServiceCall> last);
    Task<void> refund(x402::RefundPayload paid, std::string header_json);
    Task<boost::json::object> refunded_channel(channel::ChannelId id, channel::Amount before,
                                               Payments::Deadline deadline);
    std::optional<std::string_view> why_not_payload(const x402::PaymentPayload& paid) const;

    Worker& worker_;
    Exchange& exchange_;
    const Quote& quote_;
    /// Strangers learn nothing of a channel, and do not wait for it.
    Signed signed_ = Signed::by_nobody;
};

}  // namespace millrace::api::gate
