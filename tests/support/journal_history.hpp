#pragma once

#include "ledger/posted_event.hpp"
#include "ledger/proof/sealer.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace support {

/// Signs the heads of the tests' log.
ledger::NoteSigner log_signer(std::uint8_t seed = 7,
                              const std::string& origin = "test.example/log");

/// Books with a history of everything that a journal can hold: payments pipelined and one by one,
/// with good vouchers and bad ones, of keys and of contracts; reservations charged in part, in full
/// and not at all; deposits, claims of less and of more than was charged, sweeps, fees, refunds
/// asked for, given up and made, withdrawals; and reorganisations that take any of it back,
/// openings included. The same seed makes the same history.
class JournalHistory {
public:
    explicit JournalHistory(Books& books, std::uint64_t seed, unsigned channels = 5);

    /// So many batches more, each sealed with a chance of one in `seal_one_in`; at the end all is.
    void run(unsigned batches, unsigned seal_one_in = 3);
    std::uint64_t seal();

private:
    /// What the next batch is made against: the state as stored, and what was put in the batch.
    struct Channel {
        Payer app;
        bool is_opened = false;
        channel::State plan{};
    };

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    bool one_in(std::uint64_t chance) { return below(chance) == 0; }
    /// 1 to that many, often all of it; 0 of nothing.
    std::uint64_t part_of(std::uint64_t amount);
    ledger::ChainLog next_log();

    void add(std::vector<ledger::Request>& batch, Channel& one);
    void open(std::vector<ledger::Request>& batch, Channel& one);
    channel::State snapshot();
    void pay(std::vector<ledger::Request>& batch, Channel& one);
    void authorize(std::vector<ledger::Request>& batch, Channel& one);
    void charge(std::vector<ledger::Request>& batch, Channel& one);
    void send(std::vector<ledger::Request>& batch, Channel& one, ledger::PaymentRequest request);
    std::uint64_t voucher_for(const Channel& one, std::uint64_t amount);
    /// As the channel's payer would sign it, or as it would not.
    ledger::ContractVerdict sign(const Channel& one, channel::SignedVoucher& voucher);

    void chain(std::vector<ledger::Request>& batch, Channel& one);
    void withdrawal(std::vector<ledger::Request>& batch, Channel& one);
    void refund(std::vector<ledger::Request>& batch, Channel& one);
    void post(std::vector<ledger::Request>& batch, Channel& one, ledger::ChannelChainEvent event);
    void post_of_asset(std::vector<ledger::Request>& batch);
    /// The chain takes back what it said last, and says some of it again.
    void reorganise();
    ledger::Request undoing(const ledger::StandingEvent& event);
    void include_again();
    void reconcile(std::vector<ledger::Request>& batch, Channel& one);

    void process(std::vector<ledger::Request> batch, bool may_refuse = true);
    /// Reads what is stored of each channel.
    void look();

    Books& books_;
    std::mt19937_64 random_;
    ledger::Shard shard_;
    ledger::Sealer sealer_;
    pqxx::connection database_;
    std::vector<Channel> channels_;
    std::vector<ledger::PaymentRequest> sent_;
    std::map<std::uint64_t, ledger::PostChannelEvent> posted_;
    std::vector<ledger::PostChannelEvent> dropped_;
    std::uint64_t next_ = 0;
    std::uint64_t block_ = 1;
    ledger::Time now_ = kNoon;
};

}  // namespace support
