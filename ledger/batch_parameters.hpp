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

/// A batch as the parameters of the statement that writes it, or of the two that do.
class BatchParameters {
public:
    /// `copied`: the payments go another way.
    enum class Payments { included, copied };
    BatchParameters(const Batch& batch, const HeldLease& lease, Time now, Payments payments);

    /// What the statement has to have. Of what only the chain brings about all or nothing, so that
    /// there are few different statements.
    BatchParts parts(BatchNumbers numbers) const { return parts_of(numbers, parts_); }
    /// Few when each part has as many rows as `few_rows_of` says.
    BatchRows rows(BatchNumbers numbers) const;
    std::vector<std::uint32_t> types(BatchNumbers numbers) const;
    /// The number before its first, for the statement whose numbers are foretold.
    void foretell(std::int64_t base) { foretold_ = std::to_string(base); }

    struct Raw {
        std::vector<const char*> values;
        std::vector<int> lengths;
        std::vector<int> formats;
    };
    /// Points into this object, and is good until it is asked for again.
    Raw raw(BatchNumbers numbers);

private:
    /// Adds to the columns of a part, one value after the other.
    template <class... Values>
    void add(BatchPart part, const Values&... values) {
        parts_.set(static_cast<std::size_t>(part));
        auto* column = arrays_[static_cast<std::size_t>(part)].data();
        (column++->add(values), ...);
    }
    void add_payments(const Batch& batch);
    void add_channels(const Batch& batch);
    void add_reservations(const Batch& batch);
    void add_transfers(const Batch& batch);
    void add_accounts(const Batch& batch);
    void add_chain_events(const Batch& batch);
    void add_events(const Batch& batch);
    void add_openings(const Batch& batch);
    void add_reversals(const Batch& batch);

    std::size_t size_of(BatchPart part) const {
        return arrays_[static_cast<std::size_t>(part)].front().size();
    }
    /// Rows of channels and accounts that the statement changes.
    std::size_t changed(BatchNumbers numbers) const;

    BatchParts parts_;
    std::array<std::string, kBatchSingles> singles_;
    std::string foretold_;
    std::array<std::vector<PgArray>, kBatchParts> arrays_;
};

}  // namespace millrace::ledger
