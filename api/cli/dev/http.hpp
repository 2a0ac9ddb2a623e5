#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::api {

/// A port of the loopback interface.
struct LoopbackPort {
    std::uint16_t number = 0;
};

/// A port that was free a moment ago.
LoopbackPort free_port();
/// False when some program listens there already.
bool is_free(LoopbackPort port);

struct LoopbackAnswer {
    unsigned status = 0;
    std::string body;
};

/// One HTTP request to a program of the development stack; a POST when there is a body. Nullopt
/// when nobody answers in time.
std::optional<LoopbackAnswer> ask(LoopbackPort port, std::string_view path,
                                  const std::string& json_body = {},
                                  std::chrono::milliseconds patience = std::chrono::seconds{10});

}  // namespace millrace::api
