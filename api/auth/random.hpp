#pragma once

#include <cstdint>
#include <span>

namespace millrace::api {

/// Fills with bytes that nobody can predict. Throws std::runtime_error when the system has none.
void fill_random(std::span<std::uint8_t> out);

}  // namespace millrace::api
