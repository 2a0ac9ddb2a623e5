#pragma once

#include "channel/bytes.hpp"
#include "channel/hex.hpp"
#include "channel/result.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::channel {

/// Who signs a channel's vouchers (x402-batch-settlement, "Voucher signer"): a key, whose signature
/// anybody can check, or a payer that is a contract and has to be asked (ERC-1271).
enum class VoucherSigner { key, contract };
std::string_view to_string(VoucherSigner signer);

/// A payer's signature over a voucher: 65 bytes of a key, or as many as a smart wallet takes. Cheap
/// to copy. Whether it has the form and truth of a key's is for `check_form` and `recover` to say.
class VoucherSignature {
public:
    /// A wallet of several owners signs with 65 bytes for each, one of passkeys with some 700.
    static constexpr std::size_t kBytesMax = 2048;

    /// 65 bytes of zero, which are nobody's.
    VoucherSignature() = default;
    VoucherSignature(const Signature& signature) : of_key_(signature) {}
    /// 1 to `kBytesMax` bytes; `signature_length` otherwise.
    static Result<VoucherSignature> from_bytes(BytesView bytes);

    BytesView view() const { return other_ ? BytesView{*other_} : of_key_.view(); }
    /// Null unless these are 65 bytes.
    const Signature* as_of_key() const { return other_ ? nullptr : &of_key_; }

    friend bool operator==(const VoucherSignature& left, const VoucherSignature& right) {
        return std::ranges::equal(left.view(), right.view());
    }

private:
    Signature of_key_{};
    /// Those that are not 65.
    std::shared_ptr<const Bytes> other_;
};

inline std::string to_hex(const VoucherSignature& signature) {
    return to_hex(signature.view());
}

}  // namespace millrace::channel
