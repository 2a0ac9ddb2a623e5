#pragma once

#include "ledger/audit/verify/entry.hpp"

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace millrace::ledger {

/// Follows every channel and account through the entries, in order: the rules `evidence` (of
/// covered payments), `authorization`, `payment`, `inference`, `event`, `posting`, `reversal`,
/// and at the end `balance` and `channel`. Throws Broken. Holds the channels, accounts and ids of
/// inferences, never the entries. `check_postings` is to come first.
class Replay {
public:
    /// `channels` outlives it.
    explicit Replay(const AuditedChannels& channels) : channels_(channels) {}

    void add_reservation(const channel::ChannelId& channel, std::string inference,
                         channel::Amount max_amount, channel::Amount charged, std::uint64_t steps);
    void take(const AuditedEntry& entry);
    void check_account(const std::string& key, channel::Amount debits, channel::Amount credits);
    /// When everything has been told.
    void finish();

private:
    struct Reservation {
        channel::Amount max_amount, charged;
        std::uint64_t steps = 1;
        /// It had nothing left when an event of the chain may have ended all that were open, which
        /// the figures do not tell.
        bool may_be_over = false;
    };
    using Reservations = std::map<std::string, Reservation>;
    struct Figures {
        channel::Amount balance, charged, reserved, refunding, signed_max, total_claimed;
        std::string status = "pending";
        std::uint64_t withdraw_requested_at = 0;
        std::uint64_t refund_nonce = 0;
        /// What no event tells, and payments and the names of events do.
        channel::Amount owed{};
        std::uint64_t refunds_begun = 0;
        bool is_in_doubt = false;
    };
    /// A payment whose voucher is to be covered by a later one.
    struct Covered {
        std::uint64_t seq;
        std::uint64_t by;
        channel::Amount voucher_max;
    };
    struct Live {
        Figures figures;
        Reservations open;
        std::unordered_set<std::string> inferences;
        std::vector<Covered> covered;
        /// Over the highest voucher, of a channel whose signatures only a contract can judge.
        std::set<channel::Bytes> signatures;
        /// Charged by payments and not yet posted.
        channel::Amount unposted;
        std::uint64_t unposted_from = 0;
        std::uint64_t seq = 0;
    };
    struct Account {
        channel::Amount debits, credits;
        bool is_told = false;
    };
    struct Leg {
        std::string debit, credit;
        channel::Amount amount;
        std::string cause;
        bool is_reversed = false;
    };

    void pay(const AuditedPayment& payment);
    void follow_kind(const AuditedPayment& payment, Live& live);
    void check_evidence(const AuditedPayment& payment, Live& live);
    void note_signature(const AuditedChannel& audited, Live& live, channel::Amount max,
                        const channel::Bytes& signature);
    static void follow_name(const AuditedEvent& event, Figures& figures);
    void take_event(const AuditedEntry& entry, const AuditedEvent& event);
    void post(const AuditedEntry& entry, const AuditedTransfer& transfer);
    void post_payments(const AuditedTransfer& transfer);
    void reverse(const AuditedEntry& entry, const AuditedTransfer& transfer);
    void check_undone(const AuditedEntry& entry);
    static bool are_open(const Reservations& told, const Reservations& replayed);
    void note_undoing(const AuditedEntry& entry);
    [[noreturn]] void fail(std::string rule, std::string table, std::string key,
                           std::string explanation) const;

    const AuditedChannels& channels_;
    std::uint64_t seq_ = 0;
    std::unordered_map<channel::ChannelId, Live> live_;
    std::unordered_map<std::string, Account> accounts_;
    /// Of entries that the chain caused, which alone can be reversed.
    std::map<std::pair<std::uint64_t, std::uint64_t>, Leg> legs_;
    std::map<std::uint64_t, bool> undoable_;
    std::map<channel::ChannelId, Reservations> reservations_;
};

}  // namespace millrace::ledger
