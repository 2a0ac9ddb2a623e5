#include "channel/payer_signature.hpp"

#include "channel/secp256k1.hpp"
#include "channel/voucher.hpp"

namespace millrace::channel {

bool is_signed_by_payer(const ChannelConfig& config, const Digest& escrow_separator,
                        const ChannelId& id, Amount max_claimable,
                        const VoucherSignature& signature) {
    const auto* const of_key = signature.as_of_key();
    if (!of_key || !check_form(*of_key)) return false;
    const auto key = recover(digest(escrow_separator, Voucher{id, max_claimable}), *of_key);
    return key && address_of(*key) == voucher_signer(config);
}

}  // namespace millrace::channel
