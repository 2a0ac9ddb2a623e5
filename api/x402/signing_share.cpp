#include "api/x402/signing_share.hpp"

#include "channel/error.hpp"

#include <algorithm>
#include <chrono>

namespace millrace::api::x402 {
namespace {

using channel::Amount;

constexpr std::size_t kOfSignatures = 4;
constexpr unsigned kOfValue = 2;
constexpr unsigned kOfValueForOne = 4;
/// A refund with its claim, and the transaction that carries both.
constexpr std::size_t kSignaturesOfRequest = 3;

Objection too_much(std::string message) {
    return {channel::reason(channel::Error::rate_limited), std::move(message)};
}

Amount plus(Amount a, Amount b) {
    const auto sum = channel::add(a, b);
    return sum ? *sum : Amount::max();
}

}  // namespace

SigningShare::SigningShare(const Config& config, const NetworkConfig& network)
    : network_(network),
      signatures_max_(std::max(kSignaturesOfRequest, config.signer.signatures_per_minute_max /
                                                         kOfSignatures / config.networks.size())) {}

std::optional<Objection> SigningShare::take(ledger::Time now) {
    while (!signatures_.empty() && now - signatures_.front() >= std::chrono::minutes{1})
        signatures_.pop_front();
    if (signatures_.size() >= signatures_max_)
        return too_much("As much is signed for others within a minute as may be; ask again later.");
    signatures_.push_back(now);
    return std::nullopt;
}

std::optional<Objection> SigningShare::take(ledger::Time now, const Moved& moved) {
    while (!values_.empty() && now - values_.front().at >= std::chrono::hours{1})
        values_.pop_front();
    const auto is_same = [&](const Signed& one) { return one.moved.digest == moved.digest; };
    const bool is_known = std::any_of(values_.begin(), values_.end(), is_same);
    if (!is_known && !is_within_value(moved))
        return too_much(
            "Claims and refunds that are signed for others have moved as much within an hour as "
            "they may; ask again later, or sign with a receiver authorizer of your own.");
    if (auto refused = take(now)) return refused;
    if (!is_known) values_.push_back({now, moved});
    return std::nullopt;
}

bool SigningShare::is_within_value(const Moved& moved) const {
    Amount all = moved.value;
    Amount of_receiver = moved.value;
    for (const auto& one : values_) {
        if (one.moved.token != moved.token) continue;
        all = plus(all, one.moved.value);
        if (one.moved.receiver == moved.receiver) of_receiver = plus(of_receiver, one.moved.value);
    }
    const auto token = std::find_if(network_.tokens.begin(), network_.tokens.end(),
                                    [&](const auto& one) { return one.address == moved.token; });
    if (token == network_.tokens.end()) return false;
    const auto most = token->signed_value_per_hour_max.units();
    return all.units() <= most / kOfValue && of_receiver.units() <= most / kOfValueForOne;
}

}  // namespace millrace::api::x402
