#include "channel/secp256k1.hpp"

#include "channel/error.hpp"
#include "channel/keccak.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"
#include "tests/support/vectors.hpp"

namespace millrace::channel {
namespace {

using support::fixed;
using support::Vector;

constexpr std::string_view kOrder =
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
constexpr std::string_view kOrderHalf =
    "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";
constexpr std::string_view kOrderHalfPlusOne =
    "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1";
const std::string kZero(64, '0');
const std::string kOne = std::string(63, '0') + "1";

Vector signature_vector() {
    return Vector::load("evm-primitives.json")["signature"];
}

std::string signature_of(std::string_view r, std::string_view s, std::string_view v) {
    return std::string("0x").append(r).append(s).append(v);
}

TEST_CASE("secp256k1: keys give the addresses of the vectors", "[channel][secp256k1][vectors]") {
    const auto keys = Vector::load("evm-primitives.json")["keys"].items();
    REQUIRE(keys.size() == 5);
    for (const auto& vector : keys) {
        const SecretKey key = support::secret_key(vector["privateKey"].text());
        CHECK(key.address() == support::address(vector["address"].text()));
        CHECK(address_of(key.public_key()) == key.address());

        const Bytes point = parse_hex(vector["publicKey"].text()).value();
        const Digest hash = keccak256(BytesView{point}.subspan(1));
        CHECK(to_hex(hash.view().subspan(12)) == to_hex(key.address()));
    }
    for (const auto& [address, key] : Vector::load("payment-protocols.json")["keys"].members()) {
        CHECK(support::secret_key(key.text()).address() == support::address(address));
    }
}

TEST_CASE("secp256k1: a secret key is 32 bytes from 1 to below the order", "[channel][secp256k1]") {
    const std::string last = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";
    CHECK(SecretKey::parse("0x" + kOne).has_value());
    CHECK(SecretKey::parse("0x" + last).has_value());
    for (const std::string& text :
         {"0x" + kZero, "0x" + std::string(kOrder), "0x" + std::string(64, 'f'), std::string{},
          kOne, "0x" + kOne.substr(2), "0x" + kOne + "00", "0x" + kOne.substr(1), std::string("0x"),
          "0x" + std::string(64, 'g')}) {
        CAPTURE(text);
        CHECK(SecretKey::parse(text).error() == Error::not_a_secret_key);
    }
    CHECK(SecretKey::from_bytes(Bytes(31, 1)).error() == Error::not_a_secret_key);
    CHECK(SecretKey::from_bytes(Bytes(33, 1)).error() == Error::not_a_secret_key);
    CHECK(SecretKey::from_bytes({}).error() == Error::not_a_secret_key);
}

TEST_CASE("secp256k1: a key moves, and what it left behind signs nothing", "[channel][secp256k1]") {
    SecretKey key = support::secret_key("0x" + kOne);
    const Address address = key.address();
    SecretKey moved = std::move(key);
    CHECK(moved.address() == address);
    CHECK(key.sign(Digest{}) == Signature{});  // NOLINT(bugprone-use-after-move)
    CHECK(key.address() == Address{});
    key = std::move(moved);
    CHECK(key.address() == address);
    CHECK(moved.public_key() == PublicKey{});  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("secp256k1: signing is deterministic and as in the vectors",
          "[channel][secp256k1][vectors]") {
    const Vector vector = signature_vector();
    const auto digest = fixed<Digest>(vector["digest"].text());
    const SecretKey key =
        support::secret_key("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d");
    CHECK(to_hex(key.sign(digest)) == vector["signature"].text());
    CHECK(key.address() == support::address(vector["signer"].text()));
}

TEST_CASE("secp256k1: the signer is recovered, and the recovered key verifies",
          "[channel][secp256k1][vectors]") {
    const Vector vector = signature_vector();
    const auto digest = fixed<Digest>(vector["digest"].text());
    const auto signature = parse_signature(vector["signature"].text());
    REQUIRE(signature.has_value());
    const auto key = recover(digest, *signature);
    REQUIRE(key.has_value());
    CHECK(address_of(*key) == support::address(vector["signer"].text()));
    CHECK(verify(digest, *signature, *key));
}

TEST_CASE("secp256k1: forms of the vectors that the contract refuses are refused",
          "[channel][secp256k1][vectors]") {
    const Vector vector = signature_vector();
    CHECK(parse_signature(vector["eip2098"].text()).error() == Error::signature_length);
    CHECK(parse_signature(vector["highS_mustReject"].text()).error() == Error::signature_high_s);
    CHECK(parse_signature(vector["v_0_1_form"].text()).error() == Error::signature_v);
    CHECK(parse_signature(vector["wrongV"].text()).error() == Error::signature_v);
}

TEST_CASE("secp256k1: the high-s twin names the same signer, and is refused all the same",
          "[channel][secp256k1][vectors]") {
    const Vector vector = signature_vector();
    const auto digest = fixed<Digest>(vector["digest"].text());
    const auto twin = fixed<Signature>(vector["highS_mustReject"].text());
    CHECK(address_of(recover(digest, twin).value()) == support::address(vector["signer"].text()));
    CHECK(check_form(twin).error() == Error::signature_high_s);
    CHECK_FALSE(verify(digest, twin, recover(digest, twin).value()));
}

TEST_CASE("secp256k1: the form of a signature is checked at every edge", "[channel][secp256k1]") {
    const std::string order(kOrder);
    const std::string half(kOrderHalf);
    const struct {
        std::string text;
        Error error;
    } refused[] = {
        {signature_of(kOne, kOne, "00"), Error::signature_v},
        {signature_of(kOne, kOne, "01"), Error::signature_v},
        {signature_of(kOne, kOne, "1a"), Error::signature_v},
        {signature_of(kOne, kOne, "1d"), Error::signature_v},
        {signature_of(kOne, kOne, "1e"), Error::signature_v},
        {signature_of(kOne, kOne, "ff"), Error::signature_v},
        {signature_of(kZero, kOne, "1b"), Error::signature_invalid},
        {signature_of(kOne, kZero, "1b"), Error::signature_invalid},
        {signature_of(order, kOne, "1b"), Error::signature_invalid},
        {signature_of(kOne, order, "1b"), Error::signature_invalid},
        {signature_of(std::string(64, 'f'), kOne, "1b"), Error::signature_invalid},
        {signature_of(kOne, kOrderHalfPlusOne, "1b"), Error::signature_high_s},
        {signature_of(kOne, kOrderHalfPlusOne, "1c"), Error::signature_high_s},
        {signature_of(kOne, kOne, ""), Error::signature_length},
        {signature_of(kOne, kOne, "1b1b"), Error::signature_length},
        {"0x", Error::signature_length},
        {"", Error::signature_invalid},
        {signature_of(kOne, kOne, "1b").substr(2), Error::signature_invalid},
        {signature_of(kOne, kOne, "zz"), Error::signature_invalid},
        {signature_of(kOne, kOne, "1"), Error::signature_invalid},
    };
    for (const auto& [text, error] : refused) {
        CAPTURE(text);
        CHECK(parse_signature(text).error() == error);
    }
    CHECK(parse_signature(signature_of(kOne, half, "1b")).has_value());
    CHECK(parse_signature(signature_of(kOne, kOne, "1c")).has_value());
}

TEST_CASE("secp256k1: bytes are checked like text", "[channel][secp256k1]") {
    const Bytes good = parse_hex(signature_of(kOne, kOne, "1b")).value();
    CHECK(parse_signature(BytesView{good}).has_value());
    CHECK(parse_signature(BytesView{good}.first(64)).error() == Error::signature_length);
    CHECK(parse_signature(BytesView{}).error() == Error::signature_length);
    Bytes longer = good;
    longer.push_back(0);
    CHECK(parse_signature(BytesView{longer}).error() == Error::signature_length);
}

TEST_CASE("secp256k1: with the other v another key is recovered, or none", "[channel][secp256k1]") {
    const SecretKey key = support::secret_key("0x" + kOne);
    for (std::uint8_t n = 0; n < 32; ++n) {
        const Digest digest = keccak256(Bytes{n});
        Signature signature = key.sign(digest);
        CHECK(address_of(recover(digest, signature).value()) == key.address());
        signature.bytes.back() ^= 27 ^ 28;
        const auto other = recover(digest, signature);
        CHECK((!other || address_of(*other) != key.address()));
        CHECK(verify(digest, signature, key.public_key()));
    }
}

TEST_CASE("secp256k1: no key verifies what it did not sign", "[channel][secp256k1]") {
    const SecretKey key = support::secret_key("0x" + kOne);
    const SecretKey other = support::secret_key("0x" + std::string(64, '2'));
    const Digest digest = keccak256("one");
    const Signature signature = key.sign(digest);
    CHECK(verify(digest, signature, key.public_key()));
    CHECK_FALSE(verify(keccak256("two"), signature, key.public_key()));
    CHECK_FALSE(verify(digest, signature, other.public_key()));
    CHECK_FALSE(verify(digest, signature, PublicKey{}));
    CHECK_FALSE(verify(digest, Signature{}, key.public_key()));
    CHECK(key.public_key() != other.public_key());
    for (std::size_t at = 0; at < 64; ++at) {
        Signature changed = signature;
        changed.bytes[at] ^= 1;
        CAPTURE(at);
        CHECK_FALSE(verify(digest, changed, key.public_key()));
    }
}

TEST_CASE("secp256k1: recovery refuses bytes that are no signature", "[channel][secp256k1]") {
    const Digest digest = keccak256("one");
    CHECK(recover(digest, Signature{}).error() == Error::signature_invalid);
    for (const int v : {0, 1, 26, 29, 30, 255}) {
        Signature signature = fixed<Signature>(signature_of(kOne, kOne, "1b"));
        signature.bytes.back() = static_cast<std::uint8_t>(v);
        CAPTURE(v);
        CHECK(recover(digest, signature).error() == Error::signature_invalid);
    }
    // 5 is the x of no point of the curve.
    const std::string five = std::string(63, '0') + "5";
    CHECK(recover(digest, fixed<Signature>(signature_of(five, kOne, "1b"))).error() ==
          Error::signature_invalid);
    CHECK(recover(digest, fixed<Signature>(signature_of(kOrder, kOne, "1b"))).error() ==
          Error::signature_invalid);
    CHECK(recover(digest, fixed<Signature>(signature_of(kZero, kOne, "1b"))).error() ==
          Error::signature_invalid);
}

TEST_CASE("secp256k1: a key made from a secret equals the key recovered from its signature",
          "[channel][secp256k1]") {
    const SecretKey key = support::secret_key("0x" + std::string(64, '3'));
    const Digest digest = keccak256("same point, same bytes");
    CHECK(recover(digest, key.sign(digest)).value() == key.public_key());
}

TEST_CASE("secp256k1: personal_sign hashes and signs as in the vectors",
          "[channel][secp256k1][vectors]") {
    const Vector vector = Vector::load("evm-primitives.json")["personalSign"];
    const Digest digest = personal_message_digest(vector["message"].text());
    CHECK(to_hex(digest) == vector["hash"].text());
    const auto signature = parse_signature(vector["signature"].text());
    REQUIRE(signature.has_value());
    CHECK(address_of(recover(digest, *signature).value()) ==
          support::address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"));
    CHECK(personal_message_digest("") != personal_message_digest("0"));
    CHECK(personal_message_digest(std::string(10, 'a')) != personal_message_digest("a"));
}

TEST_CASE("secp256k1: the signers of the transactions are recovered from their signing hashes",
          "[channel][secp256k1][vectors]") {
    const Vector file = Vector::load("evm-primitives.json");
    const SecretKey key = support::secret_key(file["keys"].items()[1]["privateKey"].text());
    for (const auto& [name, transaction] : file["transactions"].members()) {
        CAPTURE(name);
        const auto hash = fixed<Digest>(transaction["signingHash"].text());
        const Signature signature = key.sign(hash);
        // RLP drops leading zeros; where r and s have none they stand in the raw bytes as they are.
        const std::string raw = transaction["raw"].text();
        const std::string r = to_hex(signature.view().first(32)).substr(2);
        if (!r.starts_with("00")) CHECK(raw.find(r) != std::string::npos);
        CHECK(keccak256(BytesView{parse_hex(raw).value()}) ==
              fixed<Digest>(transaction["hash"].text()));
        CHECK(keccak256(BytesView{parse_hex(transaction["unsigned"].text()).value()}) == hash);
    }
}

}  // namespace
}  // namespace millrace::channel
