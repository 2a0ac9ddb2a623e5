#pragma once

#include "api/auth/tokens.hpp"
#include "api/http.hpp"
#include "api/rest/recent_stats.hpp"
#include "api/services.hpp"

#include <atomic>
#include <string>
#include <vector>

namespace millrace::api {

/// What routes work with; all of it outlives every request.
struct RestContext : Services {
    /// Set on SIGTERM: /readyz says no from then on.
    const std::atomic<bool>& draining;
    rest::RecentStats stats{};
};

namespace rest {

/// A request whose route is known and whose sender may use it.
struct RestRequest {
    HttpRequest http;
    Principal principal;
    /// What stands in the path at {id}, {seq}.
    std::string segment;
};

}  // namespace rest
}  // namespace millrace::api
