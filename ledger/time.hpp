#pragma once

#include <chrono>
#include <string>

namespace millrace::ledger {

/// Wall-clock time, given in by whoever reads a clock; microseconds, as Postgres keeps them.
using Time = std::chrono::sys_time<std::chrono::microseconds>;

using Day = std::chrono::sys_days;

/// The first day of its month, in UTC.
Day month_of(Time time);

/// RFC 3339 in UTC, such as "2026-01-02T03:04:05.678901Z". Postgres reads it too.
std::string to_rfc3339(Time time);
/// Such as "2026-01-02".
std::string to_iso_date(Day day);

}  // namespace millrace::ledger
