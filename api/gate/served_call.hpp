#pragma once

#include "api/gate/exchange.hpp"
#include "api/gate/model_call.hpp"
#include "api/gate/offer.hpp"
#include "api/gate/quote.hpp"
#include "api/gate/relay.hpp"
#include "api/gate/sse_reader.hpp"
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
/// - A payer that goes, or a server that breaks off, ends the call; what was delivered is charged,
///   and what the prompt came to. A stream that the server breaks off before a word costs nothing.
/// - A charge that the service refuses on the way ends the call.
/// - A server that writes more than it was told to is stopped where the ceiling ends.
class ServedCall {
public:
    /// All of it outlives the call. Where `payment` is not ended afterwards, it is to be released.
    /// `model` may have been asked already.
    ServedCall(Worker& worker, Exchange& exchange, const Quote& quote, Payment& payment,
               channel::Address payer, ModelCall& model);

    Task<void> run();

private:
    enum class Ending { whole, broken, payer_left, beyond_ceiling, charge_refused };
    using Settled = std::variant<Charged, Refused, NoAnswer>;

    Task<Fields> let_go();
    Task<void> overloaded();
    Task<void> not_served(Upstream::Call& call, std::optional<UpstreamHead> head);
    Task<void> unreadable(Upstream::Call& call);
    Task<void> whole(Upstream::Call& call, UpstreamHead head);
    Task<void> unread(Upstream::Call& call, UpstreamHead head, std::string begun);
    Task<void> stream(Upstream::Call& call, UpstreamHead head);
    Task<Ending> pass_events(Upstream::Call& call);
    Task<bool> deliver(SseReader& reader, UsageReader& usage);
    Task<void> end_stream(Ending ending, bool has_trailer);
    bool has_delivered(Ending ending) const;
    void charge_on_the_way();
    bool is_charge_refused() const;

    bool lacks(const Usage& usage) const;
    bool is_beyond_ceiling(channel::TokenCounts tokens) const;
    channel::Amount due(channel::TokenCounts tokens) const;
    Task<Settled> settle(channel::Amount amount, channel::TokenCounts tokens,
                         Payments::Unanswered unanswered);
    void note(const Charged& charged);
    /// The text of a PAYMENT-RESPONSE.
    Task<std::string> receipt(Charged charged, std::string note);
    Task<void> answer_not_charged(Upstream::Call& call, Settled settled);
    std::string failed_receipt(const Settled& settled) const;

    Worker& worker_;
    Exchange& exchange_;
    const Quote& quote_;
    Payment& payment_;
    const channel::Address payer_;
    ModelCall& model_;
    bool is_charged_ = false;
    UsageCount count_;
    channel::Amount charged_so_far_;
    std::shared_ptr<ServiceCall> charge_under_way_;
    std::chrono::steady_clock::time_point next_charge_;
};

}  // namespace millrace::api::gate
