#include "api/cli/bench/history.hpp"

#include "api/cli/bench/channels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <thread>

namespace millrace::api::bench {
namespace {

namespace fs = std::filesystem;

/// Of one lane's run: what is signed ahead has some 700 bytes each.
constexpr std::uint64_t kRowsAtOnce = 100'000;
/// Postgres' write-ahead log, and what else is written to this disk.
constexpr std::uint64_t kOtherBytes = 4'000'000'000;
constexpr double kGigabyte = 1e9;
constexpr std::uint64_t kProgressSteps = 20;

}  // namespace

History::History(const DemoStack& stack) : stack_(stack), bytes_before_(database_bytes()) {}

/// Files come and go meanwhile.
std::uint64_t History::database_bytes() const {
    std::uint64_t sum = 0;
    std::error_code gone;
    for (auto it = fs::recursive_directory_iterator(
             stack_.directory(), fs::directory_options::skip_permission_denied, gone);
         it != fs::recursive_directory_iterator(); it.increment(gone)) {
        if (it->path().filename() == "pg_wal") it.disable_recursion_pending();
        std::error_code removed;
        if (!it->is_regular_file(removed)) continue;
        const auto size = it->file_size(removed);
        if (!removed) sum += size;
    }
    return sum;
}

void History::look_for_room(std::uint64_t rows) const {
    const auto needed = static_cast<std::uint64_t>(bytes_per_row_ * static_cast<double>(rows));
    const auto free = fs::space(stack_.directory()).available;
    say(fmt::format("{} rows need {:.1f} GB on the disk of {}; {:.1f} GB are free", rows,
                    static_cast<double>(needed) / kGigabyte, stack_.directory().string(),
                    static_cast<double>(free) / kGigabyte));
    if (needed + kOtherBytes > free)
        throw std::runtime_error(
            "the disk has no room for such a history; choose another directory "
            "with TMPDIR, or a shorter history");
}

void History::make(const std::string& token, std::vector<LoadChannel>& channels, std::uint64_t rows,
                   std::uint64_t there) {
    const auto grown = [&](std::uint64_t by) {
        bytes_per_row_ = static_cast<double>(database_bytes() - bytes_before_) /
                         static_cast<double>(std::max<std::uint64_t>(by, 1));
    };
    grown(there);
    look_for_room(rows);
    const auto missing = rows > there ? rows - there : 0;
    const auto lanes = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1,
                                               std::max<std::size_t>(channels.size(), 1));
    std::atomic<std::uint64_t> done = 0;
    std::atomic<std::uint64_t> told = 0;
    const auto work = [&](std::size_t lane) {
        std::vector<LoadChannel> mine;
        for (auto n = lane; n < channels.size(); n += lanes) mine.push_back(channels[n]);
        for (auto left = (missing + lanes - 1) / lanes; left > 0;) {
            LoadPlan plan;
            plan.channels = mine.size();
            plan.window = 64;
            plan.connections = 5;
            plan.array_max = 64;
            const auto each = (std::min(left, kRowsAtOnce) + mine.size() - 1) / mine.size();
            plan.updates = each * mine.size();
            const auto result = run_load(stack_.ready().stream, token, mine, plan);
            if (result.refused > 0)
                throw std::runtime_error("a payment was refused: " + result.first_refusal);
            left -= std::min(left, plan.updates);
            const auto now = done += plan.updates;
            const auto step = now * kProgressSteps / missing;
            if (told.exchange(step) != step) say(fmt::format("{} of {} rows", now, missing));
        }
        for (std::size_t n = 0; n < mine.size(); ++n) channels[n * lanes + lane] = mine[n];
    };
    std::vector<std::future<void>> working;
    for (std::size_t lane = 0; lane < lanes; ++lane)
        working.push_back(std::async(std::launch::async, work, lane));
    for (auto& one : working) one.get();
    grown(there + done);
}

}  // namespace millrace::api::bench
