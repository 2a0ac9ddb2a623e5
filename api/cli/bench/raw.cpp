#include "api/cli/bench/raw.hpp"

#include "channel/keccak.hpp"
#include "channel/secp256k1.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace millrace::api::bench {
/// A file that nobody else sees.
class DiskFile {
public:
    explicit DiskFile(const std::string& directory) : directory_(directory) {
        std::string path = directory + "/millrace-bench-XXXXXX";
        file_ = mkstemp(path.data());
        if (file_ < 0) throw std::runtime_error("cannot make a file in " + directory);
        unlink(path.c_str());
    }
    ~DiskFile() { close(file_); }
    DiskFile(const DiskFile&) = delete;
    DiskFile& operator=(const DiskFile&) = delete;

    void write_through() {
        const std::array<char, 4096> page{};
        if (write(file_, page.data(), page.size()) < 0 || fdatasync(file_) != 0)
            throw std::runtime_error("cannot write in " + directory_);
    }

private:
    std::string directory_;
    int file_ = -1;
};

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

double per_second(std::uint64_t count, Clock::time_point since) {
    return static_cast<double>(count) / std::chrono::duration<double>(Clock::now() - since).count();
}

/// As many keys and signatures as a service sees: of one and the same, all branches are predicted.
class Signatures {
public:
    Signatures() {
        for (std::uint32_t at = 0; at < kKeys; ++at) {
            const auto seed = channel::keccak256("key " + std::to_string(at));
            keys_.push_back(std::move(channel::SecretKey::from_bytes(seed.view()).value()));
            public_keys_.push_back(keys_.back().public_key());
        }
        for (std::uint32_t at = 0; at < kMessages; ++at) {
            digests_.push_back(channel::keccak256("message " + std::to_string(at)));
            signatures_.push_back(keys_[at % kKeys].sign(digests_.back()));
        }
    }

    std::uint64_t verify_until(Clock::time_point end) const {
        std::uint64_t count = 0;
        while (Clock::now() < end)
            for (int i = 0; i < 64; ++i, ++count) verify(count % kMessages);
        return count;
    }

private:
    static constexpr std::size_t kKeys = 100;
    static constexpr std::size_t kMessages = 2000;

    void verify(std::size_t at) const {
        if (!channel::verify(digests_[at], signatures_[at], public_keys_[at % kKeys]))
            throw std::logic_error("a good signature did not verify");
    }

    std::vector<channel::SecretKey> keys_;
    std::vector<channel::PublicKey> public_keys_;
    std::vector<channel::Digest> digests_;
    std::vector<channel::Signature> signatures_;
};

double verify_on(unsigned cores, const Signatures& signatures) {
    std::atomic<std::uint64_t> count = 0;
    const auto begin = Clock::now();
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < cores; ++i)
        threads.emplace_back([&] { count += signatures.verify_until(begin + 1s); });
    for (auto& thread : threads) thread.join();
    return per_second(count, begin);
}

double fdatasync_in(const std::string& directory) {
    DiskFile file(directory);
    std::uint64_t count = 0;
    const auto begin = Clock::now();
    for (; Clock::now() < begin + 1s; ++count) file.write_through();
    return per_second(count, begin);
}

}  // namespace

RawFigures measure_raw(const std::string& directory) {
    RawFigures figures;
    const auto cores = std::max(1u, std::thread::hardware_concurrency());
    const Signatures signatures;
    figures.verify_per_second_one_core = verify_on(1, signatures);
    figures.verify_per_second_all_cores = verify_on(cores, signatures);
    figures.fdatasync_per_second = fdatasync_in(directory);
    return figures;
}

DiskProbe::DiskProbe(const std::string& directory, std::chrono::milliseconds between)
    : file_(std::make_unique<DiskFile>(directory)),
      thread_([this, between](const std::stop_token& stop) {
          try {
              for (; !stop.stop_requested(); std::this_thread::sleep_for(between)) {
                  const auto begun = Clock::now();
                  file_->write_through();
                  latencies_.add(Clock::now() - begun);
              }
          } catch (...) {
              failure_ = std::current_exception();
          }
      }) {}

DiskProbe::~DiskProbe() = default;

Latencies DiskProbe::take() {
    thread_.request_stop();
    thread_.join();
    if (failure_) std::rethrow_exception(failure_);
    return std::move(latencies_);
}

}  // namespace millrace::api::bench
