#pragma once

#include <string>

namespace CLI {
class App;
}

namespace millrace::api {

/// Adds --config FILE (MILLRACE_CONFIG).
void add_config_option(CLI::App& command, std::string& path);

}  // namespace millrace::api
