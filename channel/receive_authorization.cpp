#include "channel/receive_authorization.hpp"

#include "channel/eip712.hpp"
#include "channel/keccak.hpp"
#include "channel/uint256.hpp"

namespace millrace::channel {
namespace {

const Digest& receive_authorization_type_hash() {
    static const Digest hash = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,"
        "uint256 validBefore,bytes32 nonce)");
    return hash;
}

}  // namespace

Digest digest(const Digest& token_separator, const ReceiveAuthorization& authorization) {
    const Digest hash = keccak256({
        receive_authorization_type_hash().view(),
        word_from(authorization.from).view(),
        word_from(authorization.to).view(),
        to_word(authorization.value).view(),
        authorization.valid_after.view(),
        authorization.valid_before.view(),
        authorization.nonce.view(),
    });
    return typed_data_digest(token_separator, hash);
}

Word deposit_nonce(const ChannelId& channel_id, const Word& salt) {
    return {keccak256({channel_id.view(), salt.view()}).bytes};
}

}  // namespace millrace::channel
