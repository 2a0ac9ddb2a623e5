#include "api/signer/client.hpp"

#include "channel/secp256k1.hpp"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::api {

namespace chain = ledger::chain;
using chain::SignerUnavailable;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kLookInterval{1};

/// The connection is of no use any more.
struct Broken : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct TooLate : Broken {
    using Broken::Broken;
};

[[noreturn]] void broken() {
    throw Broken(std::strerror(errno));
}

void wait_for(const Descriptor& socket, short what, steady_clock::time_point deadline) {
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
        if (left.count() <= 0) throw TooLate("no answer in time");
        pollfd wanted{socket.number(), what, 0};
        const int ready = ::poll(&wanted, 1, static_cast<int>(left.count()));
        if (ready > 0) return;
        if (ready < 0 && errno != EINTR) broken();
    }
}

void send_all(const Descriptor& socket, std::string_view bytes, steady_clock::time_point deadline) {
    while (!bytes.empty()) {
        wait_for(socket, POLLOUT, deadline);
        const auto sent =
            ::send(socket.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (sent < 0) broken();
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

void receive_all(const Descriptor& socket, char* to, std::size_t size,
                 steady_clock::time_point deadline) {
    while (size > 0) {
        wait_for(socket, POLLIN, deadline);
        const auto got = ::recv(socket.number(), to, size, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) broken();
        if (got == 0) throw Broken("it has closed the connection");
        to += got;
        size -= static_cast<std::size_t>(got);
    }
}

std::string framed(const std::string& text) {
    const auto header = frame_header(text.size());
    return std::string(header.begin(), header.end()) + text;
}

bool is_by(const channel::Address& address, const channel::Digest& digest,
           const channel::Signature& signature) {
    if (!channel::check_form(signature)) return false;
    const auto key = channel::recover(digest, signature);
    return key && channel::address_of(*key) == address;
}

}  // namespace

SignerClient::SignerClient(std::string socket, std::chrono::milliseconds timeout)
    : path_(std::move(socket)), timeout_(timeout) {
    identity_ = hello();
    contract_payers_ = identity_.contract_payers;
    available_ = true;
    looking_ = std::thread([this] { keep_looking(); });
}

SignerClient::~SignerClient() {
    {
        const std::lock_guard lock(ending_mutex_);
        ending_ = true;
    }
    ending_changed_.notify_all();
    looking_.join();
}

chain::SignerHealth SignerClient::health() const {
    return {available_, refusals_};
}

/// What comes back is looked at: a mix-up here would be found on chain at the earliest.
channel::Signature SignerClient::sign_claims(const chain::EscrowContract& escrow,
                                             std::span<const chain::VoucherClaim> rows) {
    const auto made = signature(ClaimsQuestion{escrow, {rows.begin(), rows.end()}});
    if (!is_by(authorizer(), chain::claims_digest(escrow, rows), made))
        throw SignerUnavailable("the signer has signed another claim than it was asked for");
    return made;
}

channel::Signature SignerClient::sign_refund(const chain::EscrowContract& escrow,
                                             const channel::ChannelConfig& config,
                                             const channel::Word& nonce, channel::Amount amount) {
    const auto made = signature(RefundQuestion{escrow, config, nonce, amount});
    if (!is_by(authorizer(), chain::refund_digest(escrow, config, nonce, amount), made))
        throw SignerUnavailable("the signer has signed another refund than it was asked for");
    return made;
}

channel::Signature SignerClient::sign_transaction(const chain::Transaction& transaction) {
    const auto made = signature(TransactionQuestion{transaction});
    if (!is_by(relayer(), chain::signing_hash(transaction), made))
        throw SignerUnavailable("the signer has signed another transaction than it was asked for");
    return made;
}

channel::Signature SignerClient::signature(const SignerQuestion& question) {
    const auto answer = ask(question);
    if (const auto* made = std::get_if<channel::Signature>(&answer)) return *made;
    if (const auto* refused = std::get_if<RefusedAnswer>(&answer)) {
        ++refusals_;
        throw chain::SignerRefused("the signer refused: " + refused->why);
    }
    if (const auto* later = std::get_if<UnavailableAnswer>(&answer)) {
        ++refusals_;
        throw SignerUnavailable(later->why);
    }
    throw SignerUnavailable("the signer at " + path_ + " does not understand this service");
}

SignerAnswer SignerClient::ask(const SignerQuestion& question) {
    if (available_) {
        const std::lock_guard lock(mutex_);
        // Whoever was in front may have found it gone.
        if (available_) return ask_now(question);
    }
    throw SignerUnavailable("the signer at " + path_ + " does not answer");
}

/// A connection on which the signer was restarted breaks with the first question: that one is asked
/// again, which is safe for all of them. Expects the lock.
SignerAnswer SignerClient::ask_now(const SignerQuestion& question) {
    const auto frame = framed(render(question));
    const auto deadline = steady_clock::now() + timeout_;
    if (socket_.number() >= 0) {
        try {
            return exchange(frame, deadline);
        } catch (const TooLate& error) {
            fail(error.what());
        } catch (const std::runtime_error&) {
            socket_ = Descriptor(-1);
        }
    }
    try {
        return exchange(frame, deadline);
    } catch (const std::runtime_error& error) {
        fail(error.what());
    }
}

void SignerClient::fail(const std::string& why) {
    socket_ = Descriptor(-1);
    available_ = false;
    throw SignerUnavailable("the signer at " + path_ + " does not answer: " + why +
                            "; is millrace signer running?");
}

SignerAnswer SignerClient::exchange(const std::string& frame, Deadline deadline) {
    if (socket_.number() < 0) connect();
    send_all(socket_, frame, deadline);
    FrameHeader header{};
    receive_all(socket_, reinterpret_cast<char*>(header.data()), header.size(), deadline);
    const auto bytes = frame_bytes(header);
    if (bytes == 0 || bytes > kSignerFrameBytesMax) throw Broken("a frame that is none");
    std::string text(bytes, '\0');
    receive_all(socket_, text.data(), text.size(), deadline);
    return parse_answer(text);
}

void SignerClient::connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof(address.sun_path)) throw Broken("signer.socket is too long a path");
    std::memcpy(address.sun_path, path_.data(), path_.size());
    Descriptor made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (made.number() < 0) broken();
    if (::connect(made.number(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        broken();
    socket_ = std::move(made);
}

HelloAnswer SignerClient::hello() {
    const std::lock_guard lock(mutex_);
    const auto answer = ask_now(HelloQuestion{});
    if (const auto* identity = std::get_if<HelloAnswer>(&answer)) return *identity;
    fail("it does not say who it is");
}

/// Another key than before would make what is signed worthless, and nonces belong to the relayer's.
bool SignerClient::look(bool was_available) {
    try {
        const auto found = hello();
        if (found.authorizer != identity_.authorizer || found.relayer != identity_.relayer)
            throw SignerUnavailable("the signer at " + path_ +
                                    " has other keys now; start this service anew to use them");
        if (!was_available) spdlog::info("the signer at {} is there again", path_);
        if (contract_payers_.exchange(found.contract_payers) != found.contract_payers)
            spdlog::warn("the signer at {} {} for payers that are contracts now", path_,
                         found.contract_payers == chain::ContractPayers::believed
                             ? "signs claims"
                             : "does not sign claims any more");
        available_ = true;
    } catch (const SignerUnavailable& error) {
        available_ = false;
        if (was_available) spdlog::error("{}; claims and deposits wait", error.what());
    }
    return available_;
}

void SignerClient::keep_looking() {
    bool was_available = true;
    std::unique_lock lock(ending_mutex_);
    while (!ending_changed_.wait_for(lock, kLookInterval, [this] { return ending_; })) {
        lock.unlock();
        was_available = look(was_available);
        lock.lock();
    }
}

}  // namespace millrace::api
