#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/secp256k1.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace millrace::ledger::chain {

/// One entry of an EIP-2930 access list.
struct AccessEntry {
    channel::Address address;
    std::vector<channel::Word> storage_keys;
};

/// A transaction of type 2 (EIP-1559). Fees are wei per gas, `value` is wei. Without `to` it
/// creates a contract.
struct Transaction {
    std::uint64_t chain_id = 0;
    std::uint64_t nonce = 0;
    channel::Amount priority_fee;
    channel::Amount max_fee;
    std::uint64_t gas_limit = 0;
    std::optional<channel::Address> to;
    channel::Word value{};
    channel::Bytes data;
    std::vector<AccessEntry> access_list;
};

/// Ready to be broadcast, any number of times: the chain takes it once.
struct SignedTransaction {
    channel::Bytes raw;
    channel::TransactionHash hash;
};

/// 0x02 ‖ rlp of all fields but the signature.
channel::Bytes unsigned_bytes(const Transaction& transaction);
/// What the sender signs: keccak256 of `unsigned_bytes`.
channel::Digest signing_hash(const Transaction& transaction);
/// With the signature over `signing_hash` in its place.
SignedTransaction with_signature(const Transaction& transaction,
                                 const channel::Signature& signature);
SignedTransaction sign(const Transaction& transaction, const channel::SecretKey& key);

}  // namespace millrace::ledger::chain
