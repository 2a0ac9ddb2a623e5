#pragma once

#include "ledger/batch.hpp"
#include "ledger/batch_statement.hpp"
#include "ledger/lease.hpp"
#include "ledger/pg_array.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace::ledger {

/// A batch as the parameters of the statement that writes it.
class BatchParameters {
public:
    /// `copied`: the payments go another way.
    enum class Payments { included, copied };
    BatchParameters(const Batch& batch, const HeldLease& lease, Time now, Payments payments);
    /// Of payments that were acknowledged under the numbers after `base`; they are copied.
    BatchParameters(const Batch& batch, std::int64_t base, Time now);

    /// What the statement has to have. Of what only the chain brings about all or nothing, so that
    /// there are few different statements.
    BatchParts parts() const { return parts_; }
    /// Few when each part has as many rows as `few_rows_of` says.
    BatchRows rows() const;
    std::vector<std::uint32_t> types() const;

    struct Raw {
        std::vector<const char*> values;
        std::vector<int> lengths;
        std::vector<int> formats;
    };
    /// Points into this object, and is good until it is asked for again.
    Raw raw();

private:
    /// Adds to the columns of a part, one value after the other.
    template <class... Values>
    void add(BatchPart part, const Values&... values) {
        parts_.set(static_cast<std::size_t>(part));
        auto* column = arrays_[static_cast<std::size_t>(part)].data();
        (column++->add(values), ...);
    }
    void begin();
    void add_all_but_payments(const Batch& batch, Time now);
    void add_payments(const Batch& batch);
    void add_channels(const Batch& batch);
    void add_reservations(const Batch& batch);
    void add_transfers(const Batch& batch, Time now);
    void add_accounts(const Batch& batch);
    void add_chain_events(const Batch& batch);
    void add_events(const Batch& batch);
    void add_openings(const Batch& batch);
    void add_reversals(const Batch& batch);

    std::size_t size_of(BatchPart part) const {
        return arrays_[static_cast<std::size_t>(part)].front().size();
    }
    /// Rows of channels and accounts that the statement changes.
    std::size_t changed() const;

    BatchParts parts_;
    std::array<std::string, kBatchSingles> singles_;
    std::array<std::vector<PgArray>, kBatchParts> arrays_;
};

}  // namespace millrace::ledger
