#pragma once

#include "ledger/batch.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace millrace::ledger {

/// Reads what `payment_copy` makes.
inline constexpr const char* kPaymentCopy =
    "copy payment (channel_id, seq, inference_id, step, kind, content, amount, increment, charged, "
    "reserved, signed_max, balance, voucher_max, signature, covered_by, detail, "
    "channel_month, at) "
    "from stdin (format binary)";

/// A batch's payments as rows of table `payment`, in the file format of binary COPY (PostgreSQL
/// manual, COPY, "Binary Format"). Made before the batch has its numbers, which take their places
/// at the end, so that little is done while others wait for theirs.
class PaymentCopy {
public:
    PaymentCopy(std::span<const PaymentRow> payments, Time now);

    /// `base` is the seq before the batch's first.
    const std::string& numbered(std::int64_t base);

private:
    void append_seq(Ordinal ordinal);

    struct Place {
        std::size_t at;
        Ordinal ordinal;
    };
    std::string rows_;
    std::vector<Place> places_;
};

}  // namespace millrace::ledger
