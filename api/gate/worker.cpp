#include "api/gate/worker.hpp"

#include "channel/address.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace millrace::api::gate {
namespace {

TermsWanted wanted_terms(const GateConfig& config, const channel::Address& pay_to) {
    TermsWanted wanted;
    wanted.network = config.network;
    wanted.token = config.token;
    wanted.pay_to = pay_to;
    wanted.withdraw_delay_seconds = config.withdraw_delay_seconds;
    wanted.deposit_min = config.deposit_min;
    wanted.timeout_seconds = static_cast<std::uint64_t>(
        std::chrono::ceil<std::chrono::seconds>(config.upstream.answer_timeout).count());
    return wanted;
}

void say(const Terms& terms) {
    spdlog::info("payments go to {} on {}, in {} ({})", channel::to_checksum(terms.pay_to),
                 channel::to_string(terms.network), terms.token_name,
                 channel::to_checksum(terms.token));
}

}  // namespace

Worker::Worker(Shared& all, const ServiceLink::Options& options, const UpstreamAddress& address)
    : shared(all),
      link(context, options, all.metrics, all.service_notices,
           [this](const ServiceLink::Login& login) { return adopt(login); }),
      payments(link, all.config.outstanding_max),
      upstream(context, address, all.config.upstream, all.upstream_notices) {}

std::optional<std::string> Worker::adopt(const ServiceLink::Login& login) {
    const auto& config = shared.config;
    if (config.pay_to && *config.pay_to != login.address)
        return fmt::format(
            "gate.pay_to is {}, but the key is of {}, or stands for it: take the key or the "
            "delegation of the receiver, or leave pay_to out",
            channel::to_checksum(*config.pay_to), channel::to_checksum(login.address));
    auto made = make_terms(login.server_info, wanted_terms(config, login.address));
    if (auto* wrong = std::get_if<std::string>(&made)) return std::move(*wrong);
    terms = std::move(std::get<Terms>(made));
    std::call_once(shared.terms_said, [this] { say(*terms); });
    return std::nullopt;
}

}  // namespace millrace::api::gate
