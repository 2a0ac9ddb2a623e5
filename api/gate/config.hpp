#pragma once

#include "api/config.hpp"
#include "api/gate/connection.hpp"
#include "api/gate/price_list.hpp"
#include "api/gate/service_link.hpp"
#include "api/gate/upstream.hpp"
#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/network.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::api::gate {

/// Everything a gate is told; config/gate.toml says what each is for.
struct GateConfig {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8404;
    unsigned io_threads = 0;  ///< 0: one per core
    std::string name = "gate";
    std::string public_url;
    std::string admin_path = "/.millrace";

    std::string upstream_url;
    std::string upstream_key_file;
    UpstreamLimits upstream;
    std::size_t upstream_calls_max = 1024;
    std::size_t free_calls_max = 256;
    std::size_t reply_bytes_max = 16 * 1024 * 1024;
    /// Of all whole answers together.
    std::size_t replies_bytes_max = 256 * 1024 * 1024;
    std::size_t event_bytes_max = 1024 * 1024;

    std::string service_url = "ws://127.0.0.1:8402/v1/stream";
    std::string key_file;
    std::string password_file;
    std::string delegation_file;
    std::optional<channel::Network> network;
    std::optional<channel::Address> token;
    std::optional<channel::Address> pay_to;
    std::optional<std::uint64_t> withdraw_delay_seconds;
    channel::Amount deposit_min;

    std::chrono::milliseconds accept_timeout{10'000};
    std::chrono::milliseconds deposit_timeout{90'000};
    std::chrono::milliseconds charge_timeout{10'000};
    std::chrono::milliseconds refund_timeout{60'000};
    /// Of a stream, what was delivered is charged this often.
    std::chrono::milliseconds charge_interval{2000};
    /// How long a call waits while another is at work on its channel.
    std::chrono::milliseconds turn_timeout{30'000};
    /// The model server may be asked while the payment is being taken.
    bool ahead_of_payment = true;
    std::size_t waiting_per_channel_max = 64;
    std::size_t outstanding_max = 10'000;

    ConnectionLimits connection;
    std::size_t connections_max = 4096;
    std::size_t connections_per_address_max = 1024;
    std::chrono::milliseconds drain_timeout{30'000};

    PriceList prices;
    LogConfig log;
};

/// What the command line says in place of keys of [gate], by key: `key_file` of --key-file.
using GateOverrides = std::map<std::string, std::string>;

/// Reads a TOML file; every key of config/gate.toml and no other. A variable MILLRACE_GATE__KEY
/// overrides a key of [gate], and `command_line` overrides both. An empty path: these two and
/// defaults. Throws ConfigError with all that is wrong, a line each, and whose it is.
GateConfig load_gate_config(const std::string& path, const GateOverrides& command_line);
/// The same from text; `file` names it in messages.
GateConfig parse_gate_config(std::string_view text, const std::string& file,
                             std::map<std::string, std::string> environment,
                             const GateOverrides& command_line = {});

/// What cannot be left out, after the command line had its say: the model server, the key, at least
/// one price; and that the model server's URL does not repeat what priced paths begin with. Throws
/// ConfigError.
void check(const GateConfig& config);

}  // namespace millrace::api::gate
