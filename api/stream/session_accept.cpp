#include "api/chain/chain_service.hpp"
#include "api/gateway.hpp"
#include "api/stream/session.hpp"

#include <boost/asio/co_spawn.hpp>

namespace millrace::api::stream {

using channel::Error;

void Session::accept(Call& call, const std::shared_ptr<BatchReply>& batch) {
    auto& asked = std::get<AcceptPayment>(call.command);
    Pending pending{std::move(call.id), call.method, batch};
    if (asked.config.receiver != *principal_->address) {
        reply(pending, failure(Error::forbidden));
        return;
    }
    const auto named = name_channel(gateway_.config().networks, asked);
    if (const auto* why = std::get_if<Failure>(&named)) {
        reply(pending, *why);
        return;
    }
    const auto& channel = std::get<NamedChannel>(named);
    const auto request = in_flight_.open(std::move(pending));
    ledger::PaymentRequest payment{{gateway_.index(), number_, request},
                                   *principal_->address,
                                   channel.id,
                                   asked.payment,
                                   asked.detail};
    auto& accepting =
        accepting_.emplace(request, Accepting{std::move(asked), channel.network, {}, {}})
            .first->second;
    accepting.payment = std::move(payment);
    if (accepting.asked.deposit)
        fund_first(accepting);
    else
        submit_accept(accepting.payment);
}

void Session::submit_accept(ledger::PaymentRequest payment) {
    if (gateway_.services().chain.wallet_of(payment.channel))
        pay_by_wallet(std::move(payment));
    else
        gateway_.enqueue(std::move(payment));
}

void Session::fund_first(Accepting& accepting) {
    accepting.is_funded = true;
    UnfundedAccept unfunded{accepting.asked, accepting.network, accepting.payment, gone_};
    boost::asio::co_spawn(gateway_.context(), fund(shared_from_this(), std::move(unfunded)),
                          [](const std::exception_ptr& error) {
                              if (error) std::rethrow_exception(error);
                          });
}

Task<void> Session::fund(std::shared_ptr<Session> self, UnfundedAccept accept) {
    const auto request = accept.payment.reply_to.request;
    const auto& services = self->gateway_.services();
    Funding funding = internal_error();
    try {
        funding = co_await stream::fund(services, std::move(accept));
    } catch (...) {
        funding = self->failed(std::current_exception());
    }
    const auto place = self->accepting_.find(request);
    // Nobody is left to charge or release what would be reserved.
    if (self->closed_ || place == self->accepting_.end()) co_return;
    if (auto* funded = std::get_if<Funded>(&funding)) {
        place->second.deposit = funded->deposit;
        self->submit_accept(place->second.payment);
        self->gateway_.submit_soon();
    } else if (auto* before = std::get_if<AcceptedBefore>(&funding)) {
        place->second.deposit = before->deposit;
        ledger::Answer answer{
            place->second.payment.reply_to, nullptr,
            ledger::PaymentCommitted{
                ledger::PaymentKind::authorize, true, std::move(before->result), {}}};
        self->answer(answer);
    } else {
        self->finish(request, std::get<Failure>(funding));
    }
}

bool Session::is_to_be_funded(const ledger::Answer& answer) {
    const auto* refusal = std::get_if<channel::Refusal>(&answer.outcome);
    if (!refusal || refusal->error != Error::channel_unknown) return false;
    const auto place = accepting_.find(answer.reply_to.request);
    if (place == accepting_.end() || place->second.is_funded) return false;
    fund_first(place->second);
    return true;
}

std::optional<RelayedDeposit> Session::end_accept(std::uint64_t request) {
    const auto ended = accepting_.extract(request);
    return ended ? ended.mapped().deposit : std::nullopt;
}

}  // namespace millrace::api::stream
