#pragma once

#include "ledger/time.hpp"

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// The right to write a shard. The epoch is the fence: every batch names it, and a take-over
/// raises it, so that a holder that slept through its expiry cannot commit.
struct HeldLease {
    std::int16_t shard = 0;
    std::string holder;
    std::int64_t epoch = 0;
    /// Number of the last committed batch.
    std::int64_t batch = 0;
    std::chrono::milliseconds duration{};
};

/// Another process has taken the shard over.
struct LeaseLost : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Creates leases 0 … count−1 where the table is empty, and gives the number of shards there are:
/// once chosen it stays.
std::int16_t prepare_shards(pqxx::connection& connection, std::int16_t count, Time now);

/// Takes the lease if it is free or has expired at `now`; nullopt while somebody else holds it.
std::optional<HeldLease> take_lease(pqxx::connection& connection, std::int16_t shard,
                                    const std::string& holder, std::chrono::milliseconds duration,
                                    Time now);

/// Who holds or last held the lease.
std::string lease_holder(pqxx::connection& connection, std::int16_t shard);

/// True if the lease is still held; extends it.
bool extend_lease(pqxx::connection& connection, const HeldLease& lease, Time now);

}  // namespace millrace::ledger
