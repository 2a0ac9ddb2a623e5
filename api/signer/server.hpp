#pragma once

#include "api/task.hpp"

#include "api/signer/wire.hpp"
#include "ledger/chain/signer.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <string>

#include <sys/types.h>

namespace millrace::api {

/// Answers the service's questions on a Unix-domain socket, one at a time on one thread, with what
/// `signer` says. Only processes of one user are let in, by what the kernel says of them.
class SignerServer {
public:
    /// Listens on the socket that the service manager hands over (sd_listen_fds(3)), or on one of
    /// its own at `path`, mode 0600. `user` may connect. Throws ConfigError or std::system_error.
    SignerServer(const std::string& path, uid_t user, ledger::chain::Signer& signer);
    ~SignerServer();

    /// Until `stop`. Throws what the signer throws when it can no longer sign safely.
    void run();
    /// From any thread.
    void stop();

private:
    using Local = boost::asio::local::stream_protocol;
    struct Session;

    Task<void> accept();
    Task<void> serve(std::shared_ptr<Session> session);
    Task<void> answer(std::shared_ptr<Session> session);
    SignerAnswer answer_to(const std::string& text);
    bool may_connect(Local::socket& socket) const;

    boost::asio::io_context io_{1};
    Local::acceptor acceptor_;
    std::string path_;
    uid_t user_;
    ledger::chain::Signer& signer_;
    std::size_t sessions_ = 0;
    std::exception_ptr failure_;
};

}  // namespace millrace::api
