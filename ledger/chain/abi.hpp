#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace millrace::ledger::chain {

using Selector = std::array<std::uint8_t, 4>;

/// Encodes the members of one tuple, or the arguments of one call, in order (Solidity contract ABI
/// specification, "Formal Specification of the Encoding").
class AbiTuple {
public:
    AbiTuple& add(const channel::Word& word);
    AbiTuple& add(const channel::Address& address);
    AbiTuple& add(channel::Amount amount);
    AbiTuple& add(std::uint64_t value);
    /// A member of dynamic type, encoded already.
    AbiTuple& add_dynamic(channel::Bytes encoded);

    channel::Bytes encode() const;

private:
    struct Member {
        channel::Word word{};
        std::optional<channel::Bytes> tail;
    };
    std::vector<Member> members_;
};

/// `bytes`: length, then the bytes padded to whole words.
channel::Bytes encode_bytes(channel::BytesView bytes);
/// `T[]` of a dynamic T, each element encoded already.
channel::Bytes encode_array(std::vector<channel::Bytes> elements);
channel::Bytes encode_call(const Selector& selector, const AbiTuple& arguments);

/// Exactly `count` words; `rpc_read_failed` when there are more or fewer bytes.
channel::Result<std::vector<channel::Word>> decode_words(channel::BytesView bytes,
                                                         std::size_t count);
/// The number that the word at `at` holds; nullopt unless it is one within the bytes.
std::optional<std::size_t> size_at(channel::BytesView bytes, std::size_t at);
/// The elements of the one value `bytes[]`. Nullopt when it is malformed, and when they add up to
/// more than there is: elements that overlap would take memory beyond measure.
std::optional<std::vector<channel::BytesView>> decode_bytes_array(channel::BytesView bytes);
/// `rpc_read_failed` when the upper twelve bytes are not zero.
channel::Result<channel::Address> address_from_word(const channel::Word& word);

}  // namespace millrace::ledger::chain
