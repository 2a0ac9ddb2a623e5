#pragma once

#include "api/cli/service_client.hpp"

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::api {

/// The tokens that a service takes, for showing amounts to people.
class Coins {
public:
    /// As GET /v1/networks has them.
    explicit Coins(const ServiceClient& service);

    /// "1.250000 USDC"; plain base units for a token that is not known.
    std::string show(std::string_view network, std::string_view token,
                     std::string_view base_units) const;

private:
    struct Coin {
        std::string symbol;
        unsigned decimals = 0;
    };
    std::map<std::pair<std::string, std::string>, Coin> coins_;
};

}  // namespace millrace::api
