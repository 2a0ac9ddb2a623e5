#pragma once

#include "ledger/batch.hpp"
#include "ledger/batch_connection.hpp"
#include "ledger/lease.hpp"
#include "ledger/pg_array.hpp"

#include <array>
#include <string>

namespace millrace::ledger {

/// The statement that acknowledges a batch of payments: takes its numbers, fenced by the lease, and
/// stores all of it as one row of `acknowledged_batch`. Returns the seq before the batch's first;
/// no row when fenced; fails (division by zero) when one of the inferences that were asked about
/// has been paid for before.
class Acknowledgement {
public:
    /// `batch`: payments alone.
    Acknowledgement(const Batch& batch, Time now);

    /// Lets it fail if there is a posted payment of this inference.
    void ask(const ChannelTerms& terms, const channel::InferenceId& inference);

    const BatchConnection::Statement& statement() const;
    /// Points into this object, and is good until it is asked for again.
    BatchParameters::Raw parameters(const HeldLease& lease);

private:
    std::string content_;
    Ordinal numbers_;
    Time now_;
    std::array<std::string, 5> singles_;
    PgArray channels_{PgArray::Element::bytea};
    PgArray inferences_{PgArray::Element::text};
    PgArray months_{PgArray::Element::date};
};

}  // namespace millrace::ledger
