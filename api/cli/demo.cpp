#include "api/cli/demo.hpp"

#include "api/cli/demo/app.hpp"
#include "api/cli/demo/chain.hpp"
#include "api/cli/demo/progress.hpp"
#include "api/cli/demo/provider.hpp"
#include "api/cli/demo/report.hpp"
#include "api/cli/demo/stack.hpp"
#include "api/cli/dev/chain.hpp"
#include "channel/address.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <future>
#include <stdexcept>
#include <thread>

namespace millrace::api {
namespace {

constexpr std::chrono::seconds kSettlePatience{30};
constexpr std::chrono::milliseconds kLookAgain{200};

/// The parties of one run on one stack.
class Demo {
public:
    Demo(const DemoOptions& options, const ReadyStack& stack);

    void open();
    void stream();
    void claim();
    /// Waits a little for the ledger to hear what the chain has done last.
    DemoReport report();

private:
    /// Each on a thread of its own; throws what the first of them throws.
    static void together(const std::vector<std::function<void()>>& tasks);
    std::uint64_t payments_of(std::size_t app) const;
    DemoExpectation expectation() const;

    const DemoOptions& options_;
    const ReadyStack& stack_;
    DemoNetwork network_;
    DemoChain chain_;
    std::uint64_t first_block_;
    std::vector<DemoProvider> providers_;
    /// How many inferences each provider will be asked to charge.
    std::vector<std::uint64_t> authorized_;
    std::vector<DemoApp> apps_;
    DemoProgress progress_;
};

DemoNetwork network_of(const ReadyStack& stack) {
    StreamClient client(stack.stream);
    return demo_network(client, channel::parse_address(kDevCollector).value());
}

Demo::Demo(const DemoOptions& options, const ReadyStack& stack)
    : options_(options),
      stack_(stack),
      network_(network_of(stack)),
      chain_(stack.rpc, network_),
      first_block_(chain_.newest_block()),
      providers_(options.providers),
      authorized_(options.providers) {
    apps_.reserve(options.apps);
    for (std::size_t app = 0; app < options.apps; ++app) {
        const auto provider = app % providers_.size();
        const auto payments = payments_of(app);
        authorized_[provider] += authorized_among(payments);
        apps_.emplace_back(network_, DemoAppPlan{.name = fmt::format("app-{}", app + 1),
                                                 .provider = providers_[provider].address(),
                                                 .payments = payments,
                                                 .deposit = app == 0 ? Deposit::half_then_top_up
                                                                     : Deposit::whole});
    }
}

std::uint64_t Demo::payments_of(std::size_t app) const {
    return options_.payments / options_.apps + (app < options_.payments % options_.apps ? 1 : 0);
}

void Demo::together(const std::vector<std::function<void()>>& tasks) {
    std::vector<std::future<void>> running;
    running.reserve(tasks.size());
    for (const auto& task : tasks) running.push_back(std::async(std::launch::async, task));
    for (auto& one : running) one.wait();
    for (auto& one : running) one.get();
}

void Demo::open() {
    std::vector<channel::Address> holders;
    channel::Amount most;
    for (const auto& app : apps_) {
        holders.push_back(app.address());
        most = std::max(most, app.budget());
    }
    chain_.give_tokens(holders, most);
    std::vector<std::function<void()>> tasks;
    for (auto& provider : providers_) tasks.push_back([&] { provider.connect(stack_.stream); });
    for (auto& app : apps_) tasks.push_back([&] { app.open(stack_.stream); });
    together(tasks);
}

void Demo::stream() {
    std::uint64_t authorized = 0;
    std::vector<std::function<void()>> tasks;
    // Apps first: when one is refused, its provider is left waiting, and the app knows better why.
    for (auto& app : apps_) tasks.push_back([&] { app.stream(progress_); });
    for (std::size_t i = 0; i < providers_.size(); ++i) {
        authorized += authorized_[i];
        tasks.push_back([this, i] { providers_[i].charge(authorized_[i], progress_); });
    }
    const ProgressLine line(progress_, options_.payments + authorized,
                            options_.json ? Progress::hidden : Progress::shown);
    together(tasks);
}

void Demo::claim() {
    std::vector<std::function<void()>> tasks;
    for (auto& provider : providers_) tasks.push_back([&] { provider.claim(); });
    together(tasks);
}

DemoExpectation Demo::expectation() const {
    DemoExpectation expected;
    expected.channels = apps_.size();
    expected.payments = options_.payments;
    expected.apps = apps_.size();
    expected.first_block = first_block_;
    std::vector<std::uint32_t> latencies;
    for (const auto& app : apps_) {
        expected.acknowledged += app.acknowledged();
        latencies.insert(latencies.end(), app.latencies().begin(), app.latencies().end());
    }
    for (std::size_t i = 0; i < providers_.size(); ++i) {
        expected.providers.push_back(providers_[i].address());
        expected.acknowledged += providers_[i].acknowledged();
        expected.authorized += authorized_[i];
    }
    std::sort(latencies.begin(), latencies.end());
    if (latencies.empty()) return expected;
    expected.latency_p50 = latencies[latencies.size() / 2];
    expected.latency_p99 = latencies[latencies.size() * 99 / 100];
    return expected;
}

DemoReport Demo::report() {
    const auto expected = expectation();
    const auto deadline = std::chrono::steady_clock::now() + kSettlePatience;
    for (;;) {
        auto report = read_demo_report(stack_.postgres, chain_, network_, expected);
        if (report.faults().empty() || std::chrono::steady_clock::now() > deadline) return report;
        std::this_thread::sleep_for(kLookAgain);
    }
}

void say(const DemoOptions& options, const std::string& what) {
    if (!options.json) fmt::print(stderr, "{}\n", what);
}

int run_on(const DemoOptions& options, const ReadyStack& stack) {
    Demo demo(options, stack);
    say(options, fmt::format("Opening {} channels by gasless deposits", options.apps));
    demo.open();
    say(options, fmt::format("Streaming {} payments from {} apps to {} providers", options.payments,
                             options.apps, options.providers));
    demo.stream();
    say(options, "Claiming on chain");
    demo.claim();
    const auto report = demo.report();
    std::fputs((options.json ? demo_report_json(report) : demo_report_text(report)).c_str(),
               stdout);
    return report.faults().empty() ? 0 : 1;
}

ReadyStack running_stack(const std::filesystem::path& data) {
    std::string line;
    if (!std::getline(std::ifstream(data / "ready.json"), line))
        throw std::runtime_error("no development stack runs on " + data.string() +
                                 "; start one with millrace dev --data " + data.string());
    return parse_ready_line(line);
}

}  // namespace

int run_demo(const DemoOptions& options) {
    if (options.apps == 0 || options.providers == 0 || options.providers > options.apps ||
        options.payments < 8 * options.apps)
        throw std::runtime_error(
            "the demo needs at least one provider, as many apps as "
            "providers, and eight payments of each app");
    if (options.data) return run_on(options, running_stack(*options.data));
    say(options, "Starting Postgres, a development chain and the service");
    DemoStack stack(options.keep ? Afterwards::keep_running : Afterwards::stop);
    const int outcome = run_on(options, stack.ready());
    if (options.keep) {
        stack.let_go();
        fmt::print(stderr,
                   "The stack is still running, with its data in {}; stop it with: kill {}\n{}\n",
                   stack.directory().string(), stack.pid(), stack.ready().line);
    }
    return outcome;
}

}  // namespace millrace::api
