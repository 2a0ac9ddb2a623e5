#pragma once

#include "ledger/proof/sealer.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace support {

/// Signs the heads of the tests' log.
ledger::NoteSigner log_signer(std::uint8_t seed = 7,
                              const std::string& origin = "test.example/log");

/// Books with a history of everything that a journal can hold: payments pipelined and one by one,
/// reservations, deposits, claims, sweeps, fees, refunds, withdrawals, reversals. The same seed
/// makes the same history.
class JournalHistory {
public:
    explicit JournalHistory(Books& books, std::uint64_t seed, unsigned channels = 4);

    /// So many batches more, each sealed with a chance of one in `seal_one_in`; at the end all is.
    void run(unsigned batches, unsigned seal_one_in = 3);
    std::uint64_t seal();

    const std::vector<Payer>& payers() const { return payers_; }

private:
    struct Channel {
        std::uint64_t promised = 0;
        std::uint64_t used = 0;
        std::uint64_t balance = 0;
        std::uint64_t charged = 0;
        std::uint64_t claimed = 0;
        std::uint64_t claim_seq = 0;
        std::uint64_t last_claim = 0;
        std::vector<std::pair<std::string, std::uint64_t>> open;
    };

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    ledger::ChainLog next_log();
    void add(std::vector<ledger::Request>& batch, std::size_t at);
    void pay(std::vector<ledger::Request>& batch, std::size_t at, std::uint64_t times);
    void chain(std::vector<ledger::Request>& batch, std::size_t at);
    void undo_claim(std::size_t at);
    void process(std::vector<ledger::Request> batch, bool may_refuse);

    Books& books_;
    std::mt19937_64 random_;
    ledger::Shard shard_;
    ledger::Sealer sealer_;
    std::vector<Payer> payers_;
    std::vector<Channel> channels_;
    std::uint64_t next_ = 0;
    std::uint64_t block_ = 1;
    ledger::Time now_ = kNoon;
};

}  // namespace support
