#include "api/cli/bench/bench.hpp"

#include "api/cli/bench/channels.hpp"
#include "api/cli/bench/gate_bench.hpp"
#include "api/cli/bench/load.hpp"
#include "api/cli/bench/raw.hpp"
#include "api/cli/demo/chain.hpp"
#include "api/cli/demo/party.hpp"
#include "api/cli/demo/stack.hpp"
#include "api/cli/dev/chain.hpp"
#include "api/cli/http_client.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace millrace::api {
namespace {

namespace json = boost::json;
using bench::kDeposit;
using bench::LoadChannel;
using bench::LoadPlan;
using bench::say;

/// What a plan's rate is divided by.
enum class Yardstick { all_cores, one_core };

/// The service under load: as it is, with every voucher judged by its own signature
/// (ledger.check_every_signature), or without a transparency log.
enum class Service { as_it_is, checking_each, without_log };
constexpr std::array kServices{Service::checking_each, Service::without_log, Service::as_it_is};

constexpr std::string_view kPipelined = "100 channels, pipelined (64 in flight)";
constexpr std::string_view kWithoutLog = "100 channels, pipelined, no transparency log";

struct Measurement {
    LoadPlan plan;
    Yardstick yardstick;
    Service service = Service::as_it_is;
};

std::vector<Measurement> measurements(bool quick) {
    const std::uint64_t part = quick ? 100 : 1;
    const auto scaled = [&](std::uint64_t per_channel) {
        return std::max<std::uint64_t>(per_channel / part, 4);
    };
    return {
        {{"1 channel, one in flight", 1, 1, 1, 1, scaled(3000)}, Yardstick::all_cores},
        {{"100 channels, one in flight", 100, 1, 10, 1, 100 * scaled(600)}, Yardstick::all_cores},
        {{"1,000 channels, one in flight", 1000, 1, 10, 1, 1000 * scaled(60)},
         Yardstick::all_cores},
        {{"100 channels, 16 in flight, each checked", 100, 16, 10, 16, 100 * scaled(1000)},
         Yardstick::all_cores,
         Service::checking_each},
        {{"1 channel, pipelined (512 in flight)", 1, 512, 1, 64, scaled(60'000)},
         Yardstick::one_core},
        {{std::string(kPipelined), 100, 64, 10, 64, 100 * scaled(2500)}, Yardstick::one_core},
        {{std::string(kWithoutLog), 100, 64, 10, 64, 100 * scaled(2500)},
         Yardstick::one_core,
         Service::without_log},
    };
}

std::string session_token(DemoParty& party) {
    auto& stream = party.stream();
    const auto challenge = stream.call(
        "auth.challenge", fmt::format(R"({{"address":"{}"}})", channel::to_hex(party.address())));
    const std::string message(challenge.at("message").as_string());
    const auto signature = party.key().sign(channel::personal_message_digest(message));
    const auto session = stream.call(
        "auth.login", json::serialize(json::object{{"message", message},
                                                   {"signature", channel::to_hex(signature)}}));
    return std::string(session.at("token").as_string());
}

struct Row {
    std::string name;
    double per_second = 0;
    double ratio = 0;
    Yardstick yardstick;
    bench::LoadResult result;
    /// From the last answer until the transparency log held it too.
    double seconds_to_sealed = 0;
};

std::uint64_t figure(const std::string& metrics, std::string_view name) {
    const auto at = metrics.find("\n" + std::string(name) + " ");
    if (at == std::string::npos) return 0;
    return static_cast<std::uint64_t>(std::stod(metrics.substr(at + name.size() + 2)));
}

double wait_until_sealed(const std::string& url) {
    const auto begun = std::chrono::steady_clock::now();
    const auto server = parse_url(url);
    for (;;) {
        const auto metrics = call(server, {.target = "/metrics"}).body;
        if (figure(metrics, "millrace_log_size") >= figure(metrics, "millrace_last_seq")) break;
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

Row measure(const Measurement& wanted, const bench::RawFigures& raw, const ReadyStack& stack,
            const std::string& token, std::vector<LoadChannel>& channels) {
    say(wanted.plan.name + ": signing, then measuring");
    const auto& address = stack.stream;
    auto result = bench::run_load(address.host, address.port, token, channels, wanted.plan);
    const auto sealed = wanted.service == Service::without_log ? 0.0 : wait_until_sealed(stack.url);
    const auto rate = static_cast<double>(result.acknowledged) / result.seconds;
    const auto verify = wanted.yardstick == Yardstick::all_cores ? raw.verify_per_second_all_cores
                                                                 : raw.verify_per_second_one_core;
    return {wanted.plan.name, rate, rate / verify, wanted.yardstick, std::move(result), sealed};
}

json::object as_json(const bench::RawFigures& raw, std::vector<Row>& rows) {
    json::array measured;
    for (auto& row : rows)
        measured.push_back(
            {{"name", row.name},
             {"updatesPerSecond", row.per_second},
             {"updates", row.result.acknowledged},
             {"refused", row.result.refused},
             {"p50Microseconds", row.result.latencies.percentile(500)},
             {"p99Microseconds", row.result.latencies.percentile(990)},
             {"yardstick",
              row.yardstick == Yardstick::all_cores ? "verify, all cores" : "verify, one core"},
             {"secondsToSealed", row.seconds_to_sealed},
             {"ratio", row.ratio}});
    return {{"cores", raw.cores},
            {"verifyPerSecondOneCore", raw.verify_per_second_one_core},
            {"verifyPerSecondAllCores", raw.verify_per_second_all_cores},
            {"fdatasyncPerSecond", raw.fdatasync_per_second},
            {"measurements", std::move(measured)}};
}

void print_table(const bench::RawFigures& raw, std::vector<Row>& rows) {
    fmt::print(
        "raw, this machine ({} cores, shared by service, Postgres and load generator):\n"
        "  secp256k1_ecdsa_verify  {:>9.0f}/s one core  {:>9.0f}/s all cores\n"
        "  fdatasync               {:>9.0f}/s\n\n",
        raw.cores, raw.verify_per_second_one_core, raw.verify_per_second_all_cores,
        raw.fdatasync_per_second);
    fmt::print("{:<42}{:>11}{:>10}{:>10}   {}\n", "durable, acknowledged over WebSocket",
               "updates/s", "p50 ms", "p99 ms", "of raw verify");
    for (auto& row : rows)
        fmt::print("{:<42}{:>11.0f}{:>10.2f}{:>10.2f}   {:.2f} x {}\n", row.name, row.per_second,
                   row.result.latencies.percentile(500) / 1000.0,
                   row.result.latencies.percentile(990) / 1000.0, row.ratio,
                   row.yardstick == Yardstick::all_cores ? "all cores" : "one core");
}

/// Of several runs of each measurement the one of the median rate, in the order of `plans`.
std::vector<Row> medians(const std::vector<Measurement>& plans, std::vector<Row> rows) {
    std::vector<Row> chosen;
    for (const auto& plan : plans) {
        std::vector<Row*> runs;
        for (auto& row : rows)
            if (row.name == plan.plan.name) runs.push_back(&row);
        std::sort(runs.begin(), runs.end(),
                  [](const Row* a, const Row* b) { return a->per_second < b->per_second; });
        chosen.push_back(std::move(*runs[runs.size() / 2]));
    }
    return chosen;
}

const Row* find(const std::vector<Row>& rows, std::string_view name) {
    const auto found =
        std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.name == name; });
    return found == rows.end() ? nullptr : &*found;
}

/// What the transparency log takes of the rate.
void print_log_cost(const std::vector<Row>& rows) {
    const auto* with = find(rows, kPipelined);
    const auto* without = find(rows, kWithoutLog);
    if (!with || !without) return;
    fmt::print(
        "\ntransparency log: {:.1f} % of the pipelined rate; all was sealed {:.2f} s after "
        "the last answer\n",
        100 * (1 - with->per_second / without->per_second), with->seconds_to_sealed);
}

/// On a stack of its own, because how vouchers are judged is the service's configuration.
std::vector<Row> measure_all(const std::vector<Measurement>& plans, Service service,
                             const bench::RawFigures& raw) {
    say("starting a development stack");
    setenv("MILLRACE_LEDGER__CHECK_EVERY_SIGNATURE",
           service == Service::checking_each ? "true" : "false", 1);
    if (service == Service::without_log)
        setenv("MILLRACE_TRANSPARENCY__KEY_FILE", "", 1);
    else
        unsetenv("MILLRACE_TRANSPARENCY__KEY_FILE");
    const DemoStack own(Afterwards::stop);
    const auto& stack = own.ready();
    auto party = DemoParty::make();
    party.connect(stack.stream);
    const auto network =
        demo_network(party.stream(), channel::parse_address(kDevCollector).value());
    std::size_t most = 0;
    for (const auto& one : plans) most = std::max(most, one.plan.channels);
    DemoChain(stack.rpc, network)
        .give_tokens({party.address()}, channel::Amount{kDeposit.units() * most});
    say(fmt::format("opening {} channels by gasless deposits", most));
    auto channels = bench::open_channels(network, party, DemoParty::make().address(), most);
    const auto token = session_token(party);

    std::vector<Row> rows;
    for (const auto& one : plans) {
        rows.push_back(measure(one, raw, stack, token, channels));
        if (rows.back().result.refused > 0) say("refused: " + rows.back().result.first_refusal);
    }
    return rows;
}

}  // namespace

int run_bench(const BenchOptions& options) {
    if (options.gate) return bench::run_gate_bench(options.quick, options.json);
    auto plans = measurements(options.quick);
    std::erase_if(plans, [&](const Measurement& one) {
        return one.plan.name.find(options.only) == std::string::npos;
    });
    if (plans.empty()) throw std::runtime_error("no measurement is named like " + options.only);
    say("measuring the machine");
    const auto raw = bench::measure_raw(std::filesystem::temp_directory_path().string());
    std::vector<Row> rows;
    for (unsigned round = 0; round < options.rounds; ++round) {
        for (const auto service : kServices) {
            auto chosen = plans;
            std::erase_if(chosen, [&](const Measurement& one) { return one.service != service; });
            if (chosen.empty()) continue;
            for (auto& row : measure_all(chosen, service, raw)) rows.push_back(std::move(row));
        }
    }
    const bool refused = std::any_of(rows.begin(), rows.end(),
                                     [](const Row& row) { return row.result.refused > 0; });
    rows = medians(plans, std::move(rows));
    if (options.json)
        fmt::print("{}\n", json::serialize(as_json(raw, rows)));
    else
        print_table(raw, rows);
    if (!options.json) print_log_cost(rows);
    return refused ? 1 : 0;
}

}  // namespace millrace::api
