#include "ledger/pg_array.hpp"

#include <array>

namespace millrace::ledger {
namespace {

constexpr std::size_t kHeaderBytes = 20;

template <class Int>
void append_big_endian(std::string& out, Int value) {
    for (int shift = (sizeof(Int) - 1) * 8; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(static_cast<std::uint8_t>(
            static_cast<std::make_unsigned_t<Int>>(value) >> shift)));
}

void put_int32(std::string& out, std::size_t at, std::int32_t value) {
    for (int i = 0; i < 4; ++i)
        out[at + i] = static_cast<char>(static_cast<std::uint32_t>(value) >> (24 - 8 * i));
}

}  // namespace

PgArray::PgArray(Element element) : element_(element) {
    clear();
}

void PgArray::clear() {
    bytes_.assign(kHeaderBytes, '\0');
    count_ = 0;
    has_null_ = false;
}

void PgArray::begin(std::size_t length) {
    ++count_;
    append_big_endian(bytes_, static_cast<std::int32_t>(length));
}

void PgArray::add(std::int64_t value) {
    begin(8);
    append_big_endian(bytes_, value);
}

void PgArray::add(std::int32_t value) {
    begin(4);
    append_big_endian(bytes_, value);
}

void PgArray::add(std::string_view text) {
    begin(text.size());
    bytes_.append(text);
}

void PgArray::add(channel::BytesView bytes) {
    begin(bytes.size());
    bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// numeric_recv: number of base-10000 digits, weight of the first, sign, display scale, digits.
void PgArray::add(channel::Amount amount) {
    std::array<std::int16_t, 10> digits{};
    std::size_t count = 0;
    for (auto rest = amount.units(); rest != 0; rest /= 10'000)
        digits[count++] = static_cast<std::int16_t>(rest % 10'000);
    begin(8 + 2 * count);
    append_big_endian(bytes_, static_cast<std::int16_t>(count));
    append_big_endian(bytes_, static_cast<std::int16_t>(count == 0 ? 0 : count - 1));
    append_big_endian(bytes_, std::int16_t{0});
    append_big_endian(bytes_, std::int16_t{0});
    while (count > 0) append_big_endian(bytes_, digits[--count]);
}

void PgArray::add_null() {
    ++count_;
    has_null_ = true;
    append_big_endian(bytes_, std::int32_t{-1});
}

std::uint32_t PgArray::array_oid() const {
    switch (element_) {
        case Element::bytea: return 1001;
        case Element::int4: return 1007;
        case Element::text: return 1009;
        case Element::int8: return 1016;
        case Element::numeric: return 1231;
    }
    return 0;
}

const std::string& PgArray::bytes() {
    put_int32(bytes_, 0, count_ == 0 ? 0 : 1);
    put_int32(bytes_, 4, has_null_ ? 1 : 0);
    put_int32(bytes_, 8, static_cast<std::int32_t>(element_));
    put_int32(bytes_, 12, count_);
    put_int32(bytes_, 16, 1);
    // An empty array has no dimensions at all.
    if (count_ == 0) bytes_.resize(12);
    return bytes_;
}

}  // namespace millrace::ledger
