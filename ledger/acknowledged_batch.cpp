#include "ledger/acknowledged_batch.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <stdexcept>
#include <unordered_map>
#include <utility>

namespace millrace::ledger {
namespace {

using channel::Amount;
using channel::BytesView;

constexpr std::uint8_t kVersion = 1;
constexpr std::string_view kCause = "payment";
/// Of a payment, which evidence follows.
constexpr std::uint8_t kHasVoucher = 1;
constexpr std::uint8_t kHasSignature = 2;
constexpr std::uint8_t kIsCovered = 4;

class Writer {
public:
    void byte(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
    /// Seven bits a byte, the lowest first.
    void number(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) byte(static_cast<std::uint8_t>(value | 0x80));
        byte(static_cast<std::uint8_t>(value));
    }
    template <class Integer>
    void number_of(Integer value) {
        number(static_cast<std::uint64_t>(value));
    }
    void amount(Amount value) {
        std::uint8_t bytes[16];
        std::uint8_t size = 0;
        for (auto units = value.units(); units != 0; units >>= 8)
            bytes[size++] = static_cast<std::uint8_t>(units);
        byte(size);
        raw({bytes, size});
    }
    void raw(BytesView bytes) {
        out_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    void bytes(BytesView bytes) {
        number(bytes.size());
        raw(bytes);
    }
    void text(std::string_view text) {
        number(text.size());
        out_.append(text);
    }
    std::string take() { return std::move(out_); }
    void reserve(std::size_t bytes) { out_.reserve(bytes); }

private:
    std::string out_;
};

class Reader {
public:
    explicit Reader(std::string_view in) : in_(in) {}

    std::uint8_t byte() { return static_cast<std::uint8_t>(take(1).front()); }
    std::uint64_t number() {
        constexpr unsigned kBits = 64;
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < kBits; shift += 7) {
            const auto next = byte();
            value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
            if (next < 0x80) return value;
        }
        malformed();
    }
    template <class Integer>
    Integer number_as() {
        return static_cast<Integer>(number());
    }
    Amount amount() {
        const auto bytes = take(byte());
        if (bytes.size() > sizeof(channel::Uint128)) malformed();
        channel::Uint128 units = 0;
        for (std::size_t at = bytes.size(); at-- > 0;)
            units = units << 8 | static_cast<std::uint8_t>(bytes[at]);
        return Amount{units};
    }
    template <class Fixed>
    Fixed fixed() {
        Fixed value;
        const auto bytes = take(Fixed::size);
        std::memcpy(value.bytes.data(), bytes.data(), bytes.size());
        return value;
    }
    std::string_view text() { return take(number()); }
    BytesView bytes() {
        const auto text = this->text();
        return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
    }
    /// So many of what takes at least a byte.
    std::size_t count() {
        const auto many = number();
        if (many > in_.size()) malformed();
        return many;
    }
    bool at_end() const { return in_.empty(); }
    [[noreturn]] static void malformed() {
        throw std::runtime_error("an acknowledged batch is not as this service writes it");
    }

private:
    std::string_view take(std::size_t bytes) {
        if (bytes > in_.size()) malformed();
        const auto taken = in_.substr(0, bytes);
        in_.remove_prefix(bytes);
        return taken;
    }

    std::string_view in_;
};

void write_state(Writer& out, const channel::State& state) {
    out.byte(static_cast<std::uint8_t>(state.status));
    for (const auto amount :
         {state.balance, state.charged, state.owed, state.reserved, state.signed_max,
          state.total_claimed, state.withdraw_amount, state.refunding})
        out.amount(amount);
    out.bytes(state.signature.view());
    for (const auto number : {state.withdraw_requested_at, state.refund_nonce, state.refunds_begun})
        out.number(number);
    out.byte(state.in_doubt ? 1 : 0);
}

channel::VoucherSignature read_signature(Reader& in) {
    auto signature = channel::VoucherSignature::from_bytes(in.bytes());
    if (!signature) Reader::malformed();
    return *signature;
}

template <class Enum>
Enum read_enum(Reader& in, Enum last) {
    const auto value = in.byte();
    if (value > static_cast<std::uint8_t>(last)) Reader::malformed();
    return static_cast<Enum>(value);
}

channel::State read_state(Reader& in) {
    channel::State state;
    state.status = read_enum(in, channel::Status::closed);
    for (auto* amount :
         {&state.balance, &state.charged, &state.owed, &state.reserved, &state.signed_max,
          &state.total_claimed, &state.withdraw_amount, &state.refunding})
        *amount = in.amount();
    state.signature = read_signature(in);
    for (auto* number : {&state.withdraw_requested_at, &state.refund_nonce, &state.refunds_begun})
        *number = in.number();
    state.in_doubt = in.byte() != 0;
    return state;
}

channel::InferenceId read_inference(Reader& in) {
    auto inference = channel::InferenceId::parse(in.text());
    if (!inference) Reader::malformed();
    return *inference;
}

void write_payment(Writer& out, const PaymentRow& row) {
    out.number_of(row.ordinal);
    out.text(row.result.inference.text());
    out.byte(static_cast<std::uint8_t>(row.kind));
    out.number_of(row.step);
    out.raw(row.content.view());
    const auto& result = row.result;
    for (const auto amount : {result.amount, row.increment, result.charged, result.reserved,
                              result.signed_max, result.balance})
        out.amount(amount);
    out.byte(static_cast<std::uint8_t>((row.voucher_max ? kHasVoucher : 0) |
                                       (row.signature ? kHasSignature : 0) |
                                       (row.covered_by ? kIsCovered : 0)));
    if (row.voucher_max) out.amount(*row.voucher_max);
    if (row.signature) out.bytes(row.signature->view());
    if (row.covered_by) out.number_of(*row.covered_by);
    out.text(row.detail);
}

PaymentRow read_payment(Reader& in, const ChannelTerms& terms, Time at) {
    PaymentRow row;
    row.terms = &terms;
    row.at = at;
    row.ordinal = in.number_as<Ordinal>();
    row.result.inference = read_inference(in);
    row.kind = read_enum(in, PaymentKind::release);
    row.step = in.number_as<std::int32_t>();
    row.content = in.fixed<ContentHash>();
    auto& result = row.result;
    for (auto* amount : {&result.amount, &row.increment, &result.charged, &result.reserved,
                         &result.signed_max, &result.balance})
        *amount = in.amount();
    const auto evidence = in.byte();
    if (evidence & kHasVoucher) row.voucher_max = in.amount();
    if (evidence & kHasSignature) row.signature = read_signature(in);
    if (evidence & kIsCovered) row.covered_by = in.number_as<Ordinal>();
    row.detail = in.text();
    return row;
}

/// Where each channel of the batch comes.
std::unordered_map<channel::ChannelId, std::uint64_t> places_of(const Batch& batch) {
    std::unordered_map<channel::ChannelId, std::uint64_t> places;
    for (const auto& row : batch.channels) places.emplace(row.terms->id, places.size());
    return places;
}

Day day_of(const TransferRow& row) {
    return std::chrono::floor<std::chrono::days>(row.at.value());
}

/// Whose account it is.
channel::ChannelId channel_of(const AccountKey& account) {
    channel::ChannelId id;
    std::copy_n(account.owner.begin(), id.bytes.size(), id.bytes.begin());
    return id;
}

}  // namespace

std::string encode(const Batch& batch, Time at) {
    constexpr std::size_t kChannelBytes = 240;
    constexpr std::size_t kPaymentBytes = 200;
    Writer out;
    out.reserve(kChannelBytes * batch.channels.size() + kPaymentBytes * batch.payments.size());
    out.byte(kVersion);
    out.number_of(at.time_since_epoch().count());
    out.number_of(batch.ordinals);
    const auto places = places_of(batch);
    out.number(batch.channels.size());
    for (const auto& row : batch.channels) {
        out.raw(row.terms->id.view());
        out.raw(row.terms->config.receiver.view());
        out.number_of(row.terms->asset_id);
        out.number_of(row.terms->month.time_since_epoch().count());
        out.number_of(row.last);
        write_state(out, *row.state);
    }
    out.number(batch.payments.size());
    for (const auto& row : batch.payments) {
        out.number(places.at(row.terms->id));
        write_payment(out, row);
    }
    out.number(batch.reservations.size());
    for (const auto& row : batch.reservations) {
        out.number(places.at(row.terms->id));
        out.text(row.inference.text());
        out.byte(row.reservation ? 1 : 0);
        if (!row.reservation) continue;
        out.amount(row.reservation->max_amount);
        out.amount(row.reservation->charged);
        out.number(row.reservation->steps);
    }
    out.number(batch.transfers.size());
    for (const auto& row : batch.transfers) {
        out.number(places.at(channel_of(row.debit)));
        out.number_of(row.ordinal);
        out.number_of(row.first);
        out.amount(row.amount);
    }
    return out.take();
}

AcknowledgedBatch decode(std::int64_t base, std::string_view content) {
    Reader in(content);
    if (in.byte() != kVersion) Reader::malformed();
    const Time at{std::chrono::microseconds{in.number_as<std::int64_t>()}};
    AcknowledgedBatch batch;
    batch.base = base;
    batch.at = at;
    auto& rows = batch.rows;
    rows.ordinals = in.number_as<Ordinal>();
    auto terms = std::make_shared<AcknowledgedBatch::Terms>();
    const auto channel = [&]() -> const ChannelTerms& {
        const auto place = in.number();
        if (place >= terms->channels.size()) Reader::malformed();
        return terms->channels[place];
    };
    for (auto many = in.count(); many > 0; --many) {
        auto& one = terms->channels.emplace_back();
        one.id = in.fixed<channel::ChannelId>();
        one.config.receiver = in.fixed<channel::Address>();
        one.asset_id = in.number_as<std::int32_t>();
        one.month = Day{std::chrono::days{in.number_as<std::int32_t>()}};
        const auto last = in.number_as<Ordinal>();
        rows.channels.push_back({&one, &terms->states.emplace_back(read_state(in)), last});
    }
    for (auto many = in.count(); many > 0; --many) {
        const auto& of = channel();
        rows.payments.push_back(read_payment(in, of, at));
        rows.payments.back().result.channel = of.id;
    }
    for (auto many = in.count(); many > 0; --many) {
        const auto& of = channel();
        ReservationRow row{&of, read_inference(in), std::nullopt};
        if (in.byte() != 0) {
            const auto max_amount = in.amount();
            const auto charged = in.amount();
            row.reservation = {max_amount, charged, in.number_as<std::uint32_t>()};
        }
        rows.reservations.push_back(std::move(row));
    }
    for (auto many = in.count(); many > 0; --many) {
        const auto& of = channel();
        TransferRow row{in.number_as<Ordinal>(),
                        0,
                        channel_account(of),
                        earned_account(of.asset_id, of.config.receiver),
                        {},
                        kCause,
                        0,
                        {},
                        at};
        row.first = in.number_as<Ordinal>();
        row.amount = in.amount();
        rows.transfers.push_back(std::move(row));
    }
    if (!in.at_end()) Reader::malformed();
    batch.terms = std::move(terms);
    return batch;
}

Batch merge(std::vector<AcknowledgedBatch>& batches) {
    Batch all;
    if (batches.empty()) return all;
    const auto base = batches.front().base;
    std::unordered_map<channel::ChannelId, ChannelRow> channels;
    std::map<std::pair<channel::ChannelId, channel::InferenceId>, ReservationRow> reservations;
    std::map<channel::Bytes, TransferRow> transfers;
    std::vector<PaymentRow*> payments;
    for (auto& batch : batches) {
        const auto shift = batch.base - base;
        all.ordinals = shift + batch.rows.ordinals;
        for (auto& row : batch.rows.payments) {
            row.ordinal += shift;
            if (row.covered_by) *row.covered_by += shift;
            payments.push_back(&row);
        }
        for (auto& row : batch.rows.channels) {
            row.last += shift;
            channels.insert_or_assign(row.terms->id, row);
        }
        for (auto& row : batch.rows.reservations)
            reservations.insert_or_assign({row.terms->id, row.inference}, std::move(row));
        for (auto& row : batch.rows.transfers) {
            row.ordinal += shift;
            row.first += shift;
            const auto [place, fresh] = transfers.try_emplace(row.debit.owner, row);
            if (fresh) continue;
            auto& sum = place->second;
            if (day_of(sum) != day_of(row)) {
                all.transfers.push_back(std::exchange(sum, row));
                continue;
            }
            const auto amount = channel::add(sum.amount, row.amount);
            if (!amount)
                throw std::runtime_error("charges of a channel come to more than 128 bits");
            sum.amount = *amount;
            sum.ordinal = row.ordinal;
            sum.at = row.at;
        }
    }
    // Rows of a channel lie side by side then, and their entries in its indexes are made together.
    std::ranges::stable_sort(
        payments, {}, [](const PaymentRow* row) -> auto& { return row->terms->id; });
    all.payments.reserve(payments.size());
    for (auto* row : payments) all.payments.push_back(std::move(*row));
    for (auto& [id, row] : channels) all.channels.push_back(row);
    for (auto& [key, row] : reservations) all.reservations.push_back(std::move(row));
    for (auto& [owner, row] : transfers) all.transfers.push_back(std::move(row));
    return all;
}

}  // namespace millrace::ledger
