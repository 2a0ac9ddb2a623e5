#include "channel/config.hpp"

#include "channel/eip712.hpp"
#include "channel/keccak.hpp"
#include "channel/uint256.hpp"

namespace millrace::channel {
namespace {

const Digest& config_type_hash() {
    static const Digest hash = keccak256(
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,"
        "address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)");
    return hash;
}

}  // namespace

Result<void> check_config(const ChannelConfig& config) {
    if (config.payer.is_zero()) return Error::invalid_params;
    if (config.receiver.is_zero()) return Error::receiver_mismatch;
    if (config.receiver_authorizer.is_zero()) return Error::receiver_authorizer_mismatch;
    if (config.token.is_zero()) return Error::token_mismatch;
    if (config.withdraw_delay_seconds < kWithdrawDelaySecondsMin ||
        config.withdraw_delay_seconds > kWithdrawDelaySecondsMax) {
        return Error::withdraw_delay_out_of_range;
    }
    return {};
}

const Address& voucher_signer(const ChannelConfig& config) {
    return config.payer_authorizer.is_zero() ? config.payer : config.payer_authorizer;
}

Digest struct_hash(const ChannelConfig& config) {
    return keccak256({
        config_type_hash().view(),
        word_from(config.payer).view(),
        word_from(config.payer_authorizer).view(),
        word_from(config.receiver).view(),
        word_from(config.receiver_authorizer).view(),
        word_from(config.token).view(),
        word_from(config.withdraw_delay_seconds).view(),
        config.salt.view(),
    });
}

ChannelId channel_id(const Digest& escrow_separator, const ChannelConfig& config) {
    return {typed_data_digest(escrow_separator, struct_hash(config)).bytes};
}

}  // namespace millrace::channel
