#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>

namespace millrace::api::gate {

class ServiceLink;

/// What the log says of the connections to the payment service: a trouble once, however many
/// threads have it and however often they try, and its end when all of them are up again. May be
/// called from any thread.
class ServiceNotices {
public:
    /// `link` has no connection; `what` is the line to say.
    void lost(const ServiceLink& link, const std::string& what);
    void up(const ServiceLink& link);

private:
    std::mutex mutex_;
    std::set<const ServiceLink*> lost_;
    /// Since the trouble began.
    std::set<std::string> said_;
    bool has_been_up_ = false;
};

/// What the log says of the model server: that it cannot be reached when that begins, and that it
/// can when that ends. May be called from any thread.
class UpstreamNotices {
public:
    explicit UpstreamNotices(std::string url) : url_(std::move(url)) {}

    /// A connection could not be made; `status` is what clients are answered.
    void unreachable(const std::string& why, unsigned status);
    void reached();
    bool is_unreachable() const { return is_unreachable_; }

private:
    const std::string url_;
    std::atomic<bool> is_unreachable_ = false;
};

}  // namespace millrace::api::gate
