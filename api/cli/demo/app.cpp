#include "api/cli/demo/app.hpp"

#include "channel/hex.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <thread>

namespace millrace::api {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kDepositPatience{30};
constexpr std::chrono::milliseconds kLookAgain{20};

/// What a payment costs, or may cost at most: from a tenth of a cent to a cent.
channel::Amount price(std::uint64_t payment) {
    return channel::Amount{1000 + payment % 10 * 1000};
}

channel::Amount sum(channel::Amount a, channel::Amount b) {
    return channel::add(a, b).value();
}

/// Of the payments from `first` up to, not including, `end`.
channel::Amount price_of_all(std::uint64_t first, std::uint64_t end) {
    channel::Amount total;
    for (auto payment = first; payment < end; ++payment) total = sum(total, price(payment));
    return total;
}

}  // namespace

DemoApp::DemoApp(const DemoNetwork& network, DemoAppPlan plan)
    : network_(network), plan_(std::move(plan)), party_(DemoParty::make()) {
    config_ = {.payer = party_.address(),
               .payer_authorizer = {},
               .receiver = plan_.provider,
               .receiver_authorizer = network.receiver_authorizer,
               .token = network.token,
               .withdraw_delay_seconds = network.withdraw_delay_seconds,
               .salt = {random_word().bytes}};
    id_ = channel::channel_id(network.escrow_separator, config_);
    latencies_.reserve(plan_.payments);
}

channel::Amount DemoApp::budget() const {
    return price_of_all(0, plan_.payments);
}

void DemoApp::open(const StreamAddress& address) {
    party_.connect(address);
    const bool whole = plan_.deposit == Deposit::whole;
    const auto deposit = price_of_all(0, whole ? plan_.payments : plan_.payments / 2);
    party_.stream().call("channel.open",
                         open_params(network_, party_, config_, plan_.name, deposit));
    wait_for_balance(deposit);
}

void DemoApp::wait_for_balance(channel::Amount balance) {
    const auto params = fmt::format(R"({{"channelId":"{}"}})", channel::to_hex(id_));
    const auto deadline = steady_clock::now() + kDepositPatience;
    while (steady_clock::now() < deadline) {
        const auto channel = party_.stream().call("channel.get", params);
        if (channel.at("status").as_string() == "open" &&
            channel.at("balance").as_string() == channel::to_string(balance))
            return;
        std::this_thread::sleep_for(kLookAgain);
    }
    throw std::runtime_error("the deposit of " + plan_.name + " does not arrive");
}

void DemoApp::stream(DemoProgress& progress) {
    for (std::uint64_t payment = 0; payment < plan_.payments; ++payment) {
        if (plan_.deposit == Deposit::half_then_top_up && payment == plan_.payments / 2)
            top_up(progress);
        if (sent_at_.size() >= kDemoWindow) take_answer(progress);
        send(payment);
    }
    while (!sent_at_.empty()) take_answer(progress);
}

/// Each voucher covers all that came before it, so the newest proves them all.
void DemoApp::send(std::uint64_t payment) {
    const auto amount = price(payment);
    promised_ = sum(promised_, amount);
    const bool authorize = is_authorized(payment);
    const auto params = fmt::format(
        R"({{"channelId":"{}","inference":{{"id":"{}-{}","model":"demo-1","app":"{}"}},)"
        R"("{}":"{}","voucher":{}}})",
        channel::to_hex(id_), plan_.name, payment, plan_.name, authorize ? "maxAmount" : "amount",
        channel::to_string(amount), voucher_json(network_, party_, id_, promised_));
    const auto id = party_.stream().send(authorize ? "payment.authorize" : "payment.pay", params);
    sent_at_.emplace(id, steady_clock::now());
}

void DemoApp::take_answer(DemoProgress& progress) {
    const auto message = party_.stream().receive();
    if (message.failed) throw StreamRefusal("a payment of " + plan_.name, message.body);
    const auto sent = sent_at_.extract(message.id.value());
    if (sent.empty()) throw std::runtime_error("an answer that nobody asked for");
    const auto taken =
        std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - sent.mapped());
    latencies_.push_back(static_cast<std::uint32_t>(taken.count()));
    ++progress.acknowledged;
}

void DemoApp::top_up(DemoProgress& progress) {
    while (!sent_at_.empty()) take_answer(progress);
    const auto deposit = price_of_all(plan_.payments / 2, plan_.payments);
    party_.stream().call("channel.topUp", top_up_params(network_, party_, id_, deposit));
    wait_for_balance(budget());
}

}  // namespace millrace::api
