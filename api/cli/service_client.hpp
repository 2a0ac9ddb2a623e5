#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace CLI {
class App;
}

namespace millrace::api {

/// How a command reaches a running service, and as whom.
struct ServiceOptions {
    std::string url = "http://127.0.0.1:8402";
    std::string token;
    /// Logs in with this key instead of a token, and in whose name, where it is not its own.
    std::string key_file;
    std::string delegation_file;
    bool json = false;
    /// For one answer.
    std::chrono::milliseconds patience{30'000};
};

/// Adds --url, --token and --json; for a party's commands --key and --delegation-file as well.
enum class Audience { auditors, parties };
std::shared_ptr<ServiceOptions> add_service_options(CLI::App& command, Audience audience);

/// What the service answered.
struct ServiceAnswer {
    std::string text;
    boost::json::value value;
};

/// Asks a running service over REST. Everything throws CommandError, with the service's own reason
/// and what to do.
class ServiceClient {
public:
    /// Logs in when the options name a key.
    explicit ServiceClient(const ServiceOptions& options);

    ServiceAnswer get(const std::string& target) const;
    /// The body of an answer that is plain text; nothing when there is none (404).
    std::optional<std::string> find_text(const std::string& target) const;
    /// `body` is a JSON object.
    ServiceAnswer post(const std::string& target, const std::string& body) const;

    /// Of the options, or of the login; empty without either.
    const std::string& token() const { return token_; }

private:
    ServiceAnswer ask(std::string method, std::string target, std::string body) const;
    void log_in(const ServiceOptions& options);

    std::string url_;
    std::string token_;
    std::chrono::milliseconds patience_;
};

/// Throws CommandError unless `message` (ERC-4361) asks for a login at `authority` and nowhere
/// else: a service must not get a signature that is good at another. Names of the loopback
/// interface stand for each other.
void check_login_message(std::string_view message, std::string_view authority,
                         std::string_view checksum_address);

}  // namespace millrace::api
