#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace millrace::api::gate {

/// The text of a member; empty where it is none, or no text.
std::string text_in(const boost::json::object& object, std::string_view name);

}  // namespace millrace::api::gate
