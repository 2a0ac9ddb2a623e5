#pragma once

#include "api/cli/dev/http.hpp"
#include "api/cli/dev/secrets.hpp"

#include <string>

namespace millrace::api {

/// What the development stack's service has to know.
struct DevService {
    LoopbackPort port;
    std::string postgres_url;
    std::string rpc_url;
    std::string token;
    DevSecrets secrets;
};

/// The service's configuration as TOML. Holds the token secret.
std::string dev_config(const DevService& service);

}  // namespace millrace::api
