#pragma once

#include "api/auth/challenges.hpp"
#include "api/auth/tokens.hpp"
#include "api/services.hpp"
#include "api/stream/accept_payment.hpp"
#include "api/stream/admissions.hpp"
#include "api/stream/call.hpp"
#include "api/stream/in_flight.hpp"
#include "api/stream/outbox.hpp"
#include "api/stream/reply.hpp"
#include "api/task.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace millrace::api {
class Gateway;
}

namespace millrace::api::stream {

/// The stream of one connection: takes the text of frames, puts the text of answers and events into
/// the outbox. Who is logged in lives here. Knows nothing of sockets; used by its gateway's thread.
class Session : public std::enable_shared_from_this<Session> {
public:
    /// `principal`: of a token that came with the connection. `number` is unique in the gateway.
    Session(Gateway& gateway, std::uint64_t number, std::shared_ptr<Outbox> outbox,
            std::optional<Principal> principal);

    std::uint64_t number() const { return number_; }

    /// A text frame of at most limits.frame_bytes_max bytes.
    void receive(std::string_view frame);
    /// A frame that cannot be a request, whatever it holds: too long, or not text.
    void refuse(const Failure& why);
    /// The answer to a payment of this session, which it leaves empty.
    void answer(ledger::Answer& answer);

    std::size_t in_flight() const { return in_flight_.size(); }
    /// So much nonsense in a row that the connection is to end (close code 1008).
    bool is_abusive() const;
    /// The connection is gone.
    void close();

private:
    void take(Call& call, const std::shared_ptr<BatchReply>& batch);
    std::optional<Failure> why_not(const Call& call);
    std::optional<Failure> not_logged_in() const;
    void pay(Call& call, const std::shared_ptr<BatchReply>& batch);
    /// A payment in flight whose voucher a contract has to judge first.
    void pay_by_wallet(ledger::PaymentRequest payment);
    void enqueue(std::vector<ledger::PaymentRequest> payments);
    /// A payment.accept in flight. Most go to their shard at once; what brings a deposit, or is
    /// about a channel that the shards do not know, is funded first.
    struct Accepting {
        AcceptPayment asked;
        channel::Network network;
        ledger::PaymentRequest payment;
        std::optional<RelayedDeposit> deposit;
        bool is_funded = false;
    };
    void accept(Call& call, const std::shared_ptr<BatchReply>& batch);
    void submit_accept(ledger::PaymentRequest payment);
    void fund_first(Accepting& accepting);
    static Task<void> fund(std::shared_ptr<Session> self, UnfundedAccept accept);
    /// True if the answer is not to go out, because its channel is opened first.
    bool is_to_be_funded(const ledger::Answer& answer);
    /// What was deposited for it, if it was one.
    std::optional<RelayedDeposit> end_accept(std::uint64_t request);

    std::optional<Reply> perform_at_once(Command& command);
    Reply ask_challenge(const AskChallenge& asked);
    /// A smart wallet is asked first, and answered later.
    void log_in(Call& call, const std::shared_ptr<BatchReply>& batch);
    Reply logged_in(const SessionOwner& owner);
    Reply login_failed(const LoginRefusal& why);
    static Task<void> log_in_by_wallet(std::shared_ptr<Session> self, std::uint64_t request,
                                       RedeemedLogin login);
    static Task<void> ask_wallet(std::shared_ptr<Session> self, ledger::PaymentRequest payment,
                                 std::uint64_t ticket);
    Reply subscribe(Subscribe wanted);
    Reply unsubscribe(const Unsubscribe& unwanted);
    static Task<void> perform_later(std::shared_ptr<Session> self, std::uint64_t request,
                                    Command command);
    Task<Reply> perform(Command command);

    /// What to say of an exception, which is logged.
    Failure failed(const std::exception_ptr& error);
    void finish(std::uint64_t request, const Reply& reply);
    void reply(const Pending& pending, const Reply& reply);
    /// `write(out)` appends the answer.
    template <class Write>
    void send(const Pending& pending, Write write);

    Gateway& gateway_;
    const std::uint64_t number_;
    const std::shared_ptr<Outbox> outbox_;
    std::optional<Principal> principal_;
    InFlight in_flight_;
    Admissions admissions_;
    std::unordered_map<std::uint64_t, Accepting> accepting_;
    std::size_t bad_frames_in_a_row_ = 0;
    std::size_t overflows_in_a_row_ = 0;
    std::size_t logins_asked_ = 0;
    bool closed_ = false;
    /// The same for what goes on elsewhere.
    const std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace millrace::api::stream
