#include "api/cli/service_client.hpp"

#include "api/auth/delegation_file.hpp"
#include "api/chain/key_file.hpp"
#include "api/cli/commands.hpp"
#include "api/cli/http_client.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace millrace::api {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string remedy(unsigned status, std::string_view target) {
    // Of a login, the service says itself what is wrong with it.
    if (target.starts_with("/v1/auth/") && status < 500) return "";
    if (status == 401)
        return "\nGive a token with --token or MILLRACE_TOKEN, or log in with --key.";
    if (status == 403) return "\nUse another token or key.";
    if (status == 404) return "";
    if (status == 503) return "\nThe service says when it is well again: GET /readyz.";
    return "";
}

[[noreturn]] void refused(const std::string& target, unsigned status, const json::value& body) {
    if (!body.is_object() || !body.get_object().contains("reason"))
        throw CommandError(
            fmt::format("{}: status {}, and not in the way of a Millrace service. Is --url (or "
                        "MILLRACE_URL) the service's?",
                        target, status));
    const auto& problem = body.get_object();
    auto what = fmt::format("{}: {}", text_of(problem, "reason"), text_of(problem, "detail"));
    if (const auto field = text_of(problem, "field"); !field.empty()) what += " (" + field + ")";
    throw CommandError(what + remedy(status, target));
}

json::value parsed(const std::string& text) {
    json::error_code error;
    auto value = json::parse(text, error);
    return error ? json::value() : value;
}

std::string_view port_of(std::string_view authority) {
    const auto colon = authority.rfind(':');
    return colon == std::string_view::npos ? std::string_view{} : authority.substr(colon);
}

bool is_loopback(std::string_view authority) {
    const auto host = authority.substr(0, authority.size() - port_of(authority).size());
    return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

}  // namespace

std::shared_ptr<ServiceOptions> add_service_options(CLI::App& command, Audience audience) {
    auto options = std::make_shared<ServiceOptions>();
    command.add_option("--url", options->url, "Of the service")->envname("MILLRACE_URL");
    command
        .add_option("--token", options->token,
                    audience == Audience::auditors ? "An auditor's bearer token"
                                                   : "A bearer token: of a login, or an auditor's")
        ->envname("MILLRACE_TOKEN")
        ->type_name("TOKEN");
    if (audience == Audience::parties) {
        auto* key =
            command
                .add_option("--key", options->key_file, "Log in with the key in this file instead")
                ->type_name("FILE");
        command
            .add_option("--delegation-file", options->delegation_file,
                        "In the name of the receiver that has delegated to --key: what `millrace "
                        "keys delegate` wrote")
            ->type_name("FILE")
            ->needs(key);
    }
    command.add_flag("--json", options->json, "Print what the service answers, as JSON");
    return options;
}

ServiceClient::ServiceClient(const ServiceOptions& options)
    : url_(options.url), token_(options.token), patience_(options.patience) {
    if (!options.key_file.empty()) log_in(options);
}

ServiceAnswer ServiceClient::get(const std::string& target) const {
    return ask("GET", target, {});
}

std::optional<std::string> ServiceClient::find_text(const std::string& target) const {
    constexpr unsigned kNotFound = 404;
    auto answer = call(parse_url(url_), {.target = target, .bearer = token_});
    if (answer.status == kNotFound) return std::nullopt;
    if (answer.status >= 400) refused(target, answer.status, parsed(answer.body));
    return std::move(answer.body);
}

ServiceAnswer ServiceClient::post(const std::string& target, const std::string& body) const {
    return ask("POST", target, body);
}

ServiceAnswer ServiceClient::ask(std::string method, std::string target, std::string body) const {
    const auto answer = call(parse_url(url_), {.method = std::move(method),
                                               .target = target,
                                               .bearer = token_,
                                               .body = std::move(body),
                                               .patience = patience_});
    auto value = parsed(answer.body);
    if (answer.status >= 400) refused(target, answer.status, value);
    if (!value.is_object())
        throw CommandError(
            fmt::format("{}{}: this is no answer of a Millrace service", url_, target));
    return {answer.body, std::move(value)};
}

void ServiceClient::log_in(const ServiceOptions& options) {
    const auto key = read_key_file("--key", options.key_file);
    json::object proof;
    if (!options.delegation_file.empty())
        proof["delegation"] = read_delegation_file("--delegation-file", options.delegation_file);
    const auto address = key.address();
    const auto challenge = post(
        "/v1/auth/challenge", json::serialize(json::object{{"address", channel::to_hex(address)}}));
    const auto message = text_of(challenge.value.get_object(), "message");
    check_login_message(message, parse_url(url_).authority, channel::to_checksum(address));
    const auto signature = key.sign(channel::personal_message_digest(message));
    proof["message"] = message;
    proof["signature"] = channel::to_hex(signature);
    const auto login = post("/v1/auth/login", json::serialize(proof));
    token_ = text_of(login.value.get_object(), "token");
}

void check_login_message(std::string_view message, std::string_view authority,
                         std::string_view checksum_address) {
    constexpr std::string_view kAsks = " wants you to sign in with your Ethereum account:\n";
    const auto domain = message.substr(0, message.find(' '));
    const bool same_place = domain == authority || (is_loopback(domain) && is_loopback(authority) &&
                                                    port_of(domain) == port_of(authority));
    const auto expected = std::string(domain).append(kAsks).append(checksum_address) + '\n';
    if (same_place && message.starts_with(expected)) return;
    throw CommandError(fmt::format(
        "the service at {} wants a login for {} signed, which would be good there: not signed.\n"
        "Use that as --url, or set server.domain of the service to {}.",
        authority, domain, authority));
}

}  // namespace millrace::api
