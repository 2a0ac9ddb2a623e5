#include "channel/permit_transfer.hpp"

#include "channel/eip712.hpp"
#include "channel/keccak.hpp"
#include "channel/uint256.hpp"

namespace millrace::channel {
namespace {

const Digest& domain_type_hash() {
    static const Digest hash =
        keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
    return hash;
}

const Digest& transfer_type_hash() {
    static const Digest hash = keccak256(
        "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,"
        "uint256 deadline,DepositWitness witness)DepositWitness(bytes32 channelId)"
        "TokenPermissions(address token,uint256 amount)");
    return hash;
}

const Digest& permissions_type_hash() {
    static const Digest hash = keccak256("TokenPermissions(address token,uint256 amount)");
    return hash;
}

const Digest& witness_type_hash() {
    static const Digest hash = keccak256("DepositWitness(bytes32 channelId)");
    return hash;
}

}  // namespace

Digest permit2_separator(std::uint64_t chain_id, const Address& permit2) {
    return keccak256({
        domain_type_hash().view(),
        keccak256("Permit2").view(),
        word_from(chain_id).view(),
        word_from(permit2).view(),
    });
}

Digest digest(const Digest& permit2_separator, const PermitTransfer& transfer) {
    const Digest permitted = keccak256({
        permissions_type_hash().view(),
        word_from(transfer.token).view(),
        to_word(transfer.amount).view(),
    });
    const Digest witness = keccak256({witness_type_hash().view(), transfer.channel_id.view()});
    const Digest hash = keccak256({
        transfer_type_hash().view(),
        permitted.view(),
        word_from(transfer.spender).view(),
        transfer.nonce.view(),
        transfer.deadline.view(),
        witness.view(),
    });
    return typed_data_digest(permit2_separator, hash);
}

}  // namespace millrace::channel
