#include "ledger/batch_parameters.hpp"

#include <map>
#include <utility>

namespace millrace::ledger {
namespace {

using Element = PgArray::Element;
constexpr auto b = Element::bytea;
constexpr auto d = Element::date;
constexpr auto i4 = Element::int4;
constexpr auto i8 = Element::int8;
constexpr auto n = Element::numeric;
constexpr auto t = Element::text;

/// In the order of the statement's parameters $8 …
constexpr std::array<Element, BatchParameters::kArrays> kColumns{
    // payment: $8 …
    b, i8, t, i4, t, b, n, n, n, n, n, n, n, b, i8, t,
    // channel: $24 …
    b, t, n, n, n, n, b, n, i8, i8, i8,
    // reservation kept: $35 …, gone: $40 …
    b, t, n, n, i4, b, t,
    // transfer: $42 …
    i8, i4, i4, t, b, t, b, n, t, i8,
    // account: $52 …
    i4, t, b, n, n,
    // chain_event: $57 …
    t, b, i4, i8, b, t, b, n, i8,
    // event: $66 …
    i8, t, i4, b, b, t,
    // more of channel: $72 …, of transfer: $74 …, of chain_event: $76 …
    n, i4, i8, i4, i4, i8,
    // channel_opening: $78 …, chain_reversal: $85 …
    b, t, i8, b, n, n, i8, i8, i8,
    // channel, for refunds: $87 …, chain_event: $90, payment: $91
    n, n, i8, n, d};

channel::BytesView view_of(const channel::Bytes& bytes) {
    return bytes;
}

std::map<AccountKey, std::pair<channel::Uint128, channel::Uint128>> movements(const Batch& batch) {
    std::map<AccountKey, std::pair<channel::Uint128, channel::Uint128>> sums;
    for (const auto& transfer : batch.transfers) {
        sums[transfer.debit].first += transfer.amount.units();
        sums[transfer.credit].second += transfer.amount.units();
    }
    return sums;
}

}  // namespace

BatchParameters::BatchParameters(const Batch& batch, const HeldLease& lease, Time now,
                                 Payments payments) {
    arrays_.reserve(kArrays);
    for (const auto element : kColumns) arrays_.emplace_back(element);
    if (payments == Payments::included) add_payments(batch);
    add_channels(batch);
    add_reservations(batch);
    add_transfers(batch);
    add_chain_events(batch);
    add_events(batch);
    add_openings(batch);
    add_reversals(batch);
    const auto accounts = movements(batch);
    for (const auto& [key, sums] : accounts) {
        column(52).add(key.asset_id);
        column(53).add(key.kind);
        column(54).add(view_of(key.owner));
        column(55).add(channel::Amount{sums.first});
        column(56).add(channel::Amount{sums.second});
    }
    singles_ = {std::to_string(lease.shard),
                std::to_string(lease.epoch),
                std::to_string(lease.batch + 1),
                to_rfc3339(now + lease.duration),
                std::to_string(batch.ordinals),
                to_rfc3339(now),
                std::to_string(batch.channels.size() + accounts.size())};
}

void BatchParameters::add_payments(const Batch& batch) {
    for (const auto& row : batch.payments) {
        column(8).add(row.terms->id.view());
        column(9).add(row.ordinal);
        column(10).add(std::string_view(row.result.inference.text()));
        column(11).add(row.step);
        column(12).add(to_string(row.kind));
        column(13).add(row.content.view());
        column(14).add(row.result.amount);
        column(15).add(row.increment);
        column(16).add(row.result.charged);
        column(17).add(row.result.reserved);
        column(18).add(row.result.signed_max);
        column(19).add(row.result.balance);
        column(20).add(row.voucher_max);
        if (row.signature)
            column(21).add(row.signature->view());
        else
            column(21).add_null();
        column(22).add(row.covered_by);
        column(23).add(std::string_view(row.detail));
        column(91).add(row.terms->month);
    }
}

void BatchParameters::add_channels(const Batch& batch) {
    for (const auto& row : batch.channels) {
        const auto& state = *row.state;
        column(24).add(row.terms->id.view());
        column(25).add(channel::to_string(state.status));
        column(26).add(state.balance);
        column(27).add(state.charged);
        column(28).add(state.reserved);
        column(29).add(state.signed_max);
        if (state.signed_max.is_zero())
            column(30).add_null();
        else
            column(30).add(state.signature.view());
        column(31).add(state.total_claimed);
        column(32).add(static_cast<std::int64_t>(state.withdraw_requested_at));
        column(33).add(static_cast<std::int64_t>(state.refund_nonce));
        column(34).add(row.last);
        column(72).add(state.owed);
        column(73).add(static_cast<std::int32_t>(state.in_doubt));
        column(87).add(state.withdraw_amount);
        column(88).add(state.refunding);
        column(89).add(static_cast<std::int64_t>(state.refunds_begun));
    }
}

void BatchParameters::add_reservations(const Batch& batch) {
    for (const auto& row : batch.reservations) {
        if (!row.reservation) {
            column(40).add(row.terms->id.view());
            column(41).add(std::string_view(row.inference.text()));
            continue;
        }
        column(35).add(row.terms->id.view());
        column(36).add(std::string_view(row.inference.text()));
        column(37).add(row.reservation->max_amount);
        column(38).add(row.reservation->charged);
        column(39).add(static_cast<std::int32_t>(row.reservation->steps));
    }
}

void BatchParameters::add_transfers(const Batch& batch) {
    for (const auto& row : batch.transfers) {
        column(42).add(row.ordinal);
        column(43).add(row.leg);
        column(44).add(row.debit.asset_id);
        column(45).add(row.debit.kind);
        column(46).add(view_of(row.debit.owner));
        column(47).add(row.credit.kind);
        column(48).add(view_of(row.credit.owner));
        column(49).add(row.amount);
        column(50).add(row.cause);
        column(51).add(row.first);
        if (row.reverses) {
            column(74).add(static_cast<std::int64_t>(row.reverses->seq));
            column(75).add(row.reverses->leg);
        } else {
            column(74).add_null();
            column(75).add_null();
        }
    }
}

void BatchParameters::add_chain_events(const Batch& batch) {
    for (const auto& row : batch.chain_events) {
        column(57).add(std::string_view(channel::to_string(row.network)));
        column(58).add(row.log.transaction.view());
        column(59).add(static_cast<std::int32_t>(row.log.log_index));
        column(60).add(static_cast<std::int64_t>(row.log.block_number));
        column(61).add(row.log.block_hash.view());
        column(62).add(row.kind);
        if (row.channel)
            column(63).add(row.channel->view());
        else
            column(63).add_null();
        column(64).add(row.amount);
        column(65).add(row.ordinal);
        column(76).add(row.inclusion);
        column(77).add(static_cast<std::int64_t>(row.requested_at));
        column(90).add(row.withdraw_amount);
    }
}

void BatchParameters::add_openings(const Batch& batch) {
    for (const auto& row : batch.openings) {
        column(78).add(row.channel.view());
        column(79).add(std::string_view(channel::to_string(row.network)));
        column(80).add(static_cast<std::int64_t>(row.block.number));
        column(81).add(row.block.hash.view());
        column(82).add(row.balance);
        column(83).add(row.total_claimed);
        column(84).add(row.ordinal);
    }
}

void BatchParameters::add_reversals(const Batch& batch) {
    for (const auto& row : batch.reversals) {
        column(85).add(static_cast<std::int64_t>(row.event_seq));
        column(86).add(row.ordinal);
    }
}

void BatchParameters::add_events(const Batch& batch) {
    for (const auto& row : batch.events) {
        column(66).add(row.ordinal);
        column(67).add(std::string_view(row.name));
        column(68).add(row.terms->asset_id);
        column(69).add(row.terms->id.view());
        column(70).add(row.terms->config.receiver.view());
        column(71).add(std::string_view(row.data));
    }
}

const std::array<std::uint32_t, BatchParameters::kCount>& BatchParameters::types() {
    // smallint, bigint ×2, timestamptz, bigint, timestamptz, bigint.
    static const auto all = [] {
        std::array<std::uint32_t, kCount> oids{21, 20, 20, 1184, 20, 1184, 20};
        for (int at = 0; at < kArrays; ++at)
            oids[kSingles + at] = PgArray(kColumns[at]).array_oid();
        return oids;
    }();
    return all;
}

BatchParameters::Raw BatchParameters::raw() {
    Raw raw{};
    for (int at = 0; at < kSingles; ++at) {
        raw.values[at] = singles_[at].c_str();
        raw.lengths[at] = static_cast<int>(singles_[at].size());
    }
    for (int at = 0; at < kArrays; ++at) {
        const auto& bytes = arrays_[at].bytes();
        raw.values[kSingles + at] = bytes.data();
        raw.lengths[kSingles + at] = static_cast<int>(bytes.size());
        raw.formats[kSingles + at] = 1;
    }
    return raw;
}

}  // namespace millrace::ledger
