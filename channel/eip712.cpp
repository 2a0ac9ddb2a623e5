#include "channel/eip712.hpp"

#include "channel/keccak.hpp"
#include "channel/uint256.hpp"

#include <array>

namespace millrace::channel {
namespace {

constexpr std::array<std::uint8_t, 2> kTypedDataPrefix{0x19, 0x01};

const Digest& domain_type_hash() {
    static const Digest hash = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    return hash;
}

}  // namespace

Digest domain_separator(const Domain& domain) {
    return keccak256({
        domain_type_hash().view(),
        keccak256(domain.name).view(),
        keccak256(domain.version).view(),
        word_from(domain.chain_id).view(),
        word_from(domain.verifying_contract).view(),
    });
}

Domain escrow_domain(std::uint64_t chain_id, const Address& contract) {
    return {"x402 Batch Settlement", "1", chain_id, contract};
}

Digest typed_data_digest(const Digest& separator, const Digest& struct_hash) {
    return keccak256({BytesView{kTypedDataPrefix}, separator.view(), struct_hash.view()});
}

}  // namespace millrace::channel
