#include "ledger/chain/abi.hpp"

#include "channel/error.hpp"
#include "channel/uint256.hpp"

#include <algorithm>

namespace millrace::ledger::chain {
namespace {

using channel::Bytes;
using channel::BytesView;
using channel::Word;

void append(Bytes& out, BytesView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

AbiTuple& AbiTuple::add(const Word& word) {
    members_.push_back({word, std::nullopt});
    return *this;
}

AbiTuple& AbiTuple::add(const channel::Address& address) {
    return add(channel::word_from(address));
}

AbiTuple& AbiTuple::add(channel::Amount amount) {
    return add(channel::to_word(amount));
}

AbiTuple& AbiTuple::add(std::uint64_t value) {
    return add(channel::word_from(value));
}

AbiTuple& AbiTuple::add_dynamic(Bytes encoded) {
    members_.push_back({{}, std::move(encoded)});
    return *this;
}

Bytes AbiTuple::encode() const {
    Bytes out;
    std::uint64_t tail_at = members_.size() * Word::size;
    for (const Member& member : members_) {
        if (!member.tail) {
            append(out, member.word.view());
            continue;
        }
        append(out, channel::word_from(tail_at).view());
        tail_at += member.tail->size();
    }
    for (const Member& member : members_) {
        if (member.tail) append(out, *member.tail);
    }
    return out;
}

Bytes encode_bytes(BytesView bytes) {
    Bytes out;
    append(out, channel::word_from(static_cast<std::uint64_t>(bytes.size())).view());
    append(out, bytes);
    out.resize((out.size() + Word::size - 1) / Word::size * Word::size);
    return out;
}

Bytes encode_array(std::vector<Bytes> elements) {
    Bytes out;
    append(out, channel::word_from(static_cast<std::uint64_t>(elements.size())).view());
    AbiTuple tuple;
    for (auto& element : elements) tuple.add_dynamic(std::move(element));
    append(out, tuple.encode());
    return out;
}

Bytes encode_call(const Selector& selector, const AbiTuple& arguments) {
    Bytes out(selector.begin(), selector.end());
    append(out, arguments.encode());
    return out;
}

channel::Result<std::vector<Word>> decode_words(BytesView bytes, std::size_t count) {
    if (bytes.size() != count * Word::size) return channel::Error::rpc_read_failed;
    std::vector<Word> words(count);
    for (std::size_t at = 0; at < count; ++at) {
        const auto part = bytes.subspan(at * Word::size, Word::size);
        std::copy(part.begin(), part.end(), words[at].bytes.begin());
    }
    return words;
}

std::optional<std::size_t> size_at(BytesView bytes, std::size_t at) {
    if (at > bytes.size() || bytes.size() - at < Word::size) return std::nullopt;
    Word word;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), Word::size, word.bytes.begin());
    const auto value = channel::uint64_from(word);
    if (!value || *value > bytes.size()) return std::nullopt;
    return static_cast<std::size_t>(*value);
}

std::optional<std::vector<BytesView>> decode_bytes_array(BytesView bytes) {
    const auto array_at = size_at(bytes, 0);
    const auto count = array_at ? size_at(bytes, *array_at) : std::nullopt;
    if (!count) return std::nullopt;
    const auto array = bytes.subspan(*array_at + Word::size);
    std::vector<BytesView> elements;
    auto left = array.size();
    for (std::size_t n = 0; n < *count; ++n) {
        const auto at = size_at(array, n * Word::size);
        const auto length = at ? size_at(array, *at) : std::nullopt;
        if (!length || array.size() - *at - Word::size < *length || *length > left)
            return std::nullopt;
        left -= *length;
        elements.push_back(array.subspan(*at + Word::size, *length));
    }
    return elements;
}

channel::Result<channel::Address> address_from_word(const Word& word) {
    const auto low = word.bytes.end() - channel::Address::size;
    if (std::any_of(word.bytes.begin(), low, [](std::uint8_t byte) { return byte != 0; })) {
        return channel::Error::rpc_read_failed;
    }
    channel::Address address;
    std::copy(low, word.bytes.end(), address.bytes.begin());
    return address;
}

}  // namespace millrace::ledger::chain
