#pragma once

#include "ledger/time.hpp"

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

namespace millrace::api {

/// How often somebody may be wrong, or do what is limited: counts failures of a minute by where
/// they come from (the customer of a remote address), for so many places at once. Safe to use from
/// several threads.
class Guesses {
public:
    static constexpr unsigned kFailuresMax = 20;
    static constexpr std::size_t kPlacesMax = 10'000;

    /// `failures_max` came from there within the minute; or from so many places that no more are
    /// remembered, and this is not one of them.
    bool exhausted(const std::string& remote_address, ledger::Time now,
                   unsigned failures_max = kFailuresMax);
    void count_failure(const std::string& remote_address, ledger::Time now);

private:
    struct Minute {
        ledger::Time begun;
        unsigned failures = 0;
    };
    bool over(const Minute& minute, ledger::Time now) const;

    std::mutex mutex_;
    std::unordered_map<std::string, Minute> places_;
};

}  // namespace millrace::api
