#pragma once

#include "api/cli/bench/load.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace::api::bench {

/// What each payment of a load costs, in base units.
inline constexpr std::uint64_t kLoadPrice = 10;

/// A request's id says whose it is and which: lane · kIdsPerLane + n.
inline constexpr std::uint64_t kIdsPerLane = 10'000'000;
inline std::size_t lane_of(std::uint64_t id) {
    return id / kIdsPerLane;
}
inline std::size_t number_of(std::uint64_t id) {
    return id % kIdsPerLane;
}

/// Makes the requests of one run, whose inference ids no other run of this process has.
class LoadRequests {
public:
    LoadRequests();

    /// payment.pay, each with a voucher for all before it on `on`, which is charged from then on.
    std::vector<std::string> pay(LoadChannel& on, std::size_t lane, std::uint64_t count) const;
    /// The same with payment.authorize, for `charge` to follow.
    std::vector<std::string> authorize(LoadChannel& on, std::size_t lane,
                                       std::uint64_t count) const;
    /// payment.charge of all that was authorized.
    std::vector<std::string> charge(const LoadChannel& on, std::size_t lane,
                                    std::uint64_t count) const;

private:
    std::uint64_t run_;
};

}  // namespace millrace::api::bench
