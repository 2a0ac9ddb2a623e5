#include "api/gate/plain_text.hpp"

#include <simdjson.h>

#include <algorithm>

namespace millrace::api::gate {

bool is_plain_text(std::string_view text) {
    const auto is_control = [](unsigned char letter) { return letter < 0x20 || letter == 0x7f; };
    return simdjson::validate_utf8(text.data(), text.size()) &&
           std::none_of(text.begin(), text.end(), is_control);
}

}  // namespace millrace::api::gate
