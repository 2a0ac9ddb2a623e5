#include "api/cli/dev/config.hpp"

#include "api/cli/dev/chain.hpp"

#include "channel/bytes.hpp"
#include "channel/hex.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <stdexcept>

namespace millrace::api {
namespace {

/// As sha256sum prints it: the service knows bearer tokens only by their hash.
std::string sha256_hex(const std::string& text) {
    std::array<std::uint8_t, 32> digest{};
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not available");
    return channel::to_hex(channel::BytesView{digest}).substr(2);
}

/// As a basic string of TOML.
std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result + '"';
}

constexpr auto kTemplate = R"(# Written by millrace dev at each start: changes do not last.
[server]
port = {port}
domain = "127.0.0.1:{port}"
uri = "http://127.0.0.1:{port}"

[auth]
token_secret = "{token_secret}"
auditor_token_sha256 = ["{auditor}"]
operator_token_sha256 = ["{operator_}"]

[ledger]
postgres = {postgres}
# A service that was killed holds its shards for so long.
lease_duration_ms = 2000

[keys]
receiver_authorizer_file = {receiver_authorizer_file}
relayer_file = {relayer_file}
# For development alone: elsewhere the keys belong into a process of their own (millrace signer).
in_process = true

[transparency]
origin = "127.0.0.1/millrace-dev"
key_file = {log_key_file}
state_file = {log_state_file}
seal_interval_ms = 200

[[networks]]
network = "eip155:{chain_id}"
rpc_urls = ["{rpc}"]
contract = "{contract}"
erc3009_collector = "{collector}"
permit2_collector = "{permit2_collector}"
# Blocks of this chain are never undone by others.
confirmations = 1
poll_interval_ms = 100

[[networks.tokens]]
address = "{token}"
name = "USD Coin"
version = "2"
symbol = "USDC"
decimals = 6
)";

}  // namespace

std::string dev_config(const DevService& service) {
    return fmt::format(
        kTemplate, fmt::arg("port", service.port.number),
        fmt::arg("token_secret", service.secrets.token_secret),
        fmt::arg("auditor", sha256_hex(service.secrets.auditor_token)),
        fmt::arg("operator_", sha256_hex(service.secrets.operator_token)),
        fmt::arg("postgres", quoted(service.postgres_url)),
        fmt::arg("receiver_authorizer_file",
                 quoted(service.secrets.receiver_authorizer_file.string())),
        fmt::arg("relayer_file", quoted(service.secrets.relayer_file.string())),
        fmt::arg("log_state_file", quoted(service.secrets.log_key_file.string() + ".head")),
        fmt::arg("log_key_file", quoted(service.secrets.log_key_file.string())),
        fmt::arg("chain_id", DevChain::kChainId), fmt::arg("rpc", service.rpc_url),
        fmt::arg("contract", kDevContract), fmt::arg("collector", kDevCollector),
        fmt::arg("permit2_collector", kDevPermit2Collector), fmt::arg("token", service.token));
}

}  // namespace millrace::api
