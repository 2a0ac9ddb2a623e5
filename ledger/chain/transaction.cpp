#include "ledger/chain/transaction.hpp"

#include "channel/keccak.hpp"
#include "ledger/chain/rlp.hpp"

#include <algorithm>

namespace millrace::ledger::chain {
namespace {

constexpr std::uint8_t kTypeDynamicFee = 0x02;

RlpList fields(const Transaction& transaction) {
    RlpList list;
    list.add_number(transaction.chain_id);
    list.add_number(transaction.nonce);
    list.add_number(transaction.priority_fee);
    list.add_number(transaction.max_fee);
    list.add_number(transaction.gas_limit);
    list.add(transaction.to ? transaction.to->view() : channel::BytesView{});
    list.add_number(transaction.value);
    list.add(transaction.data);

    RlpList accesses;
    for (const AccessEntry& entry : transaction.access_list) {
        RlpList keys;
        for (const auto& key : entry.storage_keys) keys.add(key.view());
        RlpList access;
        access.add(entry.address.view());
        access.add_list(keys);
        accesses.add_list(access);
    }
    list.add_list(accesses);
    return list;
}

channel::Bytes typed(const RlpList& list) {
    auto bytes = list.encode();
    bytes.insert(bytes.begin(), kTypeDynamicFee);
    return bytes;
}

channel::Word word_at(const channel::Signature& signature, std::size_t at) {
    channel::Word word;
    std::copy_n(signature.bytes.begin() + static_cast<std::ptrdiff_t>(at), channel::Word::size,
                word.bytes.begin());
    return word;
}

}  // namespace

channel::Bytes unsigned_bytes(const Transaction& transaction) {
    return typed(fields(transaction));
}

channel::Digest signing_hash(const Transaction& transaction) {
    return channel::keccak256(unsigned_bytes(transaction));
}

SignedTransaction with_signature(const Transaction& transaction,
                                 const channel::Signature& signature) {
    auto list = fields(transaction);
    list.add_number(std::uint64_t{signature.bytes.back() - 27u});
    list.add_number(word_at(signature, 0));
    list.add_number(word_at(signature, channel::Word::size));
    auto raw = typed(list);
    const auto hash = channel::keccak256(raw);
    return {std::move(raw), {hash.bytes}};
}

SignedTransaction sign(const Transaction& transaction, const channel::SecretKey& key) {
    return with_signature(transaction, key.sign(signing_hash(transaction)));
}

}  // namespace millrace::ledger::chain
