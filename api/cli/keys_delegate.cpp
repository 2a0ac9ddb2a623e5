#include "api/cli/keys_delegate.hpp"

#include "api/auth/delegation.hpp"
#include "api/chain/key_file.hpp"
#include "api/cli/audit/output_file.hpp"
#include "api/cli/audit/time_option.hpp"
#include "api/clock.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace millrace::api {
namespace {

struct NewDelegation {
    std::string key_file;
    std::string password_file;
    std::string delegate;
    std::string domain;
    std::string expires = "90d";
    std::string out;
};

std::string check_address(const std::string& text) {
    return channel::parse_fixed<channel::Address>(text) ? "" : "expected 0x and 40 digits";
}

/// What of a URL does not belong into a domain; empty when it may be one: a host and perhaps a
/// port, as server.domain has it.
std::string_view beside_domain(std::string_view text) {
    const auto scheme = text.find("://");
    if (scheme != text.npos) return text.substr(0, scheme + 3);
    const auto other = text.find_first_of("/?#@\\");
    return other == text.npos ? std::string_view{} : text.substr(other);
}

bool is_port(std::string_view text) {
    constexpr std::size_t kDigitsMax = 5;
    return !text.empty() && text.size() <= kDigitsMax &&
           text.find_first_not_of("0123456789") == text.npos;
}

std::string check_domain(const std::string& text) {
    constexpr std::string_view kExpected = "expected a name such as pay.example or localhost:8402";
    if (const auto more = beside_domain(text); !more.empty())
        return fmt::format("{}, without {}", kExpected, more);
    const bool has_space = text.find_first_of(" \t\r\n") != text.npos;
    const auto port = text.find(':', text.starts_with('[') ? text.find(']') : 0);
    const bool has_host = !text.empty() && port != 0;
    if (has_space || !has_host || (port != text.npos && !is_port(text.substr(port + 1))))
        return std::string(kExpected);
    return {};
}

int delegate(const NewDelegation& wanted) {
    const auto key = read_key_file("--key", wanted.key_file, wanted.password_file);
    const ledger::Time issued_at = std::chrono::floor<std::chrono::seconds>(now());
    const auto expires_at = *parse_time_ahead(wanted.expires, issued_at);
    if (expires_at <= issued_at || expires_at - issued_at > kDelegationMax)
        throw CommandError("--expires has to be in the future, by at most 365 days");
    const Delegation delegation{wanted.domain, key.address(),
                                *channel::parse_fixed<channel::Address>(wanted.delegate), issued_at,
                                expires_at};
    const auto message = to_text(delegation);
    const boost::json::object body{
        {"message", message},
        {"signature", channel::to_hex(key.sign(channel::personal_message_digest(message)))},
        {"address", channel::to_hex(delegation.account)},
        {"delegate", channel::to_hex(delegation.delegate)},
        {"expiresAt", ledger::to_rfc3339(expires_at)}};
    OutputFile file(wanted.out);
    file.write(boost::json::serialize(body) + '\n');
    file.finish();
    fmt::print(stderr, "{} may act for {} at {} until {}; nothing ends it before.\n",
               channel::to_checksum(delegation.delegate), channel::to_checksum(delegation.account),
               delegation.domain, to_seconds(expires_at));
    return kExitDone;
}

}  // namespace

void add_keys_delegate(CLI::App& keys, Action& action) {
    auto* command = keys.add_subcommand(
        "delegate",
        "Let another key charge, claim and refund for a receiver, as JSON for auth.login");
    const auto wanted = std::make_shared<NewDelegation>();
    command->add_option("--key", wanted->key_file, "The receiver's key file or keystore")
        ->type_name("FILE")
        ->required();
    command
        ->add_option("--password-file", wanted->password_file,
                     "Its first line is the keystore's password; otherwise it is asked for")
        ->type_name("FILE");
    command->add_option("--to", wanted->delegate, "The address of the key that is to act")
        ->type_name("ADDRESS")
        ->check(check_address)
        ->required();
    command->add_option("--domain", wanted->domain, "Of the service, as its server.domain says")
        ->type_name("DOMAIN")
        ->check(check_domain)
        ->required();
    command
        ->add_option("--expires", wanted->expires,
                     "When it ends: after days or hours (90d, 12h), or at a time; at most 365 days")
        ->type_name("WHEN")
        ->check(check_time_option)
        ->capture_default_str();
    command->add_option("--out", wanted->out, "Where to; default: standard output")
        ->type_name("FILE");
    command->footer(
        "Example:\n  millrace keys delegate --key receiver.json --to 0x7099… --domain pay.example "
        "--expires 90d --out delegation.json");
    command->callback([&action, wanted] { action = [wanted] { return delegate(*wanted); }; });
}

}  // namespace millrace::api
