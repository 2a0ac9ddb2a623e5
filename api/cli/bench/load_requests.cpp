#include "api/cli/bench/load_requests.hpp"

#include "channel/amount.hpp"
#include "channel/hex.hpp"
#include "channel/voucher.hpp"

#include <fmt/format.h>

#include <atomic>
#include <stdexcept>
#include <string_view>

namespace millrace::api::bench {
namespace {

std::atomic<std::uint64_t> next_run = 1;

struct Method {
    std::string_view name;
    /// What it calls the amount.
    std::string_view amount;
};
constexpr Method kPay{"payment.pay", "amount"};
constexpr Method kAuthorize{"payment.authorize", "maxAmount"};

void check_fits(std::uint64_t count) {
    if (count > kIdsPerLane) throw std::runtime_error("too many payments on one channel");
}

std::vector<std::string> with_vouchers(const Method& method, LoadChannel& on, std::uint64_t run,
                                       std::size_t lane, std::uint64_t count) {
    check_fits(count);
    std::vector<std::string> requests;
    requests.reserve(count);
    const auto id = channel::to_hex(on.id);
    for (std::uint64_t n = 0; n < count; ++n) {
        on.charged += kLoadPrice;
        const auto digest = channel::digest(on.escrow_separator,
                                            channel::Voucher{on.id, channel::Amount{on.charged}});
        requests.push_back(
            fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{{"channelId":"{}",)"
                        R"("inference":{{"id":"b{}-{}","model":"bench"}},"{}":"{}",)"
                        R"("voucher":{{"maxClaimableAmount":"{}","signature":"{}"}}}}}})",
                        lane * kIdsPerLane + n, method.name, id, run, on.charged, method.amount,
                        kLoadPrice, on.charged, channel::to_hex(on.signer->sign(digest))));
    }
    return requests;
}

}  // namespace

LoadRequests::LoadRequests() : run_(next_run++) {}

std::vector<std::string> LoadRequests::pay(LoadChannel& on, std::size_t lane,
                                           std::uint64_t count) const {
    return with_vouchers(kPay, on, run_, lane, count);
}

std::vector<std::string> LoadRequests::authorize(LoadChannel& on, std::size_t lane,
                                                 std::uint64_t count) const {
    return with_vouchers(kAuthorize, on, run_, lane, count);
}

std::vector<std::string> LoadRequests::charge(const LoadChannel& on, std::size_t lane,
                                              std::uint64_t count) const {
    check_fits(count);
    std::vector<std::string> requests;
    requests.reserve(count);
    const auto id = channel::to_hex(on.id);
    auto total = on.charged - count * kLoadPrice;
    for (std::uint64_t n = 0; n < count; ++n) {
        total += kLoadPrice;
        requests.push_back(
            fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"payment.charge","params":{{)"
                        R"("channelId":"{}","inferenceId":"b{}-{}","amount":"{}"}}}})",
                        lane * kIdsPerLane + n, id, run_, total, kLoadPrice));
    }
    return requests;
}

}  // namespace millrace::api::bench
