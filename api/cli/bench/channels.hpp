#pragma once

#include "api/cli/bench/load.hpp"
#include "api/cli/demo/party.hpp"
#include "api/cli/stream_client.hpp"
#include "channel/amount.hpp"
#include "channel/bytes.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace millrace::api::bench {

inline constexpr channel::Amount kDeposit{1'000'000'000};

/// What the benchmark is doing, on standard error.
void say(const std::string& text);

/// `id`: hex digits, as the service writes it. Throws std::runtime_error when the channel's deposit
/// is not confirmed within a minute.
void wait_until_open(StreamClient& stream, const std::string& id);

/// Who signs the vouchers of channels that are opened.
enum class VoucherSigner { each_its_own, payer };

struct Opening {
    channel::Address receiver;
    /// One for each channel.
    std::vector<channel::Amount> deposits;
    VoucherSigner signer = VoucherSigner::each_its_own;
};

/// Opens channels by gasless deposits, and waits until they are open. All are of one payer, which
/// outlives them. Throws std::runtime_error when one is refused.
std::vector<LoadChannel> open_channels(const DemoNetwork& network, DemoParty& party,
                                       const Opening& opening);
/// `count` with more than any load spends, each with a voucher signer of its own.
std::vector<LoadChannel> open_channels(const DemoNetwork& network, DemoParty& party,
                                       const channel::Address& receiver, std::size_t count);

}  // namespace millrace::api::bench
