#include "api/signer/server.hpp"

#include "api/config.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <spdlog/spdlog.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::api {

namespace asio = boost::asio;
namespace chain = ledger::chain;
using namespace std::chrono_literals;

namespace {

/// The service asks who the signer is every second.
constexpr auto kSilenceMax = 60s;
constexpr std::size_t kSessionsMax = 16;
/// The first descriptor that a service manager hands over (sd_listen_fds(3)).
constexpr int kHandedOver = 3;

bool was_handed_over() {
    const char* process = std::getenv("LISTEN_PID");
    const char* count = std::getenv("LISTEN_FDS");
    return process && count && std::to_string(getpid()) == process && std::string(count) == "1";
}

/// What a signer that was killed has left behind is removed; one that runs is not.
void make_room(const std::string& path, asio::io_context& io) {
    if (!std::filesystem::is_socket(path)) return;
    asio::local::stream_protocol::socket probe(io);
    boost::system::error_code error;
    probe.connect({path}, error);
    if (!error) throw ConfigError("signer.socket: another signer listens on " + path);
    ::unlink(path.c_str());
}

asio::local::stream_protocol::acceptor listening(const std::string& path, asio::io_context& io) {
    asio::local::stream_protocol::acceptor acceptor(io);
    if (was_handed_over()) {
        acceptor.assign(asio::local::stream_protocol(), kHandedOver);
        return acceptor;
    }
    if (path.empty()) throw ConfigError("signer.socket is not set: name a path to listen on");
    make_room(path, io);
    acceptor.open();
    acceptor.bind({path});
    // Nobody can connect before it listens.
    if (::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0)
        throw std::system_error(errno, std::generic_category(), path);
    acceptor.listen();
    return acceptor;
}

struct Ask {
    chain::Signer& signer;

    SignerAnswer operator()(const HelloQuestion&) const {
        return HelloAnswer{signer.authorizer(), signer.relayer(), signer.contract_payers()};
    }
    SignerAnswer operator()(const ClaimsQuestion& question) const {
        const auto signature = signer.sign_claims(question.escrow, question.rows);
        spdlog::info("signed a claim of {} channels on {}", question.rows.size(),
                     channel::to_string(question.escrow.network));
        return signature;
    }
    SignerAnswer operator()(const RefundQuestion& question) const {
        const auto signature =
            signer.sign_refund(question.escrow, question.config, question.nonce, question.amount);
        spdlog::info("signed a refund of {} on {}", channel::to_string(question.amount),
                     channel::to_string(question.escrow.network));
        return signature;
    }
    SignerAnswer operator()(const TransactionQuestion& question) const {
        const auto signature = signer.sign_transaction(question.transaction);
        spdlog::info("signed the transaction of nonce {} on {}", question.transaction.nonce,
                     channel::to_string(channel::Network{question.transaction.chain_id}));
        return signature;
    }
};

}  // namespace

/// A connection; closed when nothing was heard for too long.
struct SignerServer::Session {
    explicit Session(Local::socket connected)
        : socket(std::move(connected)), silence(socket.get_executor()) {}

    Local::socket socket;
    asio::steady_timer silence;
};

SignerServer::SignerServer(const std::string& path, uid_t user, chain::Signer& signer)
    : acceptor_(listening(path, io_)),
      path_(was_handed_over() ? std::string() : path),
      user_(user),
      signer_(signer) {}

SignerServer::~SignerServer() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

void SignerServer::run() {
    asio::co_spawn(io_, accept(), [this](const std::exception_ptr& failure) {
        if (failure) failure_ = failure;
        io_.stop();
    });
    io_.run();
    if (failure_) std::rethrow_exception(failure_);
}

void SignerServer::stop() {
    asio::post(io_, [this] { io_.stop(); });
}

Task<void> SignerServer::accept() {
    for (;;) {
        auto socket = co_await acceptor_.async_accept(asio::use_awaitable);
        if (!may_connect(socket)) continue;
        auto session = std::make_shared<Session>(std::move(socket));
        ++sessions_;
        asio::co_spawn(io_, serve(session), [this, session](const std::exception_ptr& failure) {
            --sessions_;
            session->silence.cancel();
            if (!failure) return;
            failure_ = failure;
            io_.stop();
        });
    }
}

bool SignerServer::may_connect(Local::socket& socket) const {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        spdlog::error("a peer does not say who it is and is sent away");
        return false;
    }
    if (peer.uid != user_) {
        spdlog::error("process {} of user {} is sent away: only user {} may ask for signatures",
                      peer.pid, peer.uid, user_);
        return false;
    }
    if (sessions_ < kSessionsMax) return true;
    spdlog::error("a connection is sent away: there are {} already", sessions_);
    return false;
}

Task<void> SignerServer::serve(std::shared_ptr<Session> session) {
    try {
        for (;;) co_await answer(session);
    } catch (const boost::system::system_error& error) {
        spdlog::debug("a connection ended: {}", error.code().message());
    } catch (const MalformedFrame& error) {
        spdlog::error("a malformed question, the connection is closed: {}", error.what());
    }
}

/// Reads one question and answers it. Throws boost::system::system_error when the connection ends,
/// MalformedFrame after having said so.
Task<void> SignerServer::answer(std::shared_ptr<Session> session) {
    auto& socket = session->socket;
    session->silence.expires_after(kSilenceMax);
    session->silence.async_wait([silent = std::weak_ptr(session)](boost::system::error_code error) {
        const auto kept = silent.lock();
        if (kept && !error) kept->socket.close(error);
    });
    FrameHeader header{};
    co_await asio::async_read(socket, asio::buffer(header), asio::use_awaitable);
    const auto bytes = frame_bytes(header);
    std::string said;
    std::string why;
    if (bytes == 0 || bytes > kSignerFrameBytesMax) {
        why = "a frame of " + std::to_string(bytes) + " bytes";
    } else {
        std::string question(bytes, '\0');
        co_await asio::async_read(socket, asio::buffer(question), asio::use_awaitable);
        try {
            said = render(answer_to(question));
        } catch (const MalformedFrame& error) {
            why = error.what();
        }
    }
    if (!why.empty()) said = render(MalformedAnswer{why});
    const auto size = frame_header(said.size());
    const std::array<asio::const_buffer, 2> frame{asio::buffer(size), asio::buffer(said)};
    co_await asio::async_write(socket, frame, asio::use_awaitable);
    if (!why.empty()) throw MalformedFrame(why);
}

SignerAnswer SignerServer::answer_to(const std::string& text) {
    const auto question = parse_question(text);
    try {
        return std::visit(Ask{signer_}, question);
    } catch (const chain::SignerRefused& error) {
        spdlog::error("refused ({} so far): {}", signer_.health().refusals, error.what());
        return RefusedAnswer{error.what()};
    } catch (const chain::SignerUnavailable& error) {
        spdlog::error("not now ({} refused so far): {}", signer_.health().refusals, error.what());
        return UnavailableAnswer{error.what()};
    }
}

}  // namespace millrace::api
