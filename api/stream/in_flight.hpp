#pragma once

#include "api/stream/call.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::api::stream {

/// The answers of a JSON-RPC batch, collected until the last is there.
struct BatchReply {
    std::string text = "[";
    std::size_t missing = 0;
};

/// A request that waits for its answer.
struct Pending {
    /// As in `Call`.
    std::string id;
    std::optional<Method> method;
    /// Null: answered by a frame of its own.
    std::shared_ptr<BatchReply> batch;
};

/// The requests of a connection that are not answered yet, by number. Memory is reused, so that a
/// steady stream allocates nothing here.
class InFlight {
public:
    /// A number that is not in use and will not be given out again.
    std::uint64_t open(Pending pending);
    /// Nothing when there is no such request, or it was answered before.
    std::optional<Pending> close(std::uint64_t number);
    std::size_t size() const { return slots_.size() - free_.size(); }

private:
    struct Slot {
        std::uint32_t generation = 0;
        bool used = false;
        Pending pending;
    };
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
};

}  // namespace millrace::api::stream
