#include "tests/api/stream_stack.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using support::at;
using support::pay_text;
using support::StreamClient;
using support::StreamStack;

namespace {

double figure(const std::string& text, const std::string& name) {
    const auto place = text.find("\n" + name + " ");
    REQUIRE(place != std::string::npos);
    return std::stod(text.substr(place + name.size() + 2));
}

double stage(const std::string& text, api::Stage stage) {
    return figure(
        text, "millrace_stage_cpu_seconds_total{stage=\"" + std::string(to_string(stage)) + "\"}");
}

}  // namespace

TEST_CASE("stages: every stage of a payment is booked, and more with more of them",
          "[stream][metrics]") {
    StreamStack stack;
    const auto app = stack.opened(1, 1000);
    StreamClient client(stack.port(), {stack.token(app)});
    std::uint64_t sum = 0;
    // What is still going on is booked when it is over, so each round is of more than one.
    const auto pay_some = [&] {
        for (int n = 0; n < 3; ++n) {
            ++sum;
            client.send(pay_text(app, std::to_string(sum), 1, sum));
            REQUIRE(at(client.receive_json(), "result.amount") == "1");
        }
        return stack.metrics().text({});
    };
    auto before = stack.metrics().text({});
    for (int round = 0; round < 2; ++round) {
        auto after = pay_some();
        for (const auto one : {api::Stage::parse, api::Stage::verify, api::Stage::decide,
                               api::Stage::commit, api::Stage::reply}) {
            CAPTURE(to_string(one), round);
            CHECK(stage(after, one) > stage(before, one));
        }
        CHECK(figure(after, "millrace_commit_wait_seconds_total{for=\"database\"}") >
              figure(before, "millrace_commit_wait_seconds_total{for=\"database\"}"));
        before = std::move(after);
    }
}

TEST_CASE("stages: a thread's time is booked to the stage that it was in", "[metrics]") {
    std::vector<std::pair<api::Stage, std::chrono::nanoseconds>> booked;
    api::StageClock clock(
        [&](api::Stage stage, std::chrono::nanoseconds cpu) { booked.emplace_back(stage, cpu); });
    CHECK(clock.enter(api::Stage::parse).count() == 0);
    CHECK(clock.enter(api::Stage::parse).count() == 0);
    CHECK(booked.empty());
    const auto parsed = clock.enter(api::Stage::reply);
    clock.enter(api::Stage::parse);
    REQUIRE(booked.size() == 2);
    CHECK(booked[0] == std::pair{api::Stage::parse, parsed});
    CHECK(parsed.count() > 0);
    CHECK(booked[1].first == api::Stage::reply);
}
