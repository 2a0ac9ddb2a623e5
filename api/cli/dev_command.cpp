#include "api/cli/bench/bench.hpp"
#include "api/cli/bench/report.hpp"
#include "api/cli/commands.hpp"
#include "api/cli/demo.hpp"
#include "api/cli/dev.hpp"
#include "api/config.hpp"
#include "api/log.hpp"

#include <CLI/CLI.hpp>

namespace millrace::api {
namespace {

constexpr auto kBenchFooter =
    "Suites, each on a development stack of its own that shares the machine with the load:\n"
    "  payments     durable payments over the WebSocket: rates, latencies, ratios to raw speed\n"
    "  gate         what `millrace gate` adds to the answers of a model server that streams\n"
    "  connections  ten thousand connections, each paying once a second\n"
    "  channels     a hundred thousand open channels: memory of each, start-up\n"
    "  growth       whether rates hold with many channels and a long history\n\n"
    "Examples:\n"
    "  millrace bench                                      all of payments, some minutes\n"
    "  millrace bench payments --rounds 5 --json new.json  medians, kept\n"
    "  millrace bench --compare old.json new.json          what became faster, what slower\n"
    "  millrace bench --only 'one in flight' --json -\n"
    "  millrace bench gate\n"
    "  millrace bench --only '100 channels' --key-file payer.key \\\n"
    "    --server ws://127.0.0.1:8402/v1/stream\n\n"
    "--server takes the payer's own tokens, the first that the service names. It opens as many\n"
    "channels as its largest row has (1,000), whose deposits the service relays at its own cost,\n"
    "with just what is paid on each: 8,330,000 base units in all for each round, 108,300 with\n"
    "--quick, less with --only, more with --times. All of it is paid to --receiver, who gets it\n"
    "back by one `millrace claim`. Should the run break off, `millrace channel refund` with the\n"
    "same key returns the rest. Vouchers are signed by that one key, whereas other runs have one\n"
    "for each channel; ratios are to the machine that this runs on.\n\n"
    "Exit codes: 0 done, 1 something was refused or could not be measured";

}  // namespace

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
    command
        ->add_option("--chain-state-seconds", options->chain_state_seconds,
                     "How often the chain writes down its state, all of it each time")
        ->check(CLI::Range(1u, 86'400u));
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
    const auto compared = std::make_shared<std::vector<std::string>>();
    command->add_option("suite", options->suite, "What is measured")
        ->type_name("SUITE")
        ->check(CLI::IsMember(bench_suites()))
        ->capture_default_str();
    command->add_flag("--quick", options->quick,
                      "A hundredth of the work: shows that everything works, not how fast");
    command->add_option("--only", options->only,
                        "payments, growth: only measurements whose name contains this");
    command
        ->add_option("--rounds", options->rounds,
                     "payments, growth: how often each is measured; the median run is told")
        ->check(CLI::Range(1u, 99u));
    command
        ->add_option("--times", options->times,
                     "payments: so many times as many in each measurement, which lasts that much "
                     "longer than its few seconds")
        ->check(CLI::Range(1u, 20u));
    command->add_option("--history", options->history, "growth: rows of history")
        ->default_str("20,000,000, with --quick 2,000");
    command->add_flag("--costs", options->costs,
                      "payments: CPU and bytes of an update, too; between rows Postgres is made to "
                      "write out all that it holds, which slows the next one down a little");
    auto* server = command
                       ->add_option("--server", options->server,
                                    "payments: measure a service that runs already, by its stream")
                       ->type_name("ws://HOST:PORT/v1/stream");
    command
        ->add_option("--key-file", options->key_file,
                     "Of the payer whose own tokens are deposited; as `keys new` makes it")
        ->type_name("FILE")
        ->needs(server);
    command
        ->add_option(
            "--receiver", options->receiver,
            "Whom all of it is paid to; default: the payer itself, who can then charge, too")
        ->type_name("ADDRESS")
        ->needs(server);
    command
        ->add_option("--domain", options->domain,
                     "The service's server.domain, where it is not --server's HOST:PORT")
        ->type_name("NAME")
        ->needs(server);
    command
        ->add_option("--json", options->json,
                     "Write the report there as well; -: to standard output, and no table")
        ->type_name("FILE");
    command
        ->add_option("--compare", *compared,
                     "Measure nothing: compare two files that --json wrote, row by row")
        ->expected(2)
        ->default_str("")
        ->type_name("OLD NEW");
    command->footer(kBenchFooter);
    command->callback([&action, options, compared] {
        action = [options, compared] {
            start_log({"warn", "console"});
            if (compared->empty()) return run_bench(*options);
            bench::compare_reports(compared->at(0), compared->at(1));
            return kExitDone;
        };
    });
}

}  // namespace millrace::api
