#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/network.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::api {

/// How a gasless deposit can reach the escrow (x402: `assetTransferMethod`).
enum class TransferMethod { eip3009, permit2 };
std::string_view to_string(TransferMethod method);

struct TokenConfig {
    channel::Address address;
    /// Those that are taken, the one to prefer first.
    std::vector<TransferMethod> transfer_methods{TransferMethod::eip3009};
    /// The token's EIP-712 domain (ERC-3009).
    std::string name;
    std::string version;
    std::string symbol;
    int decimals = 0;
    /// A gasless deposit below this is refused.
    channel::Amount deposit_min{1};
    /// Claims automatically when a receiver's unclaimed total reaches it; zero: never.
    channel::Amount claim_threshold;
    /// Base units of the token for one whole coin of the network; zero: what gas costs is not
    /// weighed against what a claim brings.
    channel::Amount coin_price;
    /// Base units that the signer lets claims and refunds of an hour move. Where none is given, a
    /// million whole tokens.
    channel::Amount signed_value_per_hour_max;
};

bool takes(const TokenConfig& token, TransferMethod method);

struct NetworkConfig {
    channel::Network network;
    std::vector<std::string> rpc_urls;
    /// How many nodes have to agree on what money hangs on; zero: more than half of them.
    std::size_t rpc_agreement = 0;
    channel::Address contract;
    channel::Address erc3009_collector;
    /// Zero: deposits through Permit2 are not taken.
    channel::Address permit2_collector;
    /// A log counts once its block has this many blocks on top, itself included; at least 1.
    std::uint64_t confirmations = 12;
    std::uint64_t withdraw_delay_seconds_min = 900;
    std::uint64_t withdraw_delay_seconds_max = 2'592'000;
    std::chrono::milliseconds poll_interval{1000};
    std::chrono::milliseconds rpc_timeout{10'000};
    /// Claims automatically this often; zero: never.
    std::chrono::seconds claim_interval{0};
    std::size_t claim_rows_max = 100;
    /// Without being asked, a channel is claimed once its gas costs at most so much of it.
    unsigned claim_gas_percent_max = 10;
    /// Caps in wei per gas.
    channel::Amount max_fee_per_gas{200'000'000'000};
    channel::Amount priority_fee_per_gas{1'000'000'000};
    /// Wei that transactions of an hour may cost before the signer refuses.
    channel::Amount signed_cost_per_hour_max{5'000'000'000'000'000'000u};
    /// For the symbol of the network's coin in reports.
    std::string coin = "ETH";
    std::vector<TokenConfig> tokens;
};

struct ServerConfig {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8402;
    /// The domain and URI of ERC-4361 messages.
    std::string domain = "localhost:8402";
    std::string uri = "http://localhost:8402";
    unsigned io_threads = 0;  ///< 0: one per core
    bool metrics_public = true;
    std::chrono::milliseconds drain_timeout{10'000};
};

struct LimitsConfig {
    std::size_t frame_bytes_max = 64 * 1024;
    std::size_t json_depth_max = 16;
    std::size_t batch_requests_max = 256;
    std::size_t in_flight_max = 1024;
    std::size_t connections_max = 20'000;
    std::size_t connections_per_address_max = 10'000;
    std::size_t subscriptions_per_connection_max = 64;
    std::size_t outbound_bytes_max = 4 * 1024 * 1024;
    std::size_t reservations_per_channel_max = 1024;
    std::size_t channels_per_payer_max = 100'000;
    std::size_t detail_bytes_max = 4096;
    /// A claim of 250 rows for the x402 facilitator has some 170 KB.
    std::size_t http_body_bytes_max = 256 * 1024;
    std::size_t logins_pending_max = 10'000;
    std::size_t shard_queue_max = 65'536;
    /// How long a payment.accept waits for its deposit's confirmations, and how many may wait.
    std::chrono::seconds deposit_wait{60};
    std::size_t deposits_awaited_max = 1024;
    std::chrono::seconds idle_timeout{120};
    std::chrono::seconds handshake_timeout{10};
};

struct AuthConfig {
    std::chrono::seconds challenge_ttl{300};
    std::chrono::seconds token_ttl{86'400};
    /// Hex of at least 32 bytes that signs session tokens; empty: random at each start.
    std::string token_secret;
    /// SHA-256 (hex) of the bearer tokens of auditors and operators.
    std::vector<std::string> auditor_token_sha256;
    std::vector<std::string> operator_token_sha256;
};

struct LedgerConfig {
    std::string postgres = "postgresql:///millrace";
    unsigned shards = 1;  ///< Only the first start on a database looks at it.
    unsigned readers = 4;
    std::chrono::milliseconds lease_duration{5000};
    std::chrono::milliseconds commit_timeout{5000};
    /// So long after its acknowledgement a payment is posted at the latest; 0: before it.
    std::chrono::milliseconds post_within{3000};
    /// Judge every voucher by its own signature, also where a later one covers it.
    bool check_every_signature = false;
    /// Of keys that sign often, over all shards: 53 KiB each.
    std::size_t key_tables_max = 4096;
};

struct KeysConfig {
    /// Files that hold one key each, "0x" and 64 hex digits.
    std::string receiver_authorizer_file;
    std::string relayer_file;
    /// Where these are keystores: the file that holds their password.
    std::string password_file;
    /// The service signs with the keys itself: for development.
    bool in_process = false;
};

struct SignerConfig {
    /// Of the signer's Unix-domain socket: the service connects, the signer listens.
    std::string socket;
    /// Who may connect: a user's name or number; empty: the user that the signer runs as.
    std::string service_user;
    /// Where the signer keeps what it has signed.
    std::string state_directory;
    /// How long the service waits for a signature.
    std::chrono::milliseconds timeout{5000};
    unsigned signatures_per_minute_max = 600;
    /// Claims of payers that are contract wallets (ERC-1271), whose vouchers the signer cannot
    /// check.
    bool contract_payers = false;
};

struct TransparencyConfig {
    /// The log's name in tree heads, for good, such as "millrace.example/log".
    std::string origin;
    /// File with the 32 bytes (hex) that heads are signed with; empty: no transparency log.
    std::string key_file;
    /// Keeps the newest head outside of the database; empty: nothing does.
    std::string state_file;
    std::chrono::milliseconds seal_interval{1000};
};

/// What the x402 facilitator under /x402 does for others.
struct X402Config {
    bool enabled = true;
    /// How long a settlement waits for its transaction, and for how many blocks, its own included.
    std::chrono::milliseconds wait{30'000};
    std::uint64_t confirmations = 1;
    /// From one address.
    unsigned verify_per_minute_max = 3000;
    unsigned settle_per_minute_max = 300;
    /// From all.
    std::size_t in_flight_max = 256;
    /// Wei that the transactions of an hour may cost on each network.
    channel::Amount cost_per_hour_max{1'000'000'000'000'000'000u};
};

struct LogConfig {
    std::string level = "info";
    std::string format = "console";  ///< or "json"
};

struct Config {
    ServerConfig server;
    LimitsConfig limits;
    AuthConfig auth;
    LedgerConfig ledger;
    KeysConfig keys;
    SignerConfig signer;
    TransparencyConfig transparency;
    X402Config x402;
    LogConfig log;
    std::vector<NetworkConfig> networks;
};

/// Names the file, line and key, and what to do.
struct ConfigError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Reads a TOML file; every key of config/millrace.toml and no other. A variable
/// MILLRACE_SECTION__KEY overrides a key ("MILLRACE_LEDGER__POSTGRES"). An empty path: defaults
/// and environment only. Throws ConfigError.
Config load_config(const std::string& path);

/// The same from text; `file` names it in messages. All that is wrong is told at once, a line each.
Config parse_config(std::string_view text, const std::string& file,
                    const std::map<std::string, std::string>& environment);

}  // namespace millrace::api
