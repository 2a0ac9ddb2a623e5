#include "ledger/proof/committed_batch.hpp"

#include "ledger/proof/journal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace millrace::ledger {
namespace {

/// The fields of one row, which point into texts of its own; used again for the next row.
class RowText {
public:
    explicit RowText(JournalTable table) : row_{table, true, {}} {}
    RowText(const RowText&) = delete;
    RowText& operator=(const RowText&) = delete;

    void begin() { next_ = 0; }
    void text(std::string_view value) { row_.fields[next_++] = value; }
    void bytes(channel::BytesView value) {
        text({reinterpret_cast<const char*>(value.data()), value.size()});
    }
    template <class Number>
    void number(Number value) {
        auto& digits = texts_[next_];
        digits.clear();
        fmt::format_to(std::back_inserter(digits), "{}", value);
        text(digits);
    }
    void amount(channel::Amount value) {
        texts_[next_] = channel::to_string(value);
        text(texts_[next_]);
    }
    void own(std::string value) {
        texts_[next_] = std::move(value);
        text(texts_[next_]);
    }
    void null() { row_.fields[next_++].reset(); }
    const JournalRow& row() const { return row_; }

private:
    JournalRow row_;
    std::array<std::string, kJournalFieldsMax> texts_;
    std::size_t next_ = 0;
};

/// What rows of a batch have in common.
struct Shared {
    explicit Shared(const CommittedBatch& batch) : base(batch.base), at_(batch.at) {}

    const std::string& micros(std::optional<Time> at) {
        const auto time = at.value_or(at_);
        if (micros_text_.empty() || time != micros_)
            micros_text_ = std::to_string(time.time_since_epoch().count());
        micros_ = time;
        return micros_text_;
    }

    const std::string& month(Day day) {
        if (month_text_.empty() || day != month_) month_text_ = to_rfc3339(day).substr(0, 10);
        month_ = day;
        return month_text_;
    }
    std::uint64_t number(Ordinal ordinal) const {
        return base + static_cast<std::uint64_t>(ordinal);
    }

    std::uint64_t base;

private:
    Time at_;
    Time micros_{};
    std::string micros_text_;
    Day month_{};
    std::string month_text_;
};

void fill(RowText& out, const PaymentRow& row, Shared& shared) {
    const auto& result = row.result;
    out.begin();
    out.bytes(row.terms->id.view());
    out.text(result.inference.text());
    out.number(row.step);
    out.text(to_string(row.kind));
    out.bytes(row.content.view());
    out.amount(result.amount);
    out.amount(row.increment);
    out.amount(result.charged);
    out.amount(result.reserved);
    out.amount(result.signed_max);
    out.amount(result.balance);
    row.voucher_max ? out.amount(*row.voucher_max) : out.null();
    row.signature ? out.bytes(row.signature->view()) : out.null();
    row.covered_by ? out.number(shared.number(*row.covered_by)) : out.null();
    out.text(row.detail);
    out.text(shared.month(row.terms->month));
    out.text(shared.micros(row.at));
}

void fill(RowText& out, const TransferRow& row, const Assets& assets, Shared& shared) {
    const auto& asset = assets.at(row.debit.asset_id);
    out.begin();
    out.number(row.leg);
    out.own(channel::to_string(asset.network));
    out.bytes(asset.token.view());
    out.text(row.debit.kind);
    out.bytes(row.debit.owner);
    out.text(row.credit.kind);
    out.bytes(row.credit.owner);
    out.amount(row.amount);
    out.text(row.cause);
    out.number(shared.number(row.first));
    row.reverses ? out.number(row.reverses->seq) : out.null();
    row.reverses ? out.number(row.reverses->leg) : out.null();
    out.text(shared.micros(row.at));
}

/// The row of each number, by ordinal; null where there is none.
std::vector<const PaymentRow*> by_ordinal(const CommittedBatch& batch) {
    std::vector<const PaymentRow*> rows(batch.numbers + 1);
    for (const auto& row : batch.payments) rows[static_cast<std::size_t>(row.ordinal)] = &row;
    return rows;
}

std::vector<const TransferRow*> in_order(const CommittedBatch& batch) {
    std::vector<const TransferRow*> rows;
    for (const auto& row : batch.transfers) rows.push_back(&row);
    std::sort(rows.begin(), rows.end(), [](const TransferRow* a, const TransferRow* b) {
        return std::pair{a->ordinal, a->leg} < std::pair{b->ordinal, b->leg};
    });
    return rows;
}

}  // namespace

bool is_of_payments(const Batch& batch) {
    return batch.chain_events.empty() && batch.events.empty() && batch.openings.empty() &&
           batch.reversals.empty();
}

void write_leaves(const CommittedBatch& batch, const Assets& assets, const TakeLeaf& take) {
    Shared shared(batch);
    const auto payments = by_ordinal(batch);
    const auto transfers = in_order(batch);
    auto transfer = transfers.begin();
    RowText payment(JournalTable::payment);
    RowText leg(JournalTable::transfer);
    channel::Bytes leaf;
    for (std::uint64_t ordinal = 1; ordinal <= batch.numbers; ++ordinal) {
        LeafWriter writer(leaf, batch.base + ordinal);
        if (const auto* row = payments[ordinal]) {
            fill(payment, *row, shared);
            writer.add(payment.row());
        }
        for (; transfer != transfers.end() &&
               static_cast<std::uint64_t>((*transfer)->ordinal) == ordinal;
             ++transfer) {
            fill(leg, **transfer, assets, shared);
            writer.add(leg.row());
        }
        take(batch.base + ordinal, leaf);
    }
}

}  // namespace millrace::ledger
