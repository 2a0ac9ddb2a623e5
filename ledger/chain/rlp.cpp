#include "ledger/chain/rlp.hpp"

#include "channel/uint256.hpp"

#include <algorithm>

namespace millrace::ledger::chain {
namespace {

constexpr std::uint8_t kText = 0x80;
constexpr std::uint8_t kList = 0xc0;
constexpr std::size_t kShortMax = 55;

void append(channel::Bytes& out, channel::BytesView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

channel::BytesView without_leading_zeros(const channel::Word& value) {
    const auto first = std::find_if(value.bytes.begin(), value.bytes.end(),
                                    [](std::uint8_t byte) { return byte != 0; });
    return {first, value.bytes.end()};
}

void append_header(channel::Bytes& out, std::uint8_t kind, std::size_t size) {
    if (size <= kShortMax) {
        out.push_back(static_cast<std::uint8_t>(kind + size));
        return;
    }
    const auto word = channel::word_from(static_cast<std::uint64_t>(size));
    const auto digits = without_leading_zeros(word);
    out.push_back(static_cast<std::uint8_t>(kind + kShortMax + digits.size()));
    append(out, digits);
}

}  // namespace

void RlpList::add(channel::BytesView text) {
    const bool is_itself = text.size() == 1 && text.front() < kText;
    if (!is_itself) append_header(payload_, kText, text.size());
    append(payload_, text);
}

void RlpList::add_number(const channel::Word& value) {
    add(without_leading_zeros(value));
}

void RlpList::add_number(std::uint64_t value) {
    add_number(channel::word_from(value));
}

void RlpList::add_number(channel::Amount value) {
    add_number(channel::to_word(value));
}

void RlpList::add_list(const RlpList& list) {
    append(payload_, list.encode());
}

channel::Bytes RlpList::encode() const {
    channel::Bytes out;
    out.reserve(payload_.size() + 9);
    append_header(out, kList, payload_.size());
    append(out, payload_);
    return out;
}

}  // namespace millrace::ledger::chain
