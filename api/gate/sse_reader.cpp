#include "api/gate/sse_reader.hpp"

#include <algorithm>

namespace millrace::api::gate {
namespace {

struct Line {
    std::string_view text;
    /// Behind its end.
    std::size_t next;
};

/// Where the first line ends that does so at `from` or later; the size of the text where none does.
std::size_t line_end(std::string_view text, std::size_t from) {
    const auto ends = [](char one) { return one == '\n' || one == '\r'; };
    const auto begin = text.begin() + static_cast<std::ptrdiff_t>(from);
    return static_cast<std::size_t>(std::find_if(begin, text.end(), ends) - text.begin());
}

/// Lines end with LF, CR LF or CR. A CR that comes last may be the first half of an end. `end` is
/// that of `line_end`.
std::optional<Line> line_at(std::string_view text, std::size_t begin, std::size_t end) {
    if (end == text.size()) return std::nullopt;
    auto next = end + 1;
    if (text[end] == '\r') {
        if (next == text.size()) return std::nullopt;
        if (text[next] == '\n') ++next;
    }
    return Line{text.substr(begin, end - begin), next};
}

void take(SseReader::Event& event, std::string_view line) {
    const auto colon = line.find(':');
    const auto field = line.substr(0, colon);
    std::string_view value;
    if (colon != std::string_view::npos) value = line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field != "data") return;
    if (event.has_data) event.data += '\n';
    event.has_data = true;
    event.data += value;
}

}  // namespace

std::optional<SseReader::Event> SseReader::next() {
    for (;;) {
        searched_ = line_end(waiting_, searched_);
        const auto line = line_at(waiting_, looked_at_, searched_);
        if (!line) break;
        searched_ = looked_at_ = line->next;
        if (!line->text.empty()) continue;
        Event event;
        event.raw = waiting_.substr(begin_, looked_at_ - begin_);
        for (std::size_t at = begin_; at < looked_at_;) {
            const auto whole = std::string_view(waiting_).substr(0, looked_at_);
            const auto one = line_at(whole, at, line_end(whole, at));
            // The last CR of an event stands at the end of what is looked at here.
            if (!one) break;
            take(event, one->text);
            at = one->next;
        }
        begin_ = looked_at_;
        return event;
    }
    waiting_.erase(0, begin_);
    looked_at_ -= begin_;
    searched_ -= begin_;
    begin_ = 0;
    return std::nullopt;
}

void SseReader::end() {
    if (waiting_.empty()) return;
    // Behind a CR, the first LF only completes its line's end.
    waiting_ += waiting_.ends_with('\n') ? "\n" : "\n\n";
}

std::string sse_event(std::string_view type, std::string_view data) {
    std::string out = "event: ";
    ((out += type) += "\ndata: ") += data;
    return out += "\n\n";
}

}  // namespace millrace::api::gate
