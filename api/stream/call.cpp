#include "api/stream/call.hpp"

#include <algorithm>
#include <array>

namespace millrace::api::stream {
namespace {

/// In the order of the enumerators.
constexpr std::array<std::string_view, 17> kNames{
    "server.info",       "auth.challenge",    "auth.login",     "channel.open",
    "channel.topUp",     "channel.get",       "channel.list",   "channel.refund",
    "payment.pay",       "payment.authorize", "payment.accept", "payment.charge",
    "payment.release",   "settlement.claim",  "settlement.get", "events.subscribe",
    "events.unsubscribe"};
static_assert(kNames.size() == static_cast<std::size_t>(Method::events_unsubscribe) + 1);

}  // namespace

std::string_view to_string(Method method) {
    return kNames[static_cast<std::size_t>(method)];
}

std::optional<Method> method_named(std::string_view name) {
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (found == kNames.end()) return std::nullopt;
    return static_cast<Method>(found - kNames.begin());
}

bool needs_login(Method method) {
    return method != Method::server_info && method != Method::auth_challenge &&
           method != Method::auth_login;
}

bool is_of_payers(Method method) {
    return method == Method::channel_open || method == Method::channel_top_up ||
           method == Method::payment_pay || method == Method::payment_authorize;
}

}  // namespace millrace::api::stream
