#include "ledger/pg_binary.hpp"

#include <array>

namespace millrace::ledger {
namespace {

/// Postgres counts from the year 2000.
constexpr Day kFirstDay{std::chrono::year{2000} / 1 / 1};
constexpr Time kEpoch{kFirstDay};

template <class Int>
void put_big_endian(std::string& out, std::size_t at, Int value) {
    for (std::size_t i = 0; i < sizeof(Int); ++i)
        out[at + i] = static_cast<char>(static_cast<std::make_unsigned_t<Int>>(value) >>
                                        (8 * (sizeof(Int) - 1 - i)));
}

template <class Int>
void append_big_endian(std::string& out, Int value) {
    out.resize(out.size() + sizeof(Int));
    put_big_endian(out, out.size() - sizeof(Int), value);
}

void append_length(std::string& out, std::size_t length) {
    append_int32(out, static_cast<std::int32_t>(length));
}

}  // namespace

void append_int16(std::string& out, std::int16_t value) {
    append_big_endian(out, value);
}

void append_int32(std::string& out, std::int32_t value) {
    append_big_endian(out, value);
}

void put_int32(std::string& out, std::size_t at, std::int32_t value) {
    put_big_endian(out, at, value);
}

void put_int64(std::string& out, std::size_t at, std::int64_t value) {
    put_big_endian(out, at, value);
}

std::int32_t int32_at(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (const auto byte : bytes.substr(at, sizeof(value)))
        value = value << 8 | static_cast<unsigned char>(byte);
    return static_cast<std::int32_t>(value);
}

void append_value(std::string& out, std::int64_t value) {
    append_length(out, sizeof(value));
    append_big_endian(out, value);
}

void append_value(std::string& out, std::int32_t value) {
    append_length(out, sizeof(value));
    append_big_endian(out, value);
}

void append_value(std::string& out, std::string_view text) {
    append_length(out, text.size());
    out.append(text);
}

void append_value(std::string& out, channel::BytesView bytes) {
    append_length(out, bytes.size());
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// numeric_recv: number of base-10000 digits, weight of the first, sign, display scale, digits.
void append_value(std::string& out, channel::Amount amount) {
    std::array<std::int16_t, 10> digits{};
    std::size_t count = 0;
    for (auto rest = amount.units(); rest != 0; rest /= 10'000)
        digits[count++] = static_cast<std::int16_t>(rest % 10'000);
    append_length(out, 8 + 2 * count);
    append_int16(out, static_cast<std::int16_t>(count));
    append_int16(out, static_cast<std::int16_t>(count == 0 ? 0 : count - 1));
    append_int16(out, 0);
    append_int16(out, 0);
    while (count > 0) append_int16(out, digits[--count]);
}

void append_value(std::string& out, Time time) {
    append_value(out, static_cast<std::int64_t>((time - kEpoch).count()));
}

void append_value(std::string& out, Day day) {
    append_value(out, static_cast<std::int32_t>((day - kFirstDay).count()));
}

void append_null(std::string& out) {
    append_int32(out, -1);
}

}  // namespace millrace::ledger
