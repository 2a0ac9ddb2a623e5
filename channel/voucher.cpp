#include "channel/voucher.hpp"

#include "channel/eip712.hpp"
#include "channel/keccak.hpp"

namespace millrace::channel {
namespace {

const Digest& voucher_type_hash() {
    static const Digest hash = keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)");
    return hash;
}

const Digest& refund_type_hash() {
    static const Digest hash = keccak256("Refund(bytes32 channelId,uint256 nonce,uint128 amount)");
    return hash;
}

const Digest& claim_batch_type_hash() {
    static const Digest hash = keccak256(
        "ClaimBatch(ClaimEntry[] claims)"
        "ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)");
    return hash;
}

const Digest& claim_entry_type_hash() {
    static const Digest hash =
        keccak256("ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)");
    return hash;
}

Digest struct_hash(const ClaimEntry& entry) {
    return keccak256({
        claim_entry_type_hash().view(),
        entry.channel_id.view(),
        to_word(entry.max_claimable).view(),
        to_word(entry.total_claimed).view(),
    });
}

}  // namespace

Digest digest(const Digest& escrow_separator, const Voucher& voucher) {
    const Digest hash = keccak256({
        voucher_type_hash().view(),
        voucher.channel_id.view(),
        to_word(voucher.max_claimable).view(),
    });
    return typed_data_digest(escrow_separator, hash);
}

Digest digest(const Digest& escrow_separator, const Refund& refund) {
    const Digest hash = keccak256({
        refund_type_hash().view(),
        refund.channel_id.view(),
        refund.nonce.view(),
        to_word(refund.amount).view(),
    });
    return typed_data_digest(escrow_separator, hash);
}

Digest digest(const Digest& escrow_separator, std::span<const ClaimEntry> claims) {
    Bytes entries;
    entries.reserve(claims.size() * Digest::size);
    for (const ClaimEntry& claim : claims) {
        const Digest hash = struct_hash(claim);
        entries.insert(entries.end(), hash.bytes.begin(), hash.bytes.end());
    }
    const Digest batch =
        keccak256({claim_batch_type_hash().view(), keccak256(BytesView{entries}).view()});
    return typed_data_digest(escrow_separator, batch);
}

}  // namespace millrace::channel
