#include "channel/voucher_signature.hpp"

#include "channel/error.hpp"

#include <catch2/catch.hpp>

namespace millrace::channel {
namespace {

Bytes filled(std::size_t count) {
    return Bytes(count, 7);
}

TEST_CASE("voucher signature: from one byte to the limit, and nothing beyond",
          "[channel][voucher_signature]") {
    for (const std::size_t count : {1u, 64u, 65u, 66u, 130u, 2048u}) {
        const auto made = VoucherSignature::from_bytes(filled(count));
        REQUIRE(made.has_value());
        CHECK(Bytes(made->view().begin(), made->view().end()) == filled(count));
        CHECK((made->as_of_key() != nullptr) == (count == Signature::size));
    }
    CHECK(VoucherSignature::from_bytes({}).error() == Error::signature_length);
    CHECK(VoucherSignature::from_bytes(filled(2049)).error() == Error::signature_length);
}

TEST_CASE("voucher signature: equal bytes are equal", "[channel][voucher_signature]") {
    Signature of_key;
    of_key.bytes.fill(7);
    CHECK(VoucherSignature::from_bytes(filled(65)).value() == VoucherSignature(of_key));
    CHECK(VoucherSignature::from_bytes(filled(130)).value() ==
          VoucherSignature::from_bytes(filled(130)).value());
    CHECK_FALSE(VoucherSignature::from_bytes(filled(130)).value() == VoucherSignature(of_key));
    CHECK(to_hex(VoucherSignature::from_bytes(filled(2)).value()) == "0x0707");
    CHECK(VoucherSignature{} == VoucherSignature(Signature{}));
}

}  // namespace
}  // namespace millrace::channel
