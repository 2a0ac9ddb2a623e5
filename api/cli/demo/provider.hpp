#pragma once

#include "api/cli/demo/app.hpp"
#include "api/cli/demo/party.hpp"

#include <cstdint>
#include <string>
#include <unordered_set>

namespace millrace::api {

/// A provider that hears of authorizations by subscription, charges each, and claims in the end.
/// Used by one thread.
class DemoProvider {
public:
    DemoProvider() : party_(DemoParty::make()) {}

    const channel::Address& address() const { return party_.address(); }

    /// Logs in and subscribes.
    void connect(const StreamAddress& address);
    /// Charges until so many inferences are charged.
    void charge(std::uint64_t inferences, DemoProgress& progress);
    /// Claims all that is due and waits until the chain has confirmed it.
    void claim();

    /// Charges that were answered.
    std::uint64_t acknowledged() const { return acknowledged_; }

private:
    void on_event(const boost::json::object& event);

    DemoParty party_;
    /// Events come at least once.
    std::unordered_set<std::string> asked_;
    std::uint64_t acknowledged_ = 0;
};

}  // namespace millrace::api
