#include "api/cli/demo/report.hpp"

#include "api/cli/demo/app.hpp"

#include "channel/hex.hpp"
#include "channel/uint256.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>

namespace millrace::api {
namespace {

namespace json = boost::json;

constexpr int kTokenDecimals = 6;
constexpr int kCoinDecimals = 18;

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t number) {
    auto digits = std::to_string(number);
    for (auto at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
        digits.insert(static_cast<std::size_t>(at), ",");
    return digits;
}

/// Base units as units: moves the point, rounds nothing.
std::string units(std::string digits, int decimals) {
    const auto places = static_cast<std::size_t>(decimals);
    if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
    digits.insert(digits.size() - places, ".");
    return digits;
}
std::string tokens(channel::Amount amount) {
    return units(channel::to_string(amount), kTokenDecimals);
}

channel::Amount share(channel::Amount total, std::uint64_t parts) {
    return channel::Amount{total.units() / std::max<std::uint64_t>(parts, 1)};
}

std::string milliseconds(std::uint32_t microseconds) {
    return fmt::format("{}.{} ms", microseconds / 1000, microseconds / 100 % 10);
}

std::string asset_name(const ledger::AssetBalance& asset) {
    return channel::to_string(asset.network) + " " + asset.symbol;
}

}  // namespace

std::string demo_report_text(const DemoReport& report) {
    const auto& expected = report.expected;
    auto text = fmt::format(
        "\nPayments       {}: {} paid at once, {} authorized and charged\n"
        "Acknowledged   {} updates in {}.{:03} s: {} updates/s, each on disk before its answer\n"
        "Latency        p50 {}, p99 {} ({} apps with up to {} requests in flight)\n"
        "Gas            {} in {} transactions: {} gas and {} ETH per payment\n",
        grouped(report.payments()), grouped(report.paid), grouped(report.charged),
        grouped(report.updates()), report.stream_milliseconds / 1000,
        report.stream_milliseconds % 1000, grouped(report.updates_per_second()),
        milliseconds(expected.latency_p50), milliseconds(expected.latency_p99), expected.apps,
        kDemoWindow, grouped(report.gas.gas), report.gas.transactions,
        report.gas.gas / std::max<std::uint64_t>(report.payments(), 1),
        units(channel::to_string(share(report.gas.fee, report.payments())), kCoinDecimals));
    for (const auto& provider : report.providers)
        text += fmt::format("Provider       {} charged {} USDC, received {} USDC on chain\n",
                            channel::to_hex(provider.address), tokens(provider.charged),
                            tokens(provider.received));
    for (const auto& asset : report.trial_balance.assets)
        text += fmt::format(
            "Trial balance  {}: debits {}, credits {}, difference {}\n", asset_name(asset),
            units(channel::to_decimal(asset.debits), asset.decimals),
            units(channel::to_decimal(asset.credits), asset.decimals), asset.difference);
    text += fmt::format(
        "Escrow         ledger {} USDC, contract {} USDC; {} channels compared, {} differ\n",
        tokens(report.escrow_ledger), tokens(report.escrow_contract), report.channels,
        report.channels_differing);
    const auto faults = report.faults();
    for (const auto& fault : faults) text += "WRONG          " + fault + "\n";
    return text + (faults.empty() ? "All figures add up.\n" : "The figures do not add up.\n");
}

std::string demo_report_json(const DemoReport& report) {
    json::array providers;
    for (const auto& provider : report.providers)
        providers.push_back({{"address", channel::to_hex(provider.address)},
                             {"charged", channel::to_string(provider.charged)},
                             {"received", channel::to_string(provider.received)},
                             {"settled", channel::to_string(provider.settled)}});
    json::array balances;
    for (const auto& asset : report.trial_balance.assets)
        balances.push_back({{"network", channel::to_string(asset.network)},
                            {"token", channel::to_hex(asset.token)},
                            {"debits", channel::to_decimal(asset.debits)},
                            {"credits", channel::to_decimal(asset.credits)},
                            {"difference", asset.difference}});
    const auto faults = report.faults();
    const json::object object{
        {"ok", faults.empty()},
        {"faults", json::array(faults.begin(), faults.end())},
        {"payments", report.payments()},
        {"paid", report.paid},
        {"authorizedAndCharged", report.charged},
        {"updates", report.updates()},
        {"milliseconds", report.stream_milliseconds},
        {"updatesPerSecond", report.updates_per_second()},
        {"latencyMicroseconds",
         {{"p50", report.expected.latency_p50}, {"p99", report.expected.latency_p99}}},
        {"gas",
         {{"transactions", report.gas.transactions},
          {"gas", report.gas.gas},
          {"fee", channel::to_string(report.gas.fee)},
          {"feePerPayment", channel::to_string(share(report.gas.fee, report.payments()))}}},
        {"providers", std::move(providers)},
        {"trialBalance", std::move(balances)},
        {"escrow",
         {{"ledger", channel::to_string(report.escrow_ledger)},
          {"contract", channel::to_string(report.escrow_contract)},
          {"channels", report.channels},
          {"channelsDiffering", report.channels_differing}}}};
    return json::serialize(object) + "\n";
}

}  // namespace millrace::api
