#pragma once

#include "api/config.hpp"
#include "api/stream/call.hpp"
#include "api/stream/json.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace millrace::api::stream {

/// A text frame as its reader understood it.
struct Frame {
    /// Why nothing in the frame can be told; then there are no calls.
    std::optional<Failure> failure;
    /// The frame was an array: its answers go out as one array.
    bool is_batch = false;
    std::vector<Call> calls;
};

/// The one place for all limits and checks of form of a request: JSON, its depth and its duplicate
/// keys, JSON-RPC 2.0, and the parameters of every method. One parser serves one thread.
class FrameParser {
public:
    /// `limits` must outlive the parser.
    explicit FrameParser(const LimitsConfig& limits);

    /// Valid until the next call; its calls may be moved from.
    Frame& parse(std::string_view text);

private:
    void read_call(Json request, Call& call);

    const LimitsConfig& limits_;
    JsonParser json_;
    Frame frame_;
};

}  // namespace millrace::api::stream
