#pragma once

#include "channel/bytes.hpp"

#include <cstdint>
#include <string>

namespace millrace::channel {

/// EIP712Domain(string name,string version,uint256 chainId,address verifyingContract).
struct Domain {
    std::string name;
    std::string version;
    std::uint64_t chain_id = 0;
    Address verifying_contract;
};

/// Of the domain (EIP-712, "Definition of domainSeparator").
Digest domain_separator(const Domain& domain);

/// The domain of the escrow contract: "x402 Batch Settlement", version "1".
Domain escrow_domain(std::uint64_t chain_id, const Address& contract);

/// keccak256(0x1901 ‖ domain separator ‖ struct hash).
Digest typed_data_digest(const Digest& separator, const Digest& struct_hash);

}  // namespace millrace::channel
