#include "api/cli/bench/payments_plan.hpp"

#include "api/cli/bench/load_requests.hpp"

#include <algorithm>
#include <string>

namespace millrace::api::bench {
namespace {

constexpr std::string_view kThousand = "1,000 channels, one in flight";
constexpr std::string_view kEachChecked = "100 channels, 16 in flight, each checked";
constexpr std::string_view kOnePipelined = "1 channel, pipelined (512 in flight)";
constexpr std::string_view kPairs = "100 channels, authorize → charge pairs";
constexpr std::uint64_t kOfferedPerSecond = 10'000;

class Marks {
public:
    explicit Marks(const Report& report) : report_(report) {}

    void ratio_at_least(std::string_view row, double limit) {
        const auto* found = find_row(report_, row);
        if (found && found->ratio)
            add(std::string(row) + ": of " + found->ratio->yardstick, found->ratio->value,
                Bound::at_least, limit);
    }

    void figure_at_most(std::string_view row, std::string_view figure, std::string name,
                        double limit) {
        const auto* found = find_row(report_, row);
        const auto value = found ? find_figure(found->figures, figure) : std::nullopt;
        if (value) add(std::move(name), *value, Bound::at_most, limit);
    }

    void latency_at_most(std::string_view row, std::uint32_t LatencyFigures::*which,
                         std::string_view name, double limit_ms) {
        const auto* found = find_row(report_, row);
        if (found && found->latency)
            add(std::string(row) + ": " + std::string(name), *found->latency.*which / 1000.0,
                Bound::at_most, limit_ms);
    }

    std::vector<Mark> take() { return std::move(marks_); }

private:
    void add(std::string name, double value, Bound bound, double limit) {
        marks_.push_back({std::move(name), value, bound, limit});
    }

    const Report& report_;
    std::vector<Mark> marks_;
};

}  // namespace

std::vector<Measurement> payment_measurements(bool quick, unsigned times) {
    const std::uint64_t part = quick ? 100 : 1;
    const auto scaled = [&](std::uint64_t per_channel) {
        return times * std::max<std::uint64_t>(per_channel / part, 4);
    };
    const auto plan = [](std::string_view name, std::size_t channels, std::size_t window,
                         std::size_t array_max, std::uint64_t per_channel) {
        const std::size_t connections = channels == 1 ? 1 : 10;
        return LoadPlan{std::string(name), channels,  window,
                        connections,       array_max, channels * per_channel};
    };
    auto offered = plan(kOffered, 100, 64, 64, scaled(1000));
    offered.offered_per_second = kOfferedPerSecond;
    return {
        {plan(kOneInFlight, 1, 1, 1, scaled(3000)), Yardstick::verify_all_cores},
        {plan("100 channels, one in flight", 100, 1, 1, scaled(1500)), Yardstick::verify_all_cores},
        {plan(kThousand, 1000, 1, 1, scaled(150)), Yardstick::verify_all_cores},
        {plan(kEachChecked, 100, 16, 16, scaled(1000)), Yardstick::verify_all_cores,
         Service::checking_each},
        {plan(kOnePipelined, 1, 512, 64, scaled(60'000)), Yardstick::verify_one_core},
        {plan(kPipelined, 100, 64, 64, scaled(2500)), Yardstick::verify_one_core},
        {plan(kWithoutLog, 100, 64, 64, scaled(2500)), Yardstick::verify_one_core,
         Service::without_log},
        {std::move(offered), Yardstick::none},
        {plan(kPairs, 100, 64, 64, scaled(1200)), Yardstick::pay_pipelined, Service::as_it_is,
         Payments::authorize_and_charge},
    };
}

std::vector<std::uint64_t> spent_by_channel(const std::vector<Measurement>& plans,
                                            unsigned rounds) {
    std::vector<std::uint64_t> spent;
    for (const auto& [plan, yardstick, service, payments] : plans) {
        spent.resize(std::max(spent.size(), plan.channels));
        for (std::size_t at = 0; at < plan.channels; ++at)
            spent[at] += plan.updates / plan.channels * kLoadPrice * rounds;
    }
    return spent;
}

std::vector<Mark> payment_marks(const Report& report) {
    Marks marks(report);
    marks.ratio_at_least(kEachChecked, 0.80);
    marks.ratio_at_least(kThousand, 0.65);
    marks.ratio_at_least(kPipelined, 8);
    marks.ratio_at_least(kOnePipelined, 10);
    marks.figure_at_most(kOneInFlight, kToFloor,
                         "one channel, one in flight: p50 ÷ (one fdatasync + one verify)", 1.5);
    marks.latency_at_most(kOffered, &LatencyFigures::p50_us, "p50 ms", 1.5);
    marks.latency_at_most(kOffered, &LatencyFigures::p99_us, "p99 ms", 5);
    marks.ratio_at_least(kPairs, 0.5);
    return marks.take();
}

}  // namespace millrace::api::bench
