#include "ledger/payment_copy.hpp"

#include "ledger/pg_binary.hpp"

namespace millrace::ledger {
namespace {

constexpr std::string_view kMagic{"PGCOPY\n\377\r\n\0", 11};
constexpr std::int16_t kColumns = 18;
constexpr std::int16_t kEnd = -1;
constexpr std::size_t kRowBytes = 420;

}  // namespace

PaymentCopy::PaymentCopy(std::span<const PaymentRow> payments, Time now) : rows_(kMagic) {
    rows_.reserve(payments.size() * kRowBytes);
    places_.reserve(2 * payments.size());
    append_int32(rows_, 0);  // flags
    append_int32(rows_, 0);  // length of the header's extension
    for (const auto& row : payments) {
        append_int16(rows_, kColumns);
        append_value(rows_, row.terms->id.view());
        append_seq(row.ordinal);
        append_value(rows_, std::string_view(row.result.inference.text()));
        append_value(rows_, row.step);
        append_value(rows_, to_string(row.kind));
        append_value(rows_, row.content.view());
        append_value(rows_, row.result.amount);
        append_value(rows_, row.increment);
        append_value(rows_, row.result.charged);
        append_value(rows_, row.result.reserved);
        append_value(rows_, row.result.signed_max);
        append_value(rows_, row.result.balance);
        row.voucher_max ? append_value(rows_, *row.voucher_max) : append_null(rows_);
        row.signature ? append_value(rows_, row.signature->view()) : append_null(rows_);
        row.covered_by ? append_seq(*row.covered_by) : append_null(rows_);
        append_value(rows_, std::string_view(row.detail));
        append_value(rows_, row.terms->month);
        append_value(rows_, row.at.value_or(now));
    }
    append_int16(rows_, kEnd);
}

void PaymentCopy::append_seq(Ordinal ordinal) {
    append_value(rows_, std::int64_t{0});
    places_.push_back({rows_.size() - sizeof(std::int64_t), ordinal});
}

const std::string& PaymentCopy::numbered(std::int64_t base) {
    for (const auto& place : places_) put_int64(rows_, place.at, base + place.ordinal);
    return rows_;
}

}  // namespace millrace::ledger
