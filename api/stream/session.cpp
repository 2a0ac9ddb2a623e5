#include "api/stream/session.hpp"

#include "api/chain/chain_service.hpp"
#include "api/clock.hpp"
#include "api/gateway.hpp"
#include "api/stream/party_methods.hpp"
#include "api/stream/render.hpp"
#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"

#include <spdlog/spdlog.h>
#include <boost/asio/co_spawn.hpp>

namespace millrace::api::stream {

using channel::Error;

namespace {

constexpr std::size_t kBadFramesMax = 100;
/// In units of what may be in flight: refusals without any request that was taken.
constexpr std::size_t kOverflowsMax = 16;
/// Challenges and logins of a connection without a success between them.
constexpr std::size_t kLoginsMax = 100;
/// Payments of a connection that wait for what a contract says of their vouchers.
constexpr std::size_t kAdmissionsMax = 256;

std::string_view outcome_of(const Reply& reply) {
    const auto* failed = std::get_if<Failure>(&reply);
    if (!failed) return "ok";
    return failed->reason.empty() ? "method_not_found" : failed->reason;
}

const channel::SignedVoucher* voucher_of(const ledger::PaymentRequest& payment) {
    if (const auto* pay = std::get_if<channel::Pay>(&payment.command)) return &pay->voucher;
    if (const auto* accept = std::get_if<channel::Accept>(&payment.command))
        return &accept->voucher;
    const auto* authorize = std::get_if<channel::Authorize>(&payment.command);
    return authorize && authorize->voucher ? &*authorize->voucher : nullptr;
}

/// What of a voucher that a key has to sign can be told without the key.
std::optional<Failure> malformed(const channel::SignedVoucher& voucher) {
    const auto* signature = voucher.signature.as_of_key();
    if (!signature) return failure(Error::signature_length);
    const auto checked = channel::check_form(*signature);
    if (checked) return std::nullopt;
    return failure(static_cast<Error>(checked.error().value()));
}

std::string_view name_of(std::optional<Method> method) {
    return method ? to_string(*method) : "unknown";
}

}  // namespace

Session::Session(Gateway& gateway, std::uint64_t number, std::shared_ptr<Outbox> outbox,
                 std::optional<Principal> principal)
    : gateway_(gateway),
      number_(number),
      outbox_(std::move(outbox)),
      principal_(std::move(principal)) {}

void Session::receive(std::string_view text) {
    auto& frame = gateway_.parser().parse(text);
    if (frame.failure) {
        refuse(*frame.failure);
        return;
    }
    std::shared_ptr<BatchReply> batch;
    if (frame.is_batch) {
        batch = std::make_shared<BatchReply>();
        batch->missing = frame.calls.size();
    }
    bool bad = false;
    for (auto& call : frame.calls) {
        const auto* failed = std::get_if<Failure>(&call.command);
        bad |= failed && failed->code == Code::invalid_request;
        take(call, batch);
    }
    bad_frames_in_a_row_ = bad ? bad_frames_in_a_row_ + 1 : 0;
}

void Session::refuse(const Failure& why) {
    ++bad_frames_in_a_row_;
    reply({"null", std::nullopt, nullptr}, why);
}

void Session::take(Call& call, const std::shared_ptr<BatchReply>& batch) {
    if (auto why = why_not(call)) {
        reply({std::move(call.id), call.method, batch}, std::move(*why));
        return;
    }
    overflows_in_a_row_ = 0;
    if (std::holds_alternative<ledger::PaymentRequest>(call.command)) {
        pay(call, batch);
        return;
    }
    if (std::holds_alternative<AcceptPayment>(call.command)) {
        accept(call, batch);
        return;
    }
    if (std::holds_alternative<Login>(call.command)) {
        log_in(call, batch);
        return;
    }
    if (const auto done = perform_at_once(call.command)) {
        reply({std::move(call.id), call.method, batch}, *done);
        return;
    }
    const auto request = in_flight_.open({std::move(call.id), call.method, batch});
    boost::asio::co_spawn(gateway_.context(),
                          perform_later(shared_from_this(), request, std::move(call.command)),
                          [](const std::exception_ptr& error) {
                              if (error) std::rethrow_exception(error);
                          });
}

std::optional<Failure> Session::why_not(const Call& call) {
    if (call.method && needs_login(*call.method))
        if (auto why = not_logged_in()) return why;
    if (const auto* failed = std::get_if<Failure>(&call.command)) return *failed;
    if (principal_ && principal_->delegate && is_of_payers(*call.method))
        return Failure{Code::refused,
                       channel::reason(Error::forbidden),
                       {},
                       {},
                       "A delegated key acts for a receiver; payers log in with their own."};
    const auto in_flight_max = gateway_.config().limits.in_flight_max;
    if (in_flight_.size() < in_flight_max) return std::nullopt;
    ++overflows_in_a_row_;
    return failure({Error::too_many_in_flight, channel::Amount{in_flight_max}});
}

std::optional<Failure> Session::not_logged_in() const {
    if (!principal_) return failure(Error::unauthenticated);
    if (!principal_->address) return failure(Error::forbidden);
    if (principal_->expires_at <= now())
        return unauthenticated({}, "The session has ended; log in again.");
    return std::nullopt;
}

void Session::pay(Call& call, const std::shared_ptr<BatchReply>& batch) {
    auto& payment = std::get<ledger::PaymentRequest>(call.command);
    payment.caller = *principal_->address;
    // Nobody but the payer can make its wallet be asked.
    if (gateway_.services().chain.wallet_of(payment.channel) == payment.caller) {
        payment.reply_to = {gateway_.index(), number_,
                            in_flight_.open({std::move(call.id), call.method, batch})};
        pay_by_wallet(std::move(payment));
        return;
    }
    const auto* voucher = voucher_of(payment);
    if (auto why = voucher ? malformed(*voucher) : std::nullopt) {
        reply({std::move(call.id), call.method, batch}, std::move(*why));
        return;
    }
    payment.reply_to = {gateway_.index(), number_,
                        in_flight_.open({std::move(call.id), call.method, batch})};
    gateway_.enqueue(std::move(payment));
}

void Session::pay_by_wallet(ledger::PaymentRequest payment) {
    if (admissions_.waiting() >= kAdmissionsMax) {
        finish(payment.reply_to.request,
               failure({Error::too_many_in_flight, channel::Amount{kAdmissionsMax}}));
        return;
    }
    if (opens_inference(payment))
        payment.refusal = gateway_.services().chain.refuse_wallet(payment.channel);
    const auto ticket = admissions_.add(payment);
    if (!voucher_of(payment) || payment.refusal) {
        enqueue(admissions_.admit(payment.channel, ticket));
        return;
    }
    boost::asio::co_spawn(gateway_.context(),
                          ask_wallet(shared_from_this(), std::move(payment), ticket),
                          [](const std::exception_ptr& error) {
                              if (error) std::rethrow_exception(error);
                          });
}

Task<void> Session::ask_wallet(std::shared_ptr<Session> self, ledger::PaymentRequest payment,
                               std::uint64_t ticket) {
    auto& chain = self->gateway_.services().chain;
    const auto asked = co_await chain.ask_wallet(payment.channel, *voucher_of(payment));
    auto& admissions = self->admissions_;
    if (const auto* refused = std::get_if<channel::Refusal>(&asked)) {
        self->finish(payment.reply_to.request, failure(*refused));
        self->enqueue(admissions.drop(payment.channel, ticket));
    } else {
        self->enqueue(admissions.admit(payment.channel, ticket));
    }
}

void Session::enqueue(std::vector<ledger::PaymentRequest> payments) {
    for (auto& payment : payments) gateway_.enqueue(std::move(payment));
    gateway_.submit_soon();
}

void Session::answer(ledger::Answer& answer) {
    if (is_to_be_funded(answer)) return;
    const auto deposit = end_accept(answer.reply_to.request);
    const auto pending = in_flight_.close(answer.reply_to.request);
    if (!pending) return;
    if (const auto* payment = std::get_if<ledger::PaymentCommitted>(&answer.outcome)) {
        gateway_.count_paid(*pending->method);
        send(*pending, [&](std::string& out) {
            if (deposit)
                append_accept_result(out, pending->id, payment->result, *deposit);
            else
                append_payment_result(out, pending->id, payment->result);
        });
        return;
    }
    const auto* refusal = std::get_if<channel::Refusal>(&answer.outcome);
    reply(*pending, refusal ? failure(*refusal) : internal_error());
}

std::optional<Reply> Session::perform_at_once(Command& command) {
    if (std::holds_alternative<ServerInfo>(command)) return gateway_.server_info();
    if (const auto* asked = std::get_if<AskChallenge>(&command)) return ask_challenge(*asked);
    if (const auto* unwanted = std::get_if<Unsubscribe>(&command)) return unsubscribe(*unwanted);
    if (auto* wanted = std::get_if<Subscribe>(&command); wanted && !wanted->channel)
        return subscribe(std::move(*wanted));
    return std::nullopt;
}

Reply Session::ask_challenge(const AskChallenge& asked) {
    if (++logins_asked_ > kLoginsMax)
        return failure({Error::rate_limited, channel::Amount{kLoginsMax}});
    const auto issued = gateway_.services().challenges.issue(asked.address, now());
    if (const auto* refusal = std::get_if<channel::Refusal>(&issued)) return failure(*refusal);
    const auto& challenge = std::get<Challenge>(issued);
    std::string out = R"({"message":)";
    append_json_string(out, challenge.message);
    out += R"(,"expiresAt":")" + ledger::to_rfc3339(challenge.expires_at) + R"("})";
    return out;
}

void Session::log_in(Call& call, const std::shared_ptr<BatchReply>& batch) {
    auto given = std::get<Login>(std::move(call.command));
    Pending pending{std::move(call.id), call.method, batch};
    if (++logins_asked_ > kLoginsMax) {
        reply(pending, failure({Error::rate_limited, channel::Amount{kLoginsMax}}));
        return;
    }
    const auto at = now();
    RedeemedLogin login{gateway_.services().challenges.redeem(given.message, given.signature, at),
                        std::move(given.delegation), gateway_.config().server.domain, at};
    if (const auto decided = decide_by_key(login)) {
        const auto* refusal = std::get_if<LoginRefusal>(&*decided);
        reply(pending,
              refusal ? login_failed(*refusal) : logged_in(std::get<SessionOwner>(*decided)));
        return;
    }
    const auto request = in_flight_.open(std::move(pending));
    boost::asio::co_spawn(gateway_.context(),
                          log_in_by_wallet(shared_from_this(), request, std::move(login)),
                          [](const std::exception_ptr& error) {
                              if (error) std::rethrow_exception(error);
                          });
}

Task<void> Session::log_in_by_wallet(std::shared_ptr<Session> self, std::uint64_t request,
                                     RedeemedLogin login) {
    const auto decided = co_await decide(self->gateway_.services().chain, std::move(login));
    if (const auto* owner = std::get_if<SessionOwner>(&decided))
        self->finish(request, self->logged_in(*owner));
    else if (const auto* refusal = std::get_if<LoginRefusal>(&decided))
        self->finish(request, self->login_failed(*refusal));
    else
        self->finish(request, failure(std::get<channel::Refusal>(decided)));
}

Reply Session::login_failed(const LoginRefusal& why) {
    gateway_.services().metrics.logins_failed.Increment();
    return unauthenticated(std::string(why.field), why.sentence);
}

Reply Session::logged_in(const SessionOwner& owner) {
    auto& services = gateway_.services();
    if (principal_ && principal_->address && *principal_->address != owner.address)
        return Failure{Code::refused,
                       channel::reason(Error::forbidden),
                       "message",
                       {},
                       "This connection is logged in as another address; open a new one."};
    const auto [token, expires_at] = services.tokens.issue(owner, now());
    principal_ = Principal{owner.address, {}, false, expires_at, owner.delegate};
    logins_asked_ = 0;
    services.metrics.logins.Increment();
    auto out = R"({"address":")" + channel::to_hex(owner.address);
    if (owner.delegate) out += R"(","delegate":")" + channel::to_hex(*owner.delegate);
    return out + R"(","token":")" + token + R"(","expiresAt":")" + ledger::to_rfc3339(expires_at) +
           R"("})";
}

Reply Session::subscribe(Subscribe wanted) {
    const auto most = gateway_.config().limits.subscriptions_per_connection_max;
    if (gateway_.subscriptions().count(*outbox_) >= most)
        return Failure{Code::refused,
                       channel::reason(Error::rate_limited),
                       {},
                       std::to_string(most),
                       "Too many subscriptions on one connection."};
    const auto subscribed =
        gateway_.subscriptions().add(outbox_, *principal_->address, std::move(wanted));
    std::string out = R"({"subscription":")" + subscribed.id + R"(","seq":)";
    append_quoted(out, subscribed.seq);
    return out + '}';
}

Reply Session::unsubscribe(const Unsubscribe& unwanted) {
    if (!gateway_.subscriptions().remove(*outbox_, unwanted.subscription))
        return bad_param("subscription", "This connection has no such subscription.");
    return std::string("{}");
}

Task<void> Session::perform_later(std::shared_ptr<Session> self, std::uint64_t request,
                                  Command command) {
    Reply reply = internal_error();
    try {
        reply = co_await self->perform(std::move(command));
    } catch (...) {
        reply = self->failed(std::current_exception());
    }
    self->finish(request, reply);
}

Failure Session::failed(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const pqxx::failure& broken) {
        spdlog::warn("a request failed at the database: {}", broken.what());
        gateway_.services().metrics.database_errors.Increment();
        return failure(Error::unavailable);
    } catch (const std::exception& broken) {
        spdlog::error("a request failed: {}", broken.what());
    }
    return internal_error();
}

Task<Reply> Session::perform(Command command) {
    const auto& services = gateway_.services();
    const auto caller = *principal_->address;
    const Party party{caller, principal_->delegate.has_value()};
    if (auto* open = std::get_if<OpenAChannel>(&command))
        co_return co_await open_channel(services, caller, std::move(*open));
    if (auto* deposit = std::get_if<TopUp>(&command))
        co_return co_await top_up(services, caller, std::move(*deposit));
    if (const auto* get = std::get_if<GetChannel>(&command))
        co_return co_await get_channel(services, party, *get);
    if (const auto* list = std::get_if<ListChannels>(&command))
        co_return co_await list_channels(services, caller, *list);
    if (const auto* wanted = std::get_if<AskForRefund>(&command)) {
        const auto why = malformed(wanted->asked.voucher);
        if (why && !services.chain.wallet_of(wanted->channel)) co_return *why;
        co_return co_await refund(services, party, *wanted);
    }
    if (const auto* claim = std::get_if<MakeClaim>(&command))
        co_return co_await make_claim(services, caller, *claim);
    if (auto* claim = std::get_if<GetClaim>(&command))
        co_return co_await get_claim(services, caller, std::move(*claim));
    if (auto* wanted = std::get_if<Subscribe>(&command)) {
        auto checked = co_await check_party(services, party, *wanted->channel);
        if (std::holds_alternative<Failure>(checked) || closed_) co_return checked;
        co_return subscribe(std::move(*wanted));
    }
    co_return internal_error();
}

void Session::finish(std::uint64_t request, const Reply& done) {
    end_accept(request);
    if (const auto pending = in_flight_.close(request)) reply(*pending, done);
}

void Session::reply(const Pending& pending, const Reply& done) {
    gateway_.services().metrics.request(name_of(pending.method), outcome_of(done));
    send(pending, [&](std::string& out) {
        if (const auto* failed = std::get_if<Failure>(&done))
            append_error(out, pending.id, *failed);
        else
            append_result(out, pending.id, std::get<std::string>(done));
    });
}

template <class Write>
void Session::send(const Pending& pending, Write write) {
    if (closed_) return;
    if (!pending.batch) {
        if (pending.id.empty()) {
            // Whoever waits for the last answer to leave is told that it has none.
            outbox_->wake();
            return;
        }
        write(outbox_->begin());
        outbox_->end();
        return;
    }
    auto& batch = *pending.batch;
    if (!pending.id.empty()) {
        if (batch.text.size() > 1) batch.text += ',';
        write(batch.text);
    }
    if (--batch.missing > 0) return;
    if (batch.text.size() > 1)
        outbox_->push(batch.text += ']');
    else
        outbox_->wake();
}

bool Session::is_abusive() const {
    return bad_frames_in_a_row_ > kBadFramesMax ||
           overflows_in_a_row_ > kOverflowsMax * gateway_.config().limits.in_flight_max;
}

void Session::close() {
    closed_ = true;
    *gone_ = true;
    gateway_.subscriptions().remove_all(*outbox_);
}

}  // namespace millrace::api::stream
