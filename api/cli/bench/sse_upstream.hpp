#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace millrace::api::bench {

/// What each answer of the model server is.
struct SseAnswer {
    std::size_t tokens = 60;
    std::chrono::milliseconds between{50};
};

/// When a token left the server stands in its text behind this: nanoseconds of the steady clock,
/// which all processes of the machine share.
inline constexpr std::string_view kTokenMark = "t=";
inline constexpr std::uint64_t kPromptTokens = 20;
/// A field of the request, in small letters: how many milliseconds the prompt takes, before the
/// head and the first token come. Without it they come at once.
inline constexpr std::string_view kPromptTimeField = "bench-prompt-time";

/// A model server that writes tokens at a steady pace, as OpenAI's chat completions are streamed,
/// on a thread of its own.
class SseUpstream {
public:
    explicit SseUpstream(SseAnswer answer);
    ~SseUpstream();
    std::uint16_t port() const;

private:
    class Server;
    std::unique_ptr<Server> server_;
};

}  // namespace millrace::api::bench
