#pragma once

#include "api/gate/asked.hpp"
#include "api/gate/exchange.hpp"
#include "api/gate/offer.hpp"
#include "api/gate/usage.hpp"
#include "api/gate/worker.hpp"
#include "api/task.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::api::gate {

/// A call whose payment is taken: made at the model server, answered and charged.
///
/// - An answer with an error, or none, costs nothing.
/// - A whole answer is read first, charged by its usage, and then sent: the payer gets it only when
///   the charge is durable.
/// - A stream is passed on event by event. What was delivered is charged on the way, now and then,
///   so that little is lost with the gate; the rest at its end, and the receipt comes behind it. A
///   stream with a fixed price is charged before its first byte.
/// - A payer that goes, or a server that breaks off, ends the call; what was delivered is charged.
class ServedCall {
public:
    /// All but `payment` outlive the call.
    ServedCall(Worker& worker, Exchange& exchange, const PriceRule& rule,
               const std::optional<Asked>& asked, Payment payment, channel::Address payer);

    Task<void> run();

private:
    using Settled = std::variant<Charged, Refused, NoAnswer>;

    Task<void> not_served(Upstream::Call& call, std::optional<UpstreamHead> head);
    Task<void> whole(Upstream::Call& call, UpstreamHead head);
    Task<void> unread(Upstream::Call& call, UpstreamHead head, std::string begun);
    Task<void> stream(Upstream::Call& call, UpstreamHead head);
    /// False when the payer is gone.
    Task<bool> pass_events(Upstream::Call& call);
    Task<void> end_stream(bool is_whole, bool has_trailer);
    void charge_on_the_way();

    std::string body_for_upstream();
    bool lacks(const Usage& usage) const;
    channel::Amount due(channel::TokenCounts tokens) const;
    Task<Settled> settle(channel::Amount amount, channel::TokenCounts tokens,
                         Payments::Unanswered unanswered);
    /// The text of a PAYMENT-RESPONSE.
    Task<std::string> receipt(Charged charged, std::string note);
    Task<void> answer_not_charged(Upstream::Call& call);

    Worker& worker_;
    Exchange& exchange_;
    const PriceRule& rule_;
    const std::optional<Asked>& asked_;
    const Payment payment_;
    const channel::Address payer_;
    /// The event with the usage was asked for by the gate, and is not for the client.
    bool keeps_usage_back_ = false;
    bool is_charged_ = false;
    UsageCount count_;
    channel::Amount charged_so_far_;
    std::shared_ptr<ServiceCall> charge_under_way_;
    std::chrono::steady_clock::time_point next_charge_;
};

}  // namespace millrace::api::gate
