#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::api::gate {

/// Takes a stream of server-sent events (WHATWG HTML, 9.2) apart, wherever its bytes are cut. The
/// raw text of all events is what came, byte by byte.
class SseReader {
public:
    /// An event may have so many bytes.
    explicit SseReader(std::size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

    struct Event {
        /// With the empty line that ends it.
        std::string raw;
        /// Of all `data` fields, with line feeds between them.
        std::string data;
        bool has_data = false;
    };

    void add(std::string_view bytes) { waiting_ += bytes; }
    /// The next event that is complete.
    std::optional<Event> next();
    /// True when what waits for its end is longer than an event may be.
    bool is_too_long() const { return waiting_.size() - begin_ > event_bytes_max_; }
    /// The stream has ended: what came behind the last complete event is one, and is given an empty
    /// line.
    void end();

private:
    std::size_t event_bytes_max_;
    std::string waiting_;
    /// Of the event that comes next.
    std::size_t begin_ = 0;
    /// Up to here no empty line was found: the beginning of a line.
    std::size_t looked_at_ = 0;
    /// Up to here that line has no end, however often more of it comes.
    std::size_t searched_ = 0;
};

/// An event's raw text; `data` has no line end.
std::string sse_event(std::string_view type, std::string_view data);

}  // namespace millrace::api::gate
