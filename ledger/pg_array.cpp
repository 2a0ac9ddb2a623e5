#include "ledger/pg_array.hpp"

#include "ledger/pg_binary.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

constexpr std::size_t kHeaderBytes = 20;

}  // namespace

PgArray::PgArray(Element element) : element_(element) {
    clear();
}

void PgArray::clear() {
    bytes_.assign(kHeaderBytes, '\0');
    count_ = 0;
    has_null_ = false;
}

void PgArray::add(std::int64_t value) {
    ++count_;
    append_value(bytes_, value);
}

void PgArray::add(std::int32_t value) {
    ++count_;
    append_value(bytes_, value);
}

void PgArray::add(std::string_view text) {
    ++count_;
    append_value(bytes_, text);
}

void PgArray::add(channel::BytesView bytes) {
    ++count_;
    append_value(bytes_, bytes);
}

void PgArray::add(channel::Amount amount) {
    ++count_;
    append_value(bytes_, amount);
}

void PgArray::add(Day day) {
    ++count_;
    append_value(bytes_, day);
}

void PgArray::add(Time time) {
    ++count_;
    append_value(bytes_, time);
}

void PgArray::add_null() {
    ++count_;
    has_null_ = true;
    append_null(bytes_);
}

std::uint32_t PgArray::array_oid() const {
    switch (element_) {
        case Element::bytea:
            return 1001;
        case Element::int4:
            return 1007;
        case Element::text:
            return 1009;
        case Element::int8:
            return 1016;
        case Element::date:
            return 1182;
        case Element::timestamptz:
            return 1185;
        case Element::numeric:
            return 1231;
    }
    return 0;
}

std::vector<std::optional<std::string_view>> PgArray::values() const {
    std::vector<std::optional<std::string_view>> all;
    for (std::size_t at = kHeaderBytes; all.size() < size();) {
        const auto length = int32_at(bytes_, at);
        at += 4;
        if (length < 0) {
            all.emplace_back();
            continue;
        }
        all.emplace_back(std::string_view(bytes_).substr(at, static_cast<std::size_t>(length)));
        at += static_cast<std::size_t>(length);
    }
    return all;
}

const std::string& PgArray::bytes() {
    bytes_.resize(std::max(bytes_.size(), kHeaderBytes));
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
