#include "ledger/chain/erc1271.hpp"

#include "ledger/chain/abi.hpp"

#include <algorithm>

namespace millrace::ledger::chain {
namespace {

constexpr Selector kIsValidSignature{0x16, 0x26, 0xba, 0x7e};

}  // namespace

channel::Bytes is_valid_signature_call(const channel::Digest& digest,
                                       channel::BytesView signature) {
    AbiTuple arguments;
    arguments.add(channel::Word{digest.bytes}).add_dynamic(encode_bytes(signature));
    return encode_call(kIsValidSignature, arguments);
}

bool says_valid(channel::BytesView answer) {
    // The selector itself is the magic value, a bytes4: left-aligned in its word.
    channel::Word yes;
    std::copy(kIsValidSignature.begin(), kIsValidSignature.end(), yes.bytes.begin());
    return answer.size() >= channel::Word::size &&
           std::ranges::equal(answer.first(channel::Word::size), yes.bytes);
}

}  // namespace millrace::ledger::chain
