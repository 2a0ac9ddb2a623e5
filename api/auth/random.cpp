#include "api/auth/random.hpp"

#include <openssl/rand.h>

#include <stdexcept>

namespace millrace::api {

void fill_random(std::span<std::uint8_t> out) {
    if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1)
        throw std::runtime_error("the system's source of random bytes failed");
}

}  // namespace millrace::api
