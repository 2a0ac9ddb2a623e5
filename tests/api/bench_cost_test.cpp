#include "api/cli/bench/cost.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include <sys/wait.h>
#include <unistd.h>

using namespace millrace::api;
using bench::ProcessFamily;

namespace {

constexpr std::uint64_t kWritten = 1 << 20;
/// Linux gives no process this number.
constexpr pid_t kNobody = 1 << 22;

/// A process that has begun, and ends when it is let.
class Child {
public:
    /// Runs `work` first.
    template <class Work>
    explicit Child(Work work) {
        int done[2];
        int end[2];
        REQUIRE(pipe(done) == 0);
        REQUIRE(pipe(end) == 0);
        process_ = fork();
        REQUIRE(process_ >= 0);
        if (process_ == 0) {
            close(end[1]);
            work();
            char byte = 0;
            const bool told = write(done[1], &byte, 1) == 1 && read(end[0], &byte, 1) == 0;
            _exit(told ? 0 : 1);
        }
        close(done[1]);
        close(end[0]);
        end_ = end[1];
        char byte = 0;
        REQUIRE(read(done[0], &byte, 1) == 1);
        close(done[0]);
    }
    ~Child() { let_end(); }

    void let_end() {
        if (process_ == 0) return;
        close(end_);
        waitpid(process_, nullptr, 0);
        process_ = 0;
    }

private:
    pid_t process_ = 0;
    int end_ = -1;
};

void compute() {
    const auto begun = bench::cpu_of(getpid());
    // Several of the ticks in which the kernel tells the times of children that have ended.
    while (*bench::cpu_of(getpid()) < *begun + std::chrono::milliseconds{50}) {
    }
}

void write_to(const std::string& path) {
    std::ofstream(path) << std::string(kWritten, 'x');
}

}  // namespace

TEST_CASE("cost: what children have used is kept when they have ended", "[bench]") {
    const ProcessFamily family(getpid());
    const auto before = family.cpu();
    REQUIRE(before);
    Child child(compute);
    const auto living = family.cpu();
    REQUIRE(living);
    CHECK(*living >= *before + std::chrono::milliseconds{50});
    child.let_end();
    const auto ended = family.cpu();
    REQUIRE(ended);
    CHECK(*ended >= *before + std::chrono::milliseconds{30});
}

TEST_CASE("cost: what a child has written counts, and still when it has ended", "[bench]") {
    const ProcessFamily family(getpid());
    const auto before = family.bytes_written();
    // Elsewhere the system does not tell it.
    if (!before) return;
    const auto path = (std::filesystem::current_path() / "bench_cost_test.bytes").string();
    Child child([&] { write_to(path); });
    const auto living = family.bytes_written();
    child.let_end();
    const auto ended = family.bytes_written();
    std::filesystem::remove(path);
    REQUIRE(living);
    REQUIRE(ended);
    // A file system in memory writes nothing.
    if (*living != *before) CHECK(*living >= *before + kWritten);
    CHECK(*ended >= *living);
}

TEST_CASE("cost: of a process that is not there nothing is told", "[bench]") {
    const ProcessFamily gone(kNobody);
    CHECK_FALSE(gone.cpu());
    CHECK_FALSE(gone.bytes_written());
    CHECK_FALSE(bench::cpu_of(kNobody));
}
