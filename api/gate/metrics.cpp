#include "api/gate/metrics.hpp"

#include <prometheus/text_serializer.h>

namespace millrace::api::gate {
namespace {

const prometheus::Histogram::BucketBoundaries kSecondsBuckets{
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30};

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
    return counters(registry, name, help).Add({});
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

GateMetrics::GateMetrics()
    : connections(gauge(registry_, "millrace_gate_connections", "Open connections")),
      connections_refused(counter(registry_, "millrace_gate_connections_refused_total",
                                  "Connections refused because of a limit")),
      upstream_calls(
          gauge(registry_, "millrace_gate_upstream_calls", "Calls that are with the model server")),
      upstream_faults(counter(registry_, "millrace_gate_upstream_faults_total",
                              "Calls that the model server did not answer, or broke off")),
      ahead_in_vain(counter(registry_, "millrace_gate_ahead_in_vain_total",
                            "Calls begun ahead of a payment that was not taken")),
      usage_missing(counter(registry_, "millrace_gate_usage_missing_total",
                            "Answers without the usage that their price asks for")),
      above_ceiling(counter(registry_, "millrace_gate_above_ceiling_total",
                            "Answers that came to more than their payer had signed for")),
      outstanding(gauge(registry_, "millrace_gate_service_outstanding",
                        "Requests to the payment service without an answer")),
      service_up(gauge(registry_, "millrace_gate_service_up",
                       "Connections to the payment service that are up")),
      requests_(counters(registry_, "millrace_gate_requests_total",
                         "Requests answered, by what came of them")),
      payments_(counters(registry_, "millrace_gate_payments_total",
                         "Payments ended, by what became of them")),
      waits_(prometheus::BuildHistogram()
                 .Name("millrace_gate_payment_seconds")
                 .Help("What paid calls wait for the payment service, by step")
                 .Register(registry_)) {}

void GateMetrics::request(std::string_view outcome) {
    requests_.Add({{"outcome", std::string(outcome)}}).Increment();
}

void GateMetrics::payment(std::string_view outcome) {
    payments_.Add({{"outcome", std::string(outcome)}}).Increment();
}

void GateMetrics::waited(std::string_view step, std::chrono::nanoseconds took) {
    waits_.Add({{"step", std::string(step)}}, kSecondsBuckets)
        .Observe(std::chrono::duration<double>(took).count());
}

std::string GateMetrics::text() const {
    return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace millrace::api::gate
