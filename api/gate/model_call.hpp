#pragma once

#include "api/gate/exchange.hpp"
#include "api/gate/quote.hpp"
#include "api/gate/relay.hpp"
#include "api/gate/upstream.hpp"
#include "api/gate/worker.hpp"
#include "api/task.hpp"

#include <chrono>
#include <memory>
#include <optional>

namespace millrace::api::gate {

/// A priced call at the model server, until the head of its answer is here. It may be asked before
/// its payment is taken; then nothing of the answer is to leave the gate before that.
class ModelCall {
public:
    /// All of it outlives the call.
    ModelCall(Worker& worker, Exchange& exchange, const Quote& quote)
        : worker_(worker), exchange_(exchange), quote_(quote) {}
    ModelCall(const ModelCall&) = delete;
    ~ModelCall() { exchange_.on_gone({}); }

    /// Takes a place at the model server, asks, and waits for the head. A payer that goes ends it.
    Task<void> ask();
    /// Ends it when the service refuses `payment`, or has not answered by the deadline.
    Task<void> ask_ahead_of(std::shared_ptr<ServiceCall> payment,
                            std::chrono::steady_clock::time_point deadline);

    bool was_asked() const { return call_ != nullptr; }
    /// There was no place at the model server.
    bool has_no_place() const { return has_no_place_; }
    /// Nothing where there is none; `answer().fault()` says why.
    std::optional<UpstreamHead>& head() { return head_; }
    /// Only where it was asked, and had a place.
    Upstream::Call& answer() { return *call_; }
    /// The answer is read: its place is another's.
    void leave() { place_.reset(); }
    /// The answer is not wanted.
    void end();

private:
    bool take_place();
    Task<void> begin();

    Worker& worker_;
    Exchange& exchange_;
    const Quote& quote_;
    std::optional<UpstreamPlace> place_;
    bool has_no_place_ = false;
    /// Shared with what may end it, and comes too late.
    std::shared_ptr<Upstream::Call> call_;
    std::optional<UpstreamHead> head_;
};

}  // namespace millrace::api::gate
