#include "api/cli/bench/gate_bench.hpp"

#include "api/cli/bench/channels.hpp"
#include "api/cli/bench/report.hpp"
#include "api/cli/bench/sse_load.hpp"
#include "api/cli/bench/sse_upstream.hpp"
#include "api/cli/demo/chain.hpp"
#include "api/cli/demo/party.hpp"
#include "api/cli/demo/stack.hpp"
#include "api/cli/dev/chain.hpp"
#include "api/cli/dev/http.hpp"
#include "api/cli/process.hpp"
#include "api/x402/header.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"
#include "channel/price.hpp"
#include "channel/voucher.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <unistd.h>

namespace millrace::api::bench {
namespace {

namespace json = boost::json;
using std::chrono::steady_clock;

constexpr std::string_view kPath = "/v1/chat/completions";
constexpr std::string_view kBody =
    R"({"model":"bench","stream":true,"max_tokens":1000,"messages":[{"role":"user","content":"hi"}]})";
constexpr channel::Price kPrice{channel::Amount{10}, channel::Amount{500}, channel::Amount{2000}};
constexpr std::chrono::seconds kReadyPatience{30};
/// What a gate may add, to the first token as to each other.
constexpr double kAddedMilliseconds = 5;
/// The gate's calls have some hundred commits a second.
constexpr std::chrono::milliseconds kBetweenWrites{5};
constexpr std::string_view kDisk = "fdatasync, by itself";

/// How long the model takes until its first token: not at all, which no model does and which shows
/// all that the gate takes, and as long as for any other token.
struct Prompt {
    std::string_view name;
    std::chrono::milliseconds takes;
};
constexpr std::array kPrompts{Prompt{"first token at once", std::chrono::milliseconds{0}},
                              Prompt{"first token after 50 ms", std::chrono::milliseconds{50}}};

struct Plan {
    std::size_t lanes = 200;
    /// One after the other on each lane.
    std::size_t streams = 5;
    SseAnswer answer;
    unsigned rounds = 2;
};

Plan plan_of(bool quick) {
    if (!quick) return {};
    Plan small;
    small.lanes = 10;
    small.streams = 2;
    small.answer.tokens = 10;
    small.rounds = 1;
    return small;
}

std::string http_request(const Prompt& prompt, const std::string& payment) {
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        "Connection: close\r\n{}: {}\r\n{}Content-Length: {}\r\n\r\n{}",
        kPath, kPromptTimeField, prompt.takes.count(),
        payment.empty() ? "" : "PAYMENT-SIGNATURE: " + payment + "\r\n", kBody.size(), kBody);
}

/// `millrace gate` as an operator runs it, in front of the bench's own model server.
class BenchGate {
public:
    BenchGate(const ReadyStack& stack, std::uint16_t upstream, const std::filesystem::path& folder)
        : port_(free_port()) {
        const auto secret = random_word();
        receiver_ = channel::SecretKey::from_bytes(secret.view()).value().address();
        const auto key_file = folder / "gate.key";
        write(key_file, channel::to_hex(secret) + "\n");
        std::filesystem::permissions(
            key_file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
        const auto config = folder / "gate.toml";
        write(config,
              fmt::format("[gate]\nlisten = \"127.0.0.1:{}\"\nupstream = \"http://127.0.0.1:{}\"\n"
                          "service = \"ws://{}:{}/v1/stream\"\nkey_file = \"{}\"\n"
                          "[log]\nlevel = \"warn\"\n"
                          "[[prices]]\npaths = [\"{}\"]\nrequest = \"{}\"\ninput_per_1k = \"{}\"\n"
                          "output_per_1k = \"{}\"\n",
                          port_.number, upstream, stack.stream.host, stack.stream.port,
                          key_file.string(), kPath, channel::to_string(kPrice.request),
                          channel::to_string(kPrice.input_per_1k),
                          channel::to_string(kPrice.output_per_1k)));
        process_ = Process::start(
            {.program = "/proc/self/exe", .arguments = {"gate", "--config", config.string()}});
        wait_until_ready();
    }

    const channel::Address& receiver() const { return receiver_; }
    std::uint16_t port() const { return port_.number; }

    /// The entry of `accepts` that payments repeat.
    json::object offer() const {
        const auto answer = ask(port_, kPath, std::string(kBody));
        if (!answer || answer->status != 402) throw std::runtime_error("the gate asks for nothing");
        return json::parse(answer->body).at("accepts").at(0).as_object();
    }

    std::uint64_t resident_bytes() const {
        std::ifstream file(fmt::format("/proc/{}/statm", process_->pid()));
        std::uint64_t pages = 0;
        file >> pages >> pages;
        return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    }

private:
    static void write(const std::filesystem::path& path, const std::string& text) {
        std::ofstream(path) << text;
    }

    void wait_until_ready() {
        const auto deadline = steady_clock::now() + kReadyPatience;
        for (;;) {
            const auto answer = ask(port_, "/.millrace/readyz");
            if (answer && answer->status == 200) return;
            if (steady_clock::now() > deadline || !process_->running())
                throw std::runtime_error("the gate does not become ready");
        }
    }

    LoopbackPort port_;
    channel::Address receiver_;
    std::optional<Process> process_;
};

std::string payment(const LoadChannel& on, const json::object& offer) {
    const auto amount = channel::parse_amount(std::string(offer.at("amount").as_string())).value();
    const channel::Amount most{on.charged + amount.units()};
    const auto digest = channel::digest(on.escrow_separator, channel::Voucher{on.id, most});
    const json::object voucher{{"channelId", channel::to_hex(on.id)},
                               {"maxClaimableAmount", channel::to_string(most)},
                               {"signature", channel::to_hex(on.signer->sign(digest))}};
    return x402::encode_header(
        json::serialize(json::object{{"x402Version", 2},
                                     {"accepted", offer},
                                     {"payload",
                                      {{"type", "voucher"},
                                       {"channelConfig", channel_config_json(on.config)},
                                       {"voucher", voucher}}}}));
}

struct Figures {
    Latencies first_byte;
    Latencies token;
    std::size_t streams = 0;
    std::size_t refused = 0;
    std::string first_refusal;

    void add(const SseLoadResult& result) {
        first_byte.add(result.first_byte);
        token.add(result.token);
        for (const auto& lane : result.endings) streams += lane.size();
        if (refused == 0) first_refusal = result.first_refusal;
        refused += result.refused;
    }
};

/// Of one payment after the other on a channel, each by the strict rule: what the ones before cost
/// is known, because every answer has as many tokens.
SseLane lane_of(LoadChannel& on, const Plan& plan, const Prompt& prompt,
                const json::object& offer) {
    const auto price = channel::cost(kPrice, {kPromptTokens, plan.answer.tokens}).value();
    SseLane lane;
    for (std::size_t n = 0; n < plan.streams; ++n) {
        lane.push_back(http_request(prompt, payment(on, offer)));
        on.charged += static_cast<std::uint64_t>(price.units());
    }
    return lane;
}

/// Streams whose ending does not say that they were charged what they cost.
std::size_t not_charged(const std::vector<LoadChannel>& channels, const SseLoadResult& result) {
    std::size_t wrong = 0;
    for (std::size_t n = 0; n < channels.size(); ++n) {
        const auto said = fmt::format(R"("chargedCumulativeAmount":"{}")", channels[n].charged);
        if (result.endings[n].back().find(said) == std::string::npos) ++wrong;
    }
    return wrong;
}

double milliseconds(std::uint32_t microseconds) {
    return microseconds / 1000.0;
}

void print_row(std::string_view name, const Figures& figures) {
    fmt::print("{:<26}{:>12.2f}{:>12.2f}{:>12.2f}{:>12.2f}\n", name,
               milliseconds(figures.first_byte.percentile(500)),
               milliseconds(figures.first_byte.percentile(990)),
               milliseconds(figures.token.percentile(500)),
               milliseconds(figures.token.percentile(990)));
}

double added(std::uint32_t gate, std::uint32_t direct) {
    return milliseconds(gate) - milliseconds(direct);
}

/// Of a model server with one of kPrompts.
struct Comparison {
    const Prompt& prompt;
    Figures direct;
    Figures gate;
};

void print_table(const Comparison& one) {
    const auto& [prompt, direct, gate] = one;
    fmt::print("{:<26}{:>24}{:>24}\n", prompt.name, "to the first token, ms", "per token, ms");
    fmt::print("{:<26}{:>12}{:>12}{:>12}{:>12}\n", "", "p50", "p99", "p50", "p99");
    print_row("model server alone", direct);
    print_row("through the gate, paid", gate);
    fmt::print("{:<26}{:>12.2f}{:>12.2f}{:>12.2f}{:>12.2f}\n", "added",
               added(gate.first_byte.percentile(500), direct.first_byte.percentile(500)),
               added(gate.first_byte.percentile(990), direct.first_byte.percentile(990)),
               added(gate.token.percentile(500), direct.token.percentile(500)),
               added(gate.token.percentile(990), direct.token.percentile(990)));
}

/// What no commit is faster than.
void print_disk(const Latencies& disk) {
    fmt::print("{:<26}{:>12.2f}{:>12.2f}\n", kDisk, milliseconds(disk.percentile(500)),
               milliseconds(disk.percentile(990)));
}

void print_memory(const std::vector<std::uint64_t>& resident) {
    const auto mebibytes = [](std::uint64_t bytes) {
        return static_cast<double>(bytes) / (1024 * 1024);
    };
    fmt::print(
        "gate, resident MiB: {:.1f} at its start, {:.1f} after a quarter, {:.1f} at the end\n",
        mebibytes(resident.front()), mebibytes(resident[resident.size() / 4]),
        mebibytes(resident.back()));
}

void add_row(Report& report, std::string name, const Latencies& latencies, std::size_t refused) {
    Row row;
    row.name = std::move(name);
    row.count = latencies.count();
    row.refused = refused;
    row.latency = figures_of(latencies);
    report.rows.push_back(std::move(row));
}

void add(Report& report, const Comparison& one) {
    const auto& [prompt, direct, gate] = one;
    const std::string name(prompt.name);
    add_row(report, name + ", alone: to the first token", direct.first_byte, direct.refused);
    add_row(report, name + ", alone: per token", direct.token, direct.refused);
    add_row(report, name + ", gate: to the first token", gate.first_byte, gate.refused);
    add_row(report, name + ", gate: per token", gate.token, gate.refused);
    report.marks.push_back(
        {name + ": added to the first token, p99 ms",
         added(gate.first_byte.percentile(990), direct.first_byte.percentile(990)), Bound::at_most,
         kAddedMilliseconds});
    report.marks.push_back({name + ": added per token, p99 ms",
                            added(gate.token.percentile(990), direct.token.percentile(990)),
                            Bound::at_most, kAddedMilliseconds});
    report.figures.push_back({name + ", alone: streams", static_cast<double>(direct.streams)});
    report.figures.push_back({name + ", gate: streams", static_cast<double>(gate.streams)});
}

void add_memory(Report& report, const std::vector<std::uint64_t>& resident) {
    const auto [least, most] = std::minmax_element(resident.begin(), resident.end());
    const auto add_one = [&](std::string name, std::uint64_t bytes) {
        report.figures.push_back({std::move(name), static_cast<double>(bytes)});
    };
    add_one("gateResidentBytesStart", resident.front());
    add_one("gateResidentBytesQuarter", resident[resident.size() / 4]);
    add_one("gateResidentBytesLeast", *least);
    add_one("gateResidentBytesMost", *most);
    add_one("gateResidentBytesEnd", resident.back());
}

}  // namespace

int run_gate_bench(const BenchOptions& options) {
    auto report = begin_report(options);
    const auto plan = plan_of(options.quick);
    say("starting a development stack");
    const DemoStack own(Afterwards::stop);
    const auto& stack = own.ready();
    const SseUpstream upstream(plan.answer);
    const BenchGate gate(stack, upstream.port(), own.directory());
    auto party = DemoParty::make();
    party.connect(stack.stream);
    const auto network =
        demo_network(party.stream(), channel::parse_address(kDevCollector).value());
    DemoChain(stack.rpc, network)
        .give_tokens({party.address()}, channel::Amount{kDeposit.units() * plan.lanes});
    say(fmt::format("opening {} channels by gasless deposits", plan.lanes));
    auto channels = open_channels(network, party, gate.receiver(), plan.lanes);
    const auto offer = gate.offer();

    Latencies disk;
    std::vector<Comparison> all;
    for (const auto& prompt : kPrompts) all.push_back({prompt, {}, {}});
    std::size_t wrong = 0;
    std::vector<std::uint64_t> resident{gate.resident_bytes()};
    SseLoadPlan load;
    load.tokens = plan.answer.tokens;
    load.spread = plan.answer.between * static_cast<std::int64_t>(plan.answer.tokens);
    for (unsigned round = 0; round < plan.rounds; ++round) {
        for (auto& one : all) {
            say(fmt::format("round {} of {}, {}", round + 1, plan.rounds, one.prompt.name));
            load.port = upstream.port();
            load.each_second = {};
            const SseLane plain(plan.streams, http_request(one.prompt, {}));
            DiskProbe probe(own.directory(), kBetweenWrites);
            one.direct.add(run_sse_load(load, std::vector<SseLane>(plan.lanes, plain)));
            disk.add(probe.take());
            std::vector<SseLane> lanes;
            for (auto& channel : channels)
                lanes.push_back(lane_of(channel, plan, one.prompt, offer));
            load.port = gate.port();
            load.each_second = [&] { resident.push_back(gate.resident_bytes()); };
            const auto through = run_sse_load(load, lanes);
            one.gate.add(through);
            wrong += not_charged(channels, through);
            resident.push_back(gate.resident_bytes());
        }
    }
    std::size_t refused = 0;
    for (const auto& one : all) {
        refused += one.direct.refused + one.gate.refused;
        if (one.gate.refused > 0) say("refused or cut off: " + one.gate.first_refusal);
    }
    if (wrong > 0) say(fmt::format("{} channels were not charged what their calls cost", wrong));
    for (const auto& one : all) add(report, one);
    add_row(report, std::string(kDisk), disk, 0);
    add_memory(report, resident);
    report.figures.push_back({"channelsNotChargedRight", static_cast<double>(wrong)});
    if (has_table(options)) {
        fmt::print("{} streams at once, {} in all; {} tokens each, one every {} ms\n", plan.lanes,
                   all.size() * all.front().gate.streams, plan.answer.tokens,
                   plan.answer.between.count());
        for (const auto& one : all) print_table(one);
        print_disk(disk);
        print_memory(resident);
        fmt::print("\n{}", marks_text(report));
    }
    write_report(options, report);
    return refused + wrong > 0 ? 1 : 0;
}

}  // namespace millrace::api::bench
