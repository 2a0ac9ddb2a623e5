#include "channel/secp256k1.hpp"

#include "channel/error.hpp"
#include "channel/keccak.hpp"
#include "tests/support/print.hpp"

#include <rapidcheck.h>
#include <rapidcheck/catch.h>

#include <utility>

namespace millrace::channel {
namespace {

rc::Gen<Bytes> thirty_two_bytes() {
    return rc::gen::container<Bytes>(32, rc::gen::arbitrary<std::uint8_t>());
}

SecretKey any_key() {
    auto key = SecretKey::from_bytes(*thirty_two_bytes());
    RC_PRE(key.has_value());
    return std::move(key).value();
}

Digest any_digest() {
    return keccak256(BytesView{*thirty_two_bytes()});
}

TEST_CASE("signature: whoever signed is recovered and verified", "[channel][property]") {
    rc::prop("sign, check the form, recover, verify", [] {
        const SecretKey key = any_key();
        const Digest digest = any_digest();
        const Signature signature = key.sign(digest);
        RC_ASSERT(check_form(signature).has_value());
        RC_ASSERT(parse_signature(to_hex(signature)).value() == signature);
        RC_ASSERT(recover(digest, signature).value() == key.public_key());
        RC_ASSERT(address_of(key.public_key()) == key.address());
        RC_ASSERT(verify(digest, signature, key.public_key()));
        RC_ASSERT(key.sign(digest) == signature);
    });
}

TEST_CASE("signature: one changed bit is never the signer's", "[channel][property]") {
    rc::prop("in the signature or in the digest", [] {
        const SecretKey key = any_key();
        const Digest digest = any_digest();
        Signature signature = key.sign(digest);
        Digest other = digest;
        const auto bit = *rc::gen::inRange<std::size_t>(0, 512 + 256);
        if (bit < 512) signature.bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
        if (bit >= 512) other.bytes[bit / 8 - 64] ^= static_cast<std::uint8_t>(1u << bit % 8);

        RC_ASSERT_FALSE(verify(other, signature, key.public_key()));
        const auto recovered = recover(other, signature);
        if (recovered) RC_ASSERT(address_of(*recovered) != key.address());
    });
}

TEST_CASE("signature: no bytes crash, and what passes has the form", "[channel][property]") {
    rc::prop("bytes of another length", [](const Bytes& bytes) {
        RC_PRE(bytes.size() != Signature::size);
        RC_ASSERT(parse_signature(BytesView{bytes}).error() == Error::signature_length);
    });
    rc::prop("65 bytes with a good v", [] {
        Bytes bytes = *rc::gen::container<Bytes>(65, rc::gen::arbitrary<std::uint8_t>());
        bytes[64] = *rc::gen::element<std::uint8_t>(27, 28);
        const auto parsed = parse_signature(BytesView{bytes});
        RC_PRE(parsed.has_value());
        const Digest digest = any_digest();
        const auto recovered = recover(digest, *parsed);
        if (recovered) RC_ASSERT(verify(digest, *parsed, *recovered));
    });
}

}  // namespace
}  // namespace millrace::channel
