#pragma once

#include "ledger/batch.hpp"
#include "ledger/lease.hpp"
#include "ledger/pg_array.hpp"

#include <array>
#include <string>
#include <vector>

namespace millrace::ledger {

/// A batch as the parameters of `kBatchBody` and its heads: seven single values, then one array per
/// column.
class BatchParameters {
public:
    static constexpr int kSingles = 7;
    static constexpr int kArrays = 84;
    static constexpr int kCount = kSingles + kArrays;

    /// `copied`: the payments go another way.
    enum class Payments { included, copied };
    BatchParameters(const Batch& batch, const HeldLease& lease, Time now, Payments payments);

    static const std::array<std::uint32_t, kCount>& types();

    struct Raw {
        std::array<const char*, kCount> values;
        std::array<int, kCount> lengths;
        std::array<int, kCount> formats;
    };
    /// Points into this object.
    Raw raw();

private:
    PgArray& column(int parameter) { return arrays_[parameter - kSingles - 1]; }
    void add_payments(const Batch& batch);
    void add_channels(const Batch& batch);
    void add_reservations(const Batch& batch);
    void add_transfers(const Batch& batch);
    void add_chain_events(const Batch& batch);
    void add_events(const Batch& batch);
    void add_openings(const Batch& batch);
    void add_reversals(const Batch& batch);

    std::array<std::string, kSingles> singles_;
    std::vector<PgArray> arrays_;
};

}  // namespace millrace::ledger
