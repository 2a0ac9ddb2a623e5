#pragma once

#include "api/cli/demo/chain.hpp"
#include "api/cli/demo/party.hpp"
#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "ledger/trial_balance_reader.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::api {

/// What the demo knows by itself, to be compared with what is on record.
struct DemoExpectation {
    std::vector<channel::Address> providers;
    std::uint64_t channels = 0;
    std::uint64_t payments = 0;
    std::uint64_t authorized = 0;
    /// Answers that apps and providers got.
    std::uint64_t acknowledged = 0;
    /// As the apps saw them, in microseconds.
    std::uint32_t latency_p50 = 0;
    std::uint32_t latency_p99 = 0;
    std::size_t apps = 0;
    std::uint64_t first_block = 0;
};

struct DemoProviderFigures {
    channel::Address address;
    /// From the payments in Postgres.
    channel::Amount charged;
    /// On chain: its token balance, which began at nothing, and what the contract says to have
    /// paid out.
    channel::Amount received;
    channel::Amount settled;
};

/// Read from Postgres and the chain.
struct DemoReport {
    DemoExpectation expected;
    std::uint64_t paid = 0;
    std::uint64_t authorized = 0;
    std::uint64_t charged = 0;
    /// Between the first and the last commit.
    std::uint64_t stream_milliseconds = 0;
    GasSpent gas;
    std::vector<DemoProviderFigures> providers;
    ledger::TrialBalance trial_balance;
    /// Tokens that the ledger says are in the contract, and that are.
    channel::Amount escrow_ledger;
    channel::Amount escrow_contract;
    std::uint64_t channels = 0;
    /// Channels whose balance or claimed total is another on chain.
    std::uint64_t channels_differing = 0;

    std::uint64_t payments() const { return paid + charged; }
    std::uint64_t updates() const { return paid + authorized + charged; }
    std::uint64_t updates_per_second() const;
    /// One sentence for each figure that does not add up.
    std::vector<std::string> faults() const;
};

DemoReport read_demo_report(const std::string& postgres, const DemoChain& chain,
                            const DemoNetwork& network, const DemoExpectation& expected);

/// For people, and for programs.
std::string demo_report_text(const DemoReport& report);
std::string demo_report_json(const DemoReport& report);

}  // namespace millrace::api
