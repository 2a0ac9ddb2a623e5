#pragma once

#include "ledger/audit/verify/entry.hpp"
#include "ledger/audit/verify/replay.hpp"
#include "ledger/audit/verify/tree_check.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct evp_md_ctx_st;

namespace millrace::ledger {

/// So old, by the export's time, no number is without a head of a log whose key the auditor has:
/// the service seals within seconds. Without that, whoever has the database could take the log
/// away, or its end, together with what it would show.
inline constexpr std::chrono::minutes kSealedWithin{10};

struct VerificationSettings {
    /// Whom the auditor trusts to sign heads; nullopt: whom the export names.
    std::optional<NoteKey> key;
    /// Heads from elsewhere: they have to be on the way.
    std::vector<KnownHead> known;
    /// The escrow of a network, by its CAIP-2 name; in place of what the export says.
    std::map<std::string, channel::Address> contracts{};
};

/// A token or coin, of which the journal has nothing but network and token: what it is called, and
/// how many decimals amounts have, is as told.
struct AuditedAsset {
    std::string network, token;
    std::uint64_t decimals = 0;
};

/// What is booked as claimed for a receiver and not settled.
struct ClaimedAccount {
    std::string network;
    channel::Address token, receiver;
    channel::Amount balance;
};

/// What a verification has seen.
struct VerificationTotals {
    std::uint64_t from = 0, to = 0, seq = 0;
    /// The newest number taken.
    std::uint64_t last = 0;
    std::uint64_t payments = 0, signatures = 0, transfers = 0, chain_events = 0;
    std::uint64_t channels = 0, accounts = 0, heads = 0, sealed = 0;
    /// Channels whose vouchers a contract judges: nobody else can.
    std::uint64_t contract_channels = 0;
};

/// Checks an export, line by line, by the rules of ledger/proof/README.md. Every line is `take`n in
/// order; of entries the greater part of the work, `examine`, may be done for many at once.
/// Throws Broken for the first thing that does not hold.
class Verification {
public:
    explicit Verification(VerificationSettings settings);
    ~Verification();

    static bool is_entry(std::string_view line) { return line.starts_with(R"({"type":"entry")"); }
    /// From any thread once the first entry is there: nothing that it reads changes from then on.
    AuditedEntry examine(std::string_view line) const;
    /// `line` without its newline. `entry`: what `examine` said, for lines that are entries.
    void take(std::string_view line, const AuditedEntry* entry);
    /// After the last line.
    VerificationTotals finish();

    const VerificationTotals& totals() const { return totals_; }
    const TreeCheck& tree() const { return *tree_; }
    const std::vector<AuditedAsset>& assets() const { return assets_; }
    const AuditedChannels& channels() const { return channels_; }
    /// The key that heads were checked with: the auditor's, or else the export's own word.
    const std::optional<NoteKey>& key() const { return key_; }
    /// All that was posted of the chain and not undone, by number; for a look at the chain.
    const std::map<std::uint64_t, AuditedChainEvent>& chain_events() const { return chain_events_; }
    const std::map<std::string, channel::Address>& contracts() const { return contracts_; }
    /// As told, for a look at the chain: by rule `balance` they are what the entries add up to.
    const std::vector<ClaimedAccount>& claimed_accounts() const { return claimed_; }
    /// Of each channel, the newest block that something of it was posted of.
    const std::unordered_map<channel::ChannelId, std::uint64_t>& blocks() const { return blocks_; }

private:
    enum class Part {
        header,
        assets,
        channels,
        reservations,
        opening_balances,
        strays,
        entries,
        accounts,
        proof,
        trailer,
        end
    };
    static Part part_of(std::string_view type);
    void take_header(const Fields& line);
    void take_asset(const Fields& line);
    void take_channel(const Fields& line);
    void take_entry(const AuditedEntry& entry);
    void take_account(const Fields& line);
    void note_block(const channel::ChannelId& id, std::uint64_t block);
    void check_sealed(std::uint64_t size) const;
    void take_trailer(const Fields& line);
    void add_to_digest(std::string_view line);
    bool is_whole() const { return totals_.from == 1; }

    VerificationSettings settings_;
    std::optional<NoteKey> key_;
    Part part_ = Part::header;
    bool is_told_ = false;
    VerificationTotals totals_;
    std::map<std::string, channel::Address> contracts_;
    std::vector<AuditedAsset> assets_;
    AuditedChannels channels_;
    std::unique_ptr<Replay> replay_;
    std::unique_ptr<TreeCheck> tree_;
    std::map<std::uint64_t, AuditedChainEvent> chain_events_;
    std::unordered_map<channel::ChannelId, std::uint64_t> blocks_;
    std::vector<ClaimedAccount> claimed_;
    /// Of the export, in microseconds since 1970.
    std::int64_t at_ = 0;
    /// The first number that was committed long before the export and is not sealed; 0: none.
    std::uint64_t overdue_ = 0;
    std::uint64_t next_ = 0;
    std::uint64_t lines_ = 0;
    struct Release {
        void operator()(evp_md_ctx_st* context) const;
    };
    std::unique_ptr<evp_md_ctx_st, Release> digest_;
};

}  // namespace millrace::ledger
