#include "ledger/batch_parameters.hpp"

#include <map>
#include <optional>
#include <utility>

namespace millrace::ledger {
namespace {

using channel::BytesView;

constexpr std::size_t kChanged = 6;
/// smallint, bigint ×2, timestamptz, bigint, timestamptz, bigint.
constexpr std::array<std::uint32_t, kBatchSingles> kSingleTypes{21, 20, 20, 1184, 20, 1184, 20};

constexpr BatchParts bits(std::initializer_list<BatchPart> parts) {
    unsigned long long mask = 0;
    for (const auto part : parts) mask |= 1ull << static_cast<std::size_t>(part);
    return {mask};
}
constexpr auto kOfChain =
    bits({BatchPart::chain_event, BatchPart::opening, BatchPart::reversal, BatchPart::event});
constexpr auto kOfCharges = bits({BatchPart::transfer, BatchPart::account});

std::map<AccountKey, std::pair<channel::Uint128, channel::Uint128>> movements(const Batch& batch) {
    std::map<AccountKey, std::pair<channel::Uint128, channel::Uint128>> sums;
    for (const auto& transfer : batch.transfers) {
        sums[transfer.debit].first += transfer.amount.units();
        sums[transfer.credit].second += transfer.amount.units();
    }
    return sums;
}

template <class Integer>
std::int64_t int8(Integer value) {
    return static_cast<std::int64_t>(value);
}

template <class Integer>
std::int32_t int4(Integer value) {
    return static_cast<std::int32_t>(value);
}

}  // namespace

BatchParameters::BatchParameters(const Batch& batch, const HeldLease& lease, Time now,
                                 Payments payments)
    : singles_{std::to_string(lease.shard),
               std::to_string(lease.epoch),
               std::to_string(lease.batch + 1),
               to_rfc3339(now + lease.duration),
               std::to_string(batch.ordinals),
               to_rfc3339(now),
               {}} {
    begin();
    if (payments == Payments::included) add_payments(batch);
    add_all_but_payments(batch, now);
}

BatchParameters::BatchParameters(const Batch& batch, std::int64_t base, Time now)
    : singles_{"0", "0", "0", to_rfc3339(now), std::to_string(base), to_rfc3339(now), {}} {
    begin();
    add_all_but_payments(batch, now);
}

void BatchParameters::begin() {
    for (std::size_t part = 0; part < kBatchParts; ++part)
        for (const auto& column : columns_of(static_cast<BatchPart>(part)))
            arrays_[part].emplace_back(column.type);
}

void BatchParameters::add_all_but_payments(const Batch& batch, Time now) {
    add_channels(batch);
    add_reservations(batch);
    add_transfers(batch, now);
    add_accounts(batch);
    add_chain_events(batch);
    add_events(batch);
    add_openings(batch);
    add_reversals(batch);
    if ((parts_ & kOfChain).any()) parts_.set();
    if ((parts_ & kOfCharges).any()) parts_ |= kOfCharges;
}

void BatchParameters::add_payments(const Batch& batch) {
    for (const auto& row : batch.payments) {
        std::optional<BytesView> signature;
        if (row.signature) signature = row.signature->view();
        const auto& result = row.result;
        add(BatchPart::payment, row.terms->id.view(), row.ordinal, result.inference.text(),
            row.step, to_string(row.kind), row.content.view(), result.amount, row.increment,
            result.charged, result.reserved, result.signed_max, result.balance, row.voucher_max,
            signature, row.covered_by, row.detail, row.terms->month);
    }
}

void BatchParameters::add_channels(const Batch& batch) {
    for (const auto& row : batch.channels) {
        const auto& state = *row.state;
        std::optional<BytesView> signature;
        if (!state.signed_max.is_zero()) signature = state.signature.view();
        add(BatchPart::channel, row.terms->id.view(), channel::to_string(state.status),
            state.balance, state.charged, state.reserved, state.signed_max, signature,
            state.total_claimed, int8(state.withdraw_requested_at), int8(state.refund_nonce),
            row.last, state.owed, int4(state.in_doubt), state.withdraw_amount, state.refunding,
            int8(state.refunds_begun));
    }
}

void BatchParameters::add_reservations(const Batch& batch) {
    for (const auto& row : batch.reservations) {
        if (const auto& kept = row.reservation)
            add(BatchPart::kept_reservation, row.terms->id.view(), row.inference.text(),
                kept->max_amount, kept->charged, int4(kept->steps));
        else
            add(BatchPart::gone_reservation, row.terms->id.view(), row.inference.text());
    }
}

void BatchParameters::add_transfers(const Batch& batch, Time now) {
    for (const auto& row : batch.transfers) {
        std::optional<std::int64_t> reverses_seq;
        std::optional<std::int32_t> reverses_leg;
        if (row.reverses) {
            reverses_seq = int8(row.reverses->seq);
            reverses_leg = row.reverses->leg;
        }
        add(BatchPart::transfer, row.ordinal, row.leg, row.debit.asset_id, row.debit.kind,
            BytesView(row.debit.owner), row.credit.kind, BytesView(row.credit.owner), row.amount,
            row.cause, row.first, reverses_seq, reverses_leg, row.at.value_or(now));
    }
}

void BatchParameters::add_accounts(const Batch& batch) {
    for (const auto& [key, sums] : movements(batch))
        add(BatchPart::account, key.asset_id, key.kind, BytesView(key.owner),
            channel::Amount{sums.first}, channel::Amount{sums.second});
}

void BatchParameters::add_chain_events(const Batch& batch) {
    for (const auto& row : batch.chain_events) {
        std::optional<BytesView> channel;
        if (row.channel) channel = row.channel->view();
        add(BatchPart::chain_event, channel::to_string(row.network), row.log.transaction.view(),
            int4(row.log.log_index), int8(row.log.block_number), row.log.block_hash.view(),
            row.kind, channel, row.amount, row.ordinal, row.inclusion, int8(row.requested_at),
            row.withdraw_amount);
    }
}

void BatchParameters::add_openings(const Batch& batch) {
    for (const auto& row : batch.openings)
        add(BatchPart::opening, row.channel.view(), channel::to_string(row.network),
            int8(row.block.number), row.block.hash.view(), row.balance, row.total_claimed,
            row.ordinal);
}

void BatchParameters::add_reversals(const Batch& batch) {
    for (const auto& row : batch.reversals)
        add(BatchPart::reversal, int8(row.event_seq), row.ordinal);
}

void BatchParameters::add_events(const Batch& batch) {
    for (const auto& row : batch.events)
        add(BatchPart::event, row.ordinal, row.name, row.terms->asset_id, row.terms->id.view(),
            row.terms->config.receiver.view(), row.data);
}

std::size_t BatchParameters::changed() const {
    return size_of(BatchPart::channel) + size_of(BatchPart::account);
}

BatchRows BatchParameters::rows() const {
    for (std::size_t at = 0; at < kBatchParts; ++at) {
        const auto part = static_cast<BatchPart>(at);
        if (parts_[at] && size_of(part) != few_rows_of(part)) return BatchRows::many;
    }
    return BatchRows::few;
}

std::vector<std::uint32_t> BatchParameters::types() const {
    std::vector<std::uint32_t> oids(kSingleTypes.begin(), kSingleTypes.end());
    const bool few = rows() == BatchRows::few;
    for (std::size_t part = 0; part < kBatchParts; ++part) {
        if (!parts_[part]) continue;
        for (std::size_t row = 0; row < (few ? arrays_[part].front().size() : 1); ++row)
            for (const auto& array : arrays_[part])
                oids.push_back(few ? static_cast<std::uint32_t>(array.element())
                                   : array.array_oid());
    }
    return oids;
}

BatchParameters::Raw BatchParameters::raw() {
    singles_[kChanged] = std::to_string(changed());
    Raw raw;
    const auto add = [&](std::optional<std::string_view> bytes, int format) {
        raw.values.push_back(bytes ? bytes->data() : nullptr);
        raw.lengths.push_back(bytes ? static_cast<int>(bytes->size()) : 0);
        raw.formats.push_back(format);
    };
    for (std::size_t at = 0; at < kBatchSingles; ++at) add(singles_[at], 0);
    const bool few = rows() == BatchRows::few;
    for (std::size_t part = 0; part < kBatchParts; ++part) {
        if (!parts_[part]) continue;
        if (!few) {
            for (auto& array : arrays_[part]) add(array.bytes(), 1);
            continue;
        }
        std::vector<std::vector<std::optional<std::string_view>>> columns;
        for (const auto& array : arrays_[part]) columns.push_back(array.values());
        for (std::size_t row = 0; row < columns.front().size(); ++row)
            for (const auto& column : columns) add(column[row], 1);
    }
    return raw;
}

}  // namespace millrace::ledger
