#include "api/cli/bench/raw.hpp"

#include "channel/keccak.hpp"
#include "channel/secp256k1.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace millrace::api::bench {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

double per_second(std::uint64_t count, Clock::time_point since) {
    return static_cast<double>(count) /
           std::chrono::duration<double>(Clock::now() - since).count();
}

std::uint64_t verify_until(Clock::time_point end) {
    const auto digest = channel::keccak256("millrace bench");
    const auto key = channel::SecretKey::from_bytes(digest.view());
    const auto signature = key->sign(digest);
    const auto public_key = key->public_key();
    std::uint64_t count = 0;
    while (Clock::now() < end) {
        for (int i = 0; i < 64; ++i)
            if (!channel::verify(digest, signature, public_key))
                throw std::logic_error("a good signature did not verify");
        count += 64;
    }
    return count;
}

double verify_on(unsigned cores) {
    std::atomic<std::uint64_t> count = 0;
    const auto begin = Clock::now();
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < cores; ++i)
        threads.emplace_back([&] { count += verify_until(begin + 1s); });
    for (auto& thread : threads) thread.join();
    return per_second(count, begin);
}

double fdatasync_in(const std::string& directory) {
    std::string path = directory + "/millrace-bench-XXXXXX";
    const int file = mkstemp(path.data());
    if (file < 0) throw std::runtime_error("cannot make a file in " + directory);
    unlink(path.c_str());
    const std::array<char, 4096> page{};
    std::uint64_t count = 0;
    const auto begin = Clock::now();
    while (Clock::now() < begin + 1s) {
        if (write(file, page.data(), page.size()) < 0 || fdatasync(file) != 0)
            throw std::runtime_error("cannot write in " + directory);
        ++count;
    }
    close(file);
    return per_second(count, begin);
}

}  // namespace

RawFigures measure_raw(const std::string& directory) {
    RawFigures figures;
    figures.cores = std::max(1u, std::thread::hardware_concurrency());
    figures.verify_per_second_one_core = verify_on(1);
    figures.verify_per_second_all_cores = verify_on(figures.cores);
    figures.fdatasync_per_second = fdatasync_in(directory);
    return figures;
}

}  // namespace millrace::api::bench
