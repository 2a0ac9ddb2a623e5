#pragma once

#include <string>

#include <boost/json/object.hpp>

namespace millrace::api {

/// Reads what `millrace keys delegate` wrote, and gives what auth.login takes as `delegation`: its
/// message and its signature, which only the service judges. `setting` names the option or the
/// configuration key in messages. Throws ConfigError when there is no such file, when it cannot be
/// read, and when it holds something else.
boost::json::object read_delegation_file(const std::string& setting, const std::string& path);

}  // namespace millrace::api
