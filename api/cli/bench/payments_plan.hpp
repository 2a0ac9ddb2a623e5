#pragma once

#include "api/cli/bench/load.hpp"
#include "api/cli/bench/report.hpp"

#include <string_view>
#include <vector>

namespace millrace::api::bench {

/// What a row's rate is divided by.
enum class Yardstick { verify_all_cores, verify_one_core, pay_pipelined, none };

/// The service under load: as it is, with every voucher judged by its own signature
/// (ledger.check_every_signature), or without a transparency log.
enum class Service { as_it_is, checking_each, without_log };

enum class Payments { pay, authorize_and_charge };

struct Measurement {
    LoadPlan plan;
    Yardstick yardstick;
    Service service = Service::as_it_is;
    Payments payments = Payments::pay;
};

/// All rows, in the order in which they are told, of so many times their usual payments.
std::vector<Measurement> payment_measurements(bool quick, unsigned times);

/// In base units by channel, all measurements together.
std::vector<std::uint64_t> spent_by_channel(const std::vector<Measurement>& plans, unsigned rounds);

inline constexpr std::string_view kOneInFlight = "1 channel, one in flight";
inline constexpr std::string_view kPipelined = "100 channels, pipelined (64 in flight)";
inline constexpr std::string_view kWithoutLog = "100 channels, pipelined, no transparency log";
inline constexpr std::string_view kOffered = "100 channels, 10,000/s offered";

// Names of figures of rows.
inline constexpr std::string_view kToFloor = "p50ToOneFdatasyncAndOneVerify";
inline constexpr std::string_view kPostgresCommitP50 = "postgresCommitP50Microseconds";
inline constexpr std::string_view kToPostgresCommit = "p50ToOnePostgresCommit";
inline constexpr std::string_view kToSealed = "secondsToSealed";
inline constexpr std::string_view kOfferedRate = "offeredPerSecond";
inline constexpr std::string_view kLatenessP99 = "generatorLatenessP99Microseconds";
inline constexpr std::string_view kLatenessMax = "generatorLatenessMaxMicroseconds";

/// What the rows of this report are meant to reach, of those that it has.
std::vector<Mark> payment_marks(const Report& report);

}  // namespace millrace::api::bench
