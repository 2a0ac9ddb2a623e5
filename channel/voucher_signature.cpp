#include "channel/voucher_signature.hpp"

#include "channel/error.hpp"

namespace millrace::channel {

std::string_view to_string(VoucherSigner signer) {
    switch (signer) {
        case VoucherSigner::key:
            return "key";
        case VoucherSigner::contract:
            return "contract";
    }
    return "";
}

Result<VoucherSignature> VoucherSignature::from_bytes(BytesView bytes) {
    if (bytes.empty() || bytes.size() > kBytesMax) return Error::signature_length;
    VoucherSignature made;
    if (bytes.size() == Signature::size)
        std::copy(bytes.begin(), bytes.end(), made.of_key_.bytes.begin());
    else
        made.other_ = std::make_shared<const Bytes>(bytes.begin(), bytes.end());
    return made;
}

}  // namespace millrace::channel
