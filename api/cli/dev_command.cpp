#include "api/cli/bench/bench.hpp"
#include "api/cli/commands.hpp"
#include "api/cli/demo.hpp"
#include "api/cli/dev.hpp"
#include "api/config.hpp"
#include "api/log.hpp"

#include <CLI/CLI.hpp>

namespace millrace::api {

void add_dev(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "dev", "Run everything on this machine: Postgres, a chain with the contracts, the service");
    const auto options = std::make_shared<DevOptions>();
    const auto block_seconds = std::make_shared<unsigned>(0);
    command->add_option("--port", options->port, "Of the service; 0: any free one");
    command->add_option("--rpc-port", options->rpc_port, "Of the chain; 0: any free one");
    command->add_option("--data", options->data, "Where the state is kept between runs")
        ->type_name("DIR");
    auto* blocks = command->add_option("--block-seconds", *block_seconds,
                                       "Mine a block this often; default: one per transaction");
    command->footer(
        "Prints one line of JSON to standard output when all is ready, and again when "
        "something that\ndied was started again. Stops on SIGTERM or Ctrl-C.\n\n"
        "Example:\n  millrace dev --port 8402 --data /tmp/stack");
    command->callback([&action, options, block_seconds, blocks] {
        if (blocks->count() > 0) options->block_seconds = *block_seconds;
        action = [options] {
            start_log({});
            return run_dev(*options);
        };
    });
}

void add_demo(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "demo",
        "Apps pay providers on a stack of their own, which settle on its chain; prints a "
        "report");
    const auto options = std::make_shared<DemoOptions>();
    command->add_option("--payments", options->payments, "How many in all");
    command->add_option("--apps", options->apps, "Payers");
    command->add_option("--providers", options->providers, "Receivers");
    command->add_flag("--keep", options->keep, "Leave the stack running afterwards");
    command->add_flag("--json", options->json, "The report as JSON, and no progress line");
    command
        ->add_option("--data", options->data,
                     "Data of a `millrace dev` that runs already; default: a stack of its own")
        ->type_name("DIR");
    command->footer(
        "Example:\n  millrace demo --payments 50000 --keep\n\n"
        "Exit codes: 0 all figures add up, 1 they do not");
    command->callback([&action, options] {
        action = [options] {
            start_log({"warn", "console"});
            return run_demo(*options);
        };
    });
}

void add_bench(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "bench", "Measure this machine, and the service on it through its WebSocket");
    const auto options = std::make_shared<BenchOptions>();
    command->add_flag("--quick", options->quick, "A hundredth of the work");
    command->add_flag("--gate", options->gate,
                      "Measure what `millrace gate` adds to a model server's answers instead");
    command->add_option("--only", options->only, "Only measurements whose name contains this");
    command
        ->add_option("--rounds", options->rounds,
                     "How often each is measured, in turns: the run of the median rate is told")
        ->check(CLI::Range(1u, 99u));
    command->add_flag("--json", options->json, "The report as JSON, and no table");
    command->footer("Example:\n  millrace bench --only 'one in flight' --json");
    command->callback([&action, options] {
        action = [options] {
            start_log({"warn", "console"});
            return run_bench(*options);
        };
    });
}

}  // namespace millrace::api
