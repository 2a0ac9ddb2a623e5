#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <string>
#include <string_view>

namespace millrace::api::gate {

/// What operators see of a gate: Prometheus names begin with "millrace_gate_". May be called from
/// any thread.
class GateMetrics {
    prometheus::Registry registry_;

public:
    GateMetrics();

    /// A request was answered: "free", "paid", "payment_required", "corrected", "refunded",
    /// "upstream_failed", "refused" or "unavailable".
    void request(std::string_view outcome);
    /// A payment came to its end: "charged", "released", "refused" (the service would not charge
    /// it) or "pending" (the service was away).
    void payment(std::string_view outcome);
    /// What a paid call had to wait for: "accept", "charge".
    void waited(std::string_view step, std::chrono::nanoseconds took);

    prometheus::Gauge& connections;
    prometheus::Counter& connections_refused;
    /// Calls that are with the model server.
    prometheus::Gauge& upstream_calls;
    prometheus::Counter& upstream_faults;
    /// Calls that were begun ahead of a payment that was then refused, or not answered.
    prometheus::Counter& ahead_in_vain;
    /// Answers of the model server without the usage that their price asks for.
    prometheus::Counter& usage_missing;
    /// Answers that came to more than the payer had signed for: the rest is not charged.
    prometheus::Counter& above_ceiling;
    /// Requests to the payment service without an answer, and its connections that are up.
    prometheus::Gauge& outstanding;
    prometheus::Gauge& service_up;

    std::string text() const;

private:
    prometheus::Family<prometheus::Counter>& requests_;
    prometheus::Family<prometheus::Counter>& payments_;
    prometheus::Family<prometheus::Histogram>& waits_;
};

}  // namespace millrace::api::gate
