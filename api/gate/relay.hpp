#pragma once

#include "api/gate/exchange.hpp"
#include "api/gate/upstream.hpp"
#include "api/gate/worker.hpp"
#include "api/task.hpp"

#include <string>
#include <string_view>

namespace millrace::api::gate {

/// A place among the calls that are with the model server.
class UpstreamPlace {
public:
    explicit UpstreamPlace(Shared& shared);
    UpstreamPlace(const UpstreamPlace&) = delete;
    UpstreamPlace& operator=(const UpstreamPlace&) = delete;
    ~UpstreamPlace();
    /// False where there are `gate.upstream_calls_max` already.
    bool is_free() const { return is_free_; }

private:
    Shared& shared_;
    bool is_free_;
};

/// The request as the model server gets it: without the payment and what belongs to the client's
/// connection, with the provider's own key where there is one.
UpstreamRequest upstream_request(const Shared& shared, const GateRequest& request,
                                 std::string body);
/// Fields of an answer as the client gets them.
Fields reply_fields(const UpstreamHead& head);

Reply problem_reply(unsigned status, std::string_view reason, std::string_view detail,
                    Fields fields = {});
/// 502 or 504.
Reply fault_reply(UpstreamFault fault);

/// Passes an answer on as it comes, with `more` fields.
Task<void> relay(Exchange& exchange, Upstream::Call& call, UpstreamHead head, Fields more);

/// A request of a free path.
Task<void> pass_on(Worker& worker, Exchange& exchange);

}  // namespace millrace::api::gate
