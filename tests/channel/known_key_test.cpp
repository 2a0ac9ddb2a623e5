#include "channel/known_key.hpp"

#include "channel/curve/scalar.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"

#include <array>
#include <memory>
#include <optional>
#include <random>

namespace millrace::channel {
namespace {

using curve::Scalar;

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    template <std::size_t N>
    void fill(std::array<std::uint8_t, N>& bytes) {
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(engine_());
    }
    std::size_t below(std::size_t end) { return engine_() % end; }

private:
    std::mt19937_64 engine_;
};

SecretKey random_key(Random& random) {
    std::array<std::uint8_t, 32> bytes{};
    random.fill(bytes);
    return SecretKey::from_bytes(bytes).value();
}

std::array<std::uint8_t, 32> bytes_of(const Scalar& scalar) {
    std::array<std::uint8_t, 32> bytes{};
    for (std::size_t at = 0; at < 32; ++at)
        bytes[31 - at] = static_cast<std::uint8_t>(scalar.limbs[at / 8] >> at % 8 * 8);
    return bytes;
}

/// What libsecp256k1 says.
bool is_of(const SignatureQuestion& question) {
    if (!check_form(*question.signature)) return false;
    const auto found = recover(question.digest, *question.signature);
    return found && *found == question.key->key();
}

TEST_CASE("known key: good signatures are found good, in any company", "[channel][known_key]") {
    Random random(1);
    std::vector<SecretKey> secrets;
    std::vector<std::unique_ptr<KnownKey>> keys;
    for (int n = 0; n < 5; ++n) {
        secrets.push_back(random_key(random));
        keys.push_back(std::make_unique<KnownKey>(secrets.back().public_key()));
    }
    const auto count = GENERATE(std::size_t{1}, 2, 3, 63, 64, 65, 400);
    std::vector<Signature> signatures(count);
    std::vector<SignatureQuestion> questions(count);
    for (std::size_t n = 0; n < count; ++n) {
        auto& question = questions[n];
        random.fill(question.digest.bytes);
        signatures[n] = secrets[n % 5].sign(question.digest);
        question.signature = &signatures[n];
        question.key = keys[n % 5].get();
    }
    answer(questions);
    for (const auto& question : questions) CHECK(question.is_good);
}

TEST_CASE("known key: with anything changed the answer is that of libsecp256k1",
          "[channel][known_key]") {
    Random random(2);
    const auto secret = random_key(random);
    const auto other = random_key(random);
    const KnownKey key(secret.public_key());
    constexpr std::size_t kCount = 4'000;
    std::vector<Signature> signatures(kCount);
    std::vector<SignatureQuestion> questions(kCount);
    for (std::size_t n = 0; n < kCount; ++n) {
        auto& question = questions[n];
        auto& signature = signatures[n];
        random.fill(question.digest.bytes);
        // Digests around the order, too: they count modulo n.
        if (n % 7 == 0) std::fill_n(question.digest.bytes.begin(), 16, 0xff);
        if (n % 11 == 0) question.digest = {};
        signature = (n % 5 == 0 ? other : secret).sign(question.digest);
        const auto bit = static_cast<std::uint8_t>(1u << random.below(8));
        switch (n % 6) {
            case 1:
                signature.bytes[random.below(32)] ^= bit;
                break;
            case 2:
                signature.bytes[32 + random.below(32)] ^= bit;
                break;
            case 3:
                signature.bytes[64] = static_cast<std::uint8_t>(random.below(256));
                break;
            case 4:
                question.digest.bytes[random.below(32)] ^= bit;
                break;
            default:
                break;
        }
        question.signature = &signature;
        question.key = &key;
    }
    answer(questions);
    std::size_t good = 0;
    for (const auto& question : questions) {
        CHECK(question.is_good == is_of(question));
        if (question.is_good) ++good;
    }
    CHECK(good > kCount / 6);
    CHECK(good < kCount / 2);
}

/// The signature whose point is R = u1·G + u2·Q for a key of known secret d, with the digest that
/// it is over: R = k·G, e = u1·s, r = u2·s. Nothing where that is no point.
struct Made {
    Digest digest;
    Signature signature;
};
std::optional<Made> made_of(const Scalar& u1, const Scalar& u2, const Scalar& k) {
    if (u2 == Scalar{} || k == Scalar{}) return std::nullopt;
    const auto point = coordinates(SecretKey::from_bytes(bytes_of(k)).value().public_key());
    const auto r = curve::scalar_from(curve::limbs_from(point.data()));
    auto s = r * curve::inverse(u2);
    Made made;
    made.digest = Digest{bytes_of(u1 * s)};
    bool is_odd = (point[63] & 1) != 0;
    if (curve::is_below((-s).limbs, s.limbs)) {
        // With a low s it stands for the negative of R, and so does what is asked.
        s = -s;
        is_odd = !is_odd;
    }
    std::copy_n(point.begin(), 32, made.signature.bytes.begin());
    const auto s_bytes = bytes_of(s);
    std::copy_n(s_bytes.begin(), 32, made.signature.bytes.begin() + 32);
    made.signature.bytes[64] = is_odd ? 28 : 27;
    return made;
}

// With a key whose secret is known, both halves of the sum can be made to meet, so that a point is
// added to itself on the way.
TEST_CASE("known key: sums whose halves meet are found good, and bad with the other v",
          "[channel][known_key]") {
    Random random(3);
    std::size_t asked = 0;
    std::size_t good = 0;
    for (const std::uint64_t secret : {1, 2, 3, 15, 16, 17, 255, 256}) {
        const KnownKey key(SecretKey::from_bytes(bytes_of({{secret}})).value().public_key());
        for (std::uint64_t n = 0; n < 100; ++n) {
            Scalar u1{{random.below(1'000) + 1}};
            if (n % 3 == 0) u1 = u1 * curve::inverse(Scalar{{random.below(1'000) + 1}});
            const Scalar factor{{n % 18}};
            const auto made = made_of(u1, u1 * factor, u1 * Scalar{{1 + n % 18 * secret}});
            if (!made) continue;
            auto signature = made->signature;
            SignatureQuestion question{made->digest, &signature, &key};
            REQUIRE(is_of(question));
            answer({&question, 1});
            if (question.is_good) ++good;
            signature.bytes[64] ^= 27 ^ 28;
            answer({&question, 1});
            CHECK_FALSE(question.is_good);
            ++asked;
        }
    }
    CHECK(asked > 700);
    // Where they cancel out instead, it is left open.
    CHECK(good > asked * 9 / 10);
}

// Of the key of −1, t·G and t·Q cancel out on the way to R = 32·k·Q: the point at infinity has no
// place in this arithmetic, so that libsecp256k1 has to be asked.
TEST_CASE("known key: a sum that passes through infinity is left open, and harms no other",
          "[channel][known_key]") {
    Random random(4);
    const Scalar one{{1}};
    const KnownKey key(SecretKey::from_bytes(bytes_of(-one)).value().public_key());
    const auto secret = random_key(random);
    const KnownKey plain_key(secret.public_key());
    for (std::uint64_t t = 1; t <= 8; ++t) {
        for (std::uint64_t k = 1; k <= 8; ++k) {
            const Scalar part{{32 * k}};
            const auto made = made_of({{t}}, {{t + 32 * k}}, -part);
            REQUIRE(made);
            const auto plain = secret.sign(made->digest);
            std::array<SignatureQuestion, 3> questions{
                SignatureQuestion{made->digest, &plain, &plain_key},
                SignatureQuestion{made->digest, &made->signature, &key},
                SignatureQuestion{made->digest, &plain, &plain_key}};
            REQUIRE(is_of(questions[1]));
            answer(questions);
            CHECK(questions[0].is_good);
            CHECK_FALSE(questions[1].is_good);
            CHECK(questions[2].is_good);
        }
    }
}

TEST_CASE("known key: of no key nothing is good", "[channel][known_key]") {
    Random random(5);
    const KnownKey none{PublicKey{}};
    Digest digest;
    const auto signature = random_key(random).sign(digest);
    SignatureQuestion question{digest, &signature, &none, true};
    answer({&question, 1});
    CHECK_FALSE(question.is_good);
    answer({});
}

}  // namespace
}  // namespace millrace::channel
