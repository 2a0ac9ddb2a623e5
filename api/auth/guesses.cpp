#include "api/auth/guesses.hpp"

#include "api/connections.hpp"

namespace millrace::api {
namespace {

std::string place_of(const std::string& remote_address) {
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(remote_address, error);
    return error ? remote_address : customer_of(address);
}

}  // namespace

bool Guesses::over(const Minute& minute, ledger::Time now) const {
    // A clock that was set back begins a new one.
    return now < minute.begun || now - minute.begun >= std::chrono::minutes{1};
}

bool Guesses::exhausted(const std::string& remote_address, ledger::Time now,
                        unsigned failures_max) {
    const auto place = place_of(remote_address);
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(place);
    if (found != places_.end())
        return !over(found->second, now) && found->second.failures >= failures_max;
    if (places_.size() < kPlacesMax) return false;
    std::erase_if(places_, [&](const auto& one) { return over(one.second, now); });
    return places_.size() >= kPlacesMax;
}

void Guesses::count_failure(const std::string& remote_address, ledger::Time now) {
    const auto place = place_of(remote_address);
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(place);
    if (found == places_.end() && places_.size() >= kPlacesMax) return;
    auto& minute = places_[place];
    if (minute.failures == 0 || over(minute, now)) minute = {now, 0};
    ++minute.failures;
}

}  // namespace millrace::api
