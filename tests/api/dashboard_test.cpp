#include "api/metrics.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

using namespace millrace;

TEST_CASE("dashboard: every figure that it shows is measured", "[metrics]") {
    std::ifstream file(MILLRACE_SOURCE_DIR "/config/grafana-dashboard.json");
    std::stringstream dashboard;
    dashboard << file.rdbuf();
    const auto text = dashboard.str();
    REQUIRE(boost::json::parse(text).at("panels").as_array().size() > 10);

    api::Metrics metrics;
    metrics.request("payment.pay", "ok");
    api::Metrics::Observation observation;
    const api::ChainCounts counts{{{"claim", {{"broadcast", 1}}}}, {{"claimed", 1}}};
    observation.networks.push_back(
        {channel::Network{1}, true, 7, {}, {{"127.0.0.1:8545", true, {}, 0}}, counts});
    ledger::Stats stats;
    stats.outbox_pending["eip155:1"] = 1;
    stats.outbox_oldest["eip155:1"] = 1;
    stats.reorganisations["eip155:1"] = {1, 3};
    stats.closing["eip155:1"] = {1, 900};
    stats.leases.push_back({0, "holder", 1, 0});
    observation.stats = stats;
    const auto measured = metrics.text(observation);

    const std::regex name("millrace_[a-z_]+");
    std::set<std::string> shown;
    for (std::sregex_iterator at(text.begin(), text.end(), name), end; at != end; ++at)
        shown.insert(at->str());
    CHECK(shown.size() > 15);
    for (const auto& metric : shown) {
        CAPTURE(metric);
        const bool found = std::regex_search(measured, std::regex("\n" + metric + "[ {]"));
        CHECK(found);
    }
}

TEST_CASE("metrics: the deadline of withdrawals is there while one is pending", "[metrics]") {
    api::Metrics metrics;
    api::Metrics::Observation observation;
    observation.stats = ledger::Stats{};
    observation.stats->closing["eip155:1"] = {2, -5};
    const auto pending = metrics.text(observation);
    CHECK(pending.find("\nmillrace_closing_unclaimed{network=\"eip155:1\"} 2\n") != pending.npos);
    CHECK(pending.find("\nmillrace_closing_deadline_seconds{network=\"eip155:1\"} -5\n") !=
          pending.npos);
    observation.stats->closing.clear();
    const auto over = metrics.text(observation);
    CHECK(over.find("\nmillrace_closing_unclaimed{network=\"eip155:1\"} 0\n") != over.npos);
    CHECK(over.find("\nmillrace_closing_deadline_seconds{") == over.npos);
}
