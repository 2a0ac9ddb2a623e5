#include "api/cli/audit/verify_run.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

namespace millrace::api {
namespace {

using ledger::AuditedEntry;
using ledger::Broken;
using ledger::Verification;

constexpr std::size_t kBlockBytes = 4 * 1024 * 1024;
constexpr std::size_t kLinesAtOnce = 16;
constexpr std::size_t kLineBytesMax = 64 * 1024 * 1024;
constexpr std::chrono::milliseconds kProgressInterval{200};

/// Whole lines of an export, some megabytes at a time.
class Blocks {
public:
    explicit Blocks(const ExportSource& source) : source_(source) {}

    std::string next() {
        std::string block = std::move(rest_);
        rest_.clear();
        for (;;) {
            const auto end = block.rfind('\n');
            if (block.size() >= kBlockBytes && end != std::string::npos) {
                rest_ = block.substr(end + 1);
                block.resize(end + 1);
                return block;
            }
            if (block.size() > kLineBytesMax)
                ledger::broken("format", "", "", "a line is longer than any export has");
            const auto more = source_();
            if (more.empty()) return block;
            block += more;
        }
    }

private:
    const ExportSource& source_;
    std::string rest_;
};

std::vector<std::string_view> lines_of(const std::string& block) {
    std::vector<std::string_view> lines;
    for (std::size_t at = 0; at < block.size();) {
        auto end = block.find('\n', at);
        if (end == std::string::npos) end = block.size();
        lines.push_back(std::string_view(block).substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

using Examined = std::variant<std::monostate, AuditedEntry, Broken>;

void examine_some(const Verification& verification, const std::vector<std::string_view>& lines,
                  std::vector<Examined>& examined, std::atomic<std::size_t>& next) {
    for (;;) {
        const auto first = next.fetch_add(kLinesAtOnce);
        if (first >= lines.size()) return;
        for (auto at = first; at < std::min(lines.size(), first + kLinesAtOnce); ++at) {
            if (!Verification::is_entry(lines[at])) continue;
            try {
                examined[at] = verification.examine(lines[at]);
            } catch (const Broken& found) {
                examined[at] = found;
            }
        }
    }
}

std::vector<Examined> examine_all(const Verification& verification,
                                  const std::vector<std::string_view>& lines, unsigned threads) {
    std::vector<Examined> examined(lines.size());
    std::atomic<std::size_t> next = 0;
    const auto work = [&] { examine_some(verification, lines, examined, next); };
    std::vector<std::jthread> others;
    for (unsigned thread = 1; thread < threads; ++thread) others.emplace_back(work);
    work();
    return examined;
}

}  // namespace

void verify_export(const ExportSource& source, Verification& verification, unsigned threads,
                   const VerifyProgress& progress) {
    Blocks blocks(source);
    auto shown = std::chrono::steady_clock::now();
    const auto read = [&blocks] { return blocks.next(); };
    auto coming = std::async(std::launch::async, read);
    for (auto block = coming.get(); !block.empty(); block = coming.get()) {
        coming = std::async(std::launch::async, read);
        const auto lines = lines_of(block);
        // Entries are judged by the channels, which all come before them.
        std::size_t first = 0;
        for (; first < lines.size() && !Verification::is_entry(lines[first]); ++first)
            verification.take(lines[first], nullptr);
        const std::vector<std::string_view> rest(lines.begin() + static_cast<std::ptrdiff_t>(first),
                                                 lines.end());
        const auto examined = examine_all(verification, rest, threads);
        for (std::size_t at = 0; at < rest.size(); ++at) {
            if (const auto* found = std::get_if<Broken>(&examined[at])) throw *found;
            verification.take(rest[at], std::get_if<AuditedEntry>(&examined[at]));
        }
        const auto now = std::chrono::steady_clock::now();
        if (!progress || now - shown < kProgressInterval) continue;
        shown = now;
        progress(verification.totals());
    }
}

}  // namespace millrace::api
