#pragma once

#include "channel/eip712.hpp"
#include "channel/secp256k1.hpp"
#include "channel/voucher.hpp"
#include "ledger/asset.hpp"
#include "ledger/shard.hpp"
#include "tests/support/postgres.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace support {

using namespace millrace;

inline const ledger::Time kNoon{std::chrono::sys_days{std::chrono::year{2026} / 1 / 2} +
                                std::chrono::hours{12}};

/// The n-th deterministic key of a test; any n ≥ 1.
channel::SecretKey key(unsigned n);
channel::Amount units(std::uint64_t n);

/// A migrated database with one token on chain 31337, and shards that can be started on it.
class Books {
public:
    /// Whether payments are in the ledger's tables before they are answered, or follow.
    enum class Posting { before_answers, behind };

    Postgres postgres{Postgres::Contents::migrated};
    ledger::Assets assets;
    ledger::CommitOrder order;
    std::int32_t token = 0;
    std::int32_t coin = 0;

    explicit Books(Posting posting = Posting::before_answers);
    ~Books();
    bool posts_behind() const { return posting_ == Posting::behind; }
    /// Waits until all that was answered is posted.
    void catch_up();
    /// Kills whoever posts; what is acknowledged then stays so.
    void stop_posting();
    ledger::Shard shard(const std::string& holder = "test", ledger::Time now = kNoon,
                        std::chrono::milliseconds commit_timeout = std::chrono::seconds{5});
    /// Catches up, and reads: what it changes is taken back.
    std::string query(const std::string& sql);
    void change(const std::string& sql);
    /// Takes numbers as another process would; gives the last of them.
    std::uint64_t take_numbers(std::int64_t count);
    /// Debits less credits over all accounts of all assets: has to be "0".
    std::string trial_balance();

private:
    void post();

    Posting posting_;
    std::thread poster_;
    std::atomic<bool> stopped_ = false;
};

/// A payer's side of one channel: signs as an app would.
struct Payer {
    channel::SecretKey secret;
    ledger::ChannelTerms terms;
    channel::Digest separator;

    channel::SignedVoucher voucher(std::uint64_t max) const;
    ledger::OpenChannel open(std::uint64_t balance) const;
    ledger::PaymentRequest pay(const std::string& inference, std::uint64_t amount,
                               std::uint64_t max, const std::string& detail = "{}") const;
    ledger::PaymentRequest authorize(const std::string& inference, std::uint64_t amount,
                                     std::uint64_t max) const;
    /// Handed in by the receiver.
    ledger::PaymentRequest accept(const std::string& inference, std::uint64_t amount,
                                  std::uint64_t max) const;
    ledger::PaymentRequest charge(const std::string& inference, std::uint64_t amount,
                                  channel::Finality finality = channel::Finality::final) const;
    ledger::PaymentRequest release(const std::string& inference) const;
};

/// Payer number n with a channel of its own, paying receiver number 900 + `receiver`.
Payer payer(const Books& books, unsigned n, unsigned receiver = 0);

channel::InferenceId inference(const std::string& text);

}  // namespace support
