#pragma once

#include "api/cli/dev/http.hpp"
#include "api/cli/process.hpp"
#include "channel/bytes.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::api {

/// The canonical addresses (x402-batch-settlement, Contracts).
inline constexpr std::string_view kDevContract = "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003";
inline constexpr std::string_view kDevCollector = "0x4020806089470a89826cB9fB1f4059150b550004";
inline constexpr std::string_view kDevPermit2Collector =
    "0x4020425FAf3B746C082C2f942b4E5159887B0005";
inline constexpr std::string_view kDevPermit2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";

struct DevChainSettings {
    std::filesystem::path data;
    LoopbackPort port;
    /// Mines at this interval; none: a block for every transaction.
    std::optional<unsigned> block_seconds;
    unsigned state_seconds = 5;
};

/// The development chain: anvil with chain id 31337 and its well-known ten accounts, whose state
/// is kept below `data`.
class DevChain {
public:
    static constexpr std::uint64_t kChainId = 31337;

    /// Throws std::runtime_error when there is no anvil.
    explicit DevChain(DevChainSettings settings);

    Process start() const;
    bool answers() const;
    /// Places our contracts, Permit2's stand-in among them, at the canonical addresses, deploys the
    /// token once, with 1,000,000 units for each of the ten accounts, and gives `relayer` coin for
    /// gas. May be repeated.
    void prepare(const channel::Address& relayer);

    /// Known after `prepare`.
    const std::string& token() const { return token_; }
    std::string url() const;

private:
    std::string call(std::string_view method, const std::string& params) const;
    void place(std::string_view address, std::string_view code) const;
    std::string deployed_token() const;
    std::string deploy_token() const;

    DevChainSettings settings_;
    std::filesystem::path anvil_;
    std::filesystem::path token_file_;
    std::string token_;
};

}  // namespace millrace::api
