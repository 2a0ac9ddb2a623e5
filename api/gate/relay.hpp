#pragma once

#include "api/gate/exchange.hpp"
#include "api/gate/upstream.hpp"
#include "api/gate/worker.hpp"
#include "api/task.hpp"

#include <prometheus/gauge.h>

#include <atomic>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::api::gate {

/// A place among the calls that are with the model server.
class UpstreamPlace {
public:
    /// Nothing where there are `most` already.
    static std::optional<UpstreamPlace> take(std::atomic<std::size_t>& taken, std::size_t most,
                                             prometheus::Gauge& gauge);
    UpstreamPlace(UpstreamPlace&& other) noexcept
        : taken_(std::exchange(other.taken_, nullptr)), gauge_(other.gauge_) {}
    UpstreamPlace(const UpstreamPlace&) = delete;
    UpstreamPlace& operator=(const UpstreamPlace&) = delete;
    UpstreamPlace& operator=(UpstreamPlace&&) = delete;
    ~UpstreamPlace();

private:
    UpstreamPlace(std::atomic<std::size_t>& taken, prometheus::Gauge& gauge)
        : taken_(&taken), gauge_(gauge) {}

    std::atomic<std::size_t>* taken_;
    prometheus::Gauge& gauge_;
};

/// The request as the model server gets it: without the payment and what belongs to the client's
/// connection, with the provider's own key where there is one.
UpstreamRequest upstream_request(const Shared& shared, const GateRequest& request,
                                 std::string body);
/// Fields of an answer as the client gets them.
Fields reply_fields(const UpstreamHead& head);

/// 502 or 504.
Reply fault_reply(UpstreamFault fault);

/// 503: there is no place at the model server.
Reply overloaded_reply();

/// The rest of a body as it comes, and its end; cut off where it breaks off or the client goes.
Task<void> pass_body(Exchange& exchange, Upstream::Call& call);
/// Passes an answer on as it comes, with `more` fields.
Task<void> relay(Exchange& exchange, Upstream::Call& call, UpstreamHead head, Fields more);

/// A request of a free path.
Task<void> pass_on(Worker& worker, Exchange& exchange);

}  // namespace millrace::api::gate
