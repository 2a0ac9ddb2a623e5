#include "api/gate/json_text.hpp"

#include <boost/json/value.hpp>

namespace millrace::api::gate {

std::string text_in(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

}  // namespace millrace::api::gate
