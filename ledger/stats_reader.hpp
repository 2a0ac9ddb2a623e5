#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

struct LeaseRow {
    std::int16_t shard = 0;
    std::string holder;
    std::int64_t epoch = 0;
    /// Unix seconds.
    std::int64_t expires_at = 0;
};

/// Figures for operators that only the database knows.
struct Stats {
    /// By status.
    std::map<std::string, std::uint64_t> claims;
    /// Transactions neither confirmed nor failed, by network; every network that ever sent one.
    std::map<std::string, std::uint64_t> outbox_pending;
    /// Channels left out of claims, by reason.
    std::map<std::string, std::uint64_t> quarantined;
    /// Seconds for which the oldest unfinished transaction of a network has waited.
    std::map<std::string, std::int64_t> outbox_oldest;
    std::vector<LeaseRow> leases;
    /// Of those that went below the confirmations, by network; every network that ever had one.
    struct Reorganisations {
        std::uint64_t count = 0;
        /// Blocks given up by the last one.
        std::uint64_t last_depth = 0;
    };
    std::map<std::string, Reorganisations> reorganisations;
    std::uint64_t channels_in_doubt = 0;
    /// Channels that a payer withdraws from while charges are not claimed, by network; only
    /// networks that have any.
    struct Closing {
        std::uint64_t unclaimed = 0;
        /// Until the first of them can be withdrawn from; negative from then on.
        std::int64_t seconds_left = 0;
    };
    std::map<std::string, Closing> closing;
    std::uint64_t refunds_pending = 0;
    std::uint64_t refunds_given_up = 0;
    std::uint64_t last_seq = 0;
};

Stats read_stats(pqxx::connection& connection);

}  // namespace millrace::ledger
