#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

namespace millrace::api::gate {

class ServiceLink;

/// What the log says of the connections to the payment service: a trouble once a minute at most,
/// however many threads have it and however often they try, and its end when all of them are up
/// again. May be called from any thread.
class ServiceNotices {
public:
    /// `link` has no connection; `what` is the line to say.
    void lost(const ServiceLink& link, const std::string& what);
    void up(const ServiceLink& link);

private:
    std::mutex mutex_;
    std::set<const ServiceLink*> lost_;
    /// And when.
    std::map<std::string, std::chrono::steady_clock::time_point> said_;
    bool has_been_up_ = false;
};

/// What the log says of the model server: that it cannot be reached when that begins, and that it
/// can when that ends, two seconds later at the earliest, lest both fill the log where connections
/// come and go. May be called from any thread.
class UpstreamNotices {
public:
    explicit UpstreamNotices(std::string url) : url_(std::move(url)) {}

    /// A connection could not be made; `status` is what clients are answered.
    void unreachable(const std::string& why, unsigned status);
    void reached();
    bool is_unreachable() const;

private:
    const std::string url_;
    mutable std::mutex mutex_;
    std::optional<std::chrono::steady_clock::time_point> unreachable_since_;
};

}  // namespace millrace::api::gate
