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
    return curve::bytes_of(scalar.limbs);
}

/// What libsecp256k1 says.
bool is_of(const SignatureQuestion& question) {
    if (!check_form(*question.signature)) return false;
    const auto found = recover(question.digest, *question.signature);
    return found && *found == *question.key;
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
        question.key = &keys[n % 5]->key();
        // Two of the keys have tables.
        if (n % 5 < 2) question.known = keys[n % 5].get();
    }
    answer(questions);
    for (const auto& question : questions)
        CHECK(question.is_good == (question.known != nullptr || answers_without_table()));
}

TEST_CASE("known key: with anything changed the answer is that of libsecp256k1",
          "[channel][known_key]") {
    Random random(2);
    const auto secret = random_key(random);
    const auto other = random_key(random);
    const KnownKey key(secret.public_key());
    const bool has_table = GENERATE(true, false);
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
        question.key = &key.key();
        question.known = has_table ? &key : nullptr;
    }
    answer(questions);
    if (!has_table && !answers_without_table()) return;
    std::size_t good = 0;
    for (const auto& question : questions) {
        // What no hash gives is left open.
        CHECK(question.is_good == (question.digest != Digest{} && is_of(question)));
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
    std::size_t good_without_table = 0;
    for (const std::uint64_t secret : {1, 2, 3, 15, 16, 17, 255, 256}) {
        const KnownKey key(SecretKey::from_bytes(bytes_of({{secret}})).value().public_key());
        for (std::uint64_t n = 0; n < 100; ++n) {
            Scalar u1{{random.below(1'000) + 1}};
            if (n % 3 == 0) u1 = u1 * curve::inverse(Scalar{{random.below(1'000) + 1}});
            const Scalar factor{{n % 18}};
            const auto made = made_of(u1, u1 * factor, u1 * Scalar{{1 + n % 18 * secret}});
            if (!made) continue;
            auto signature = made->signature;
            SignatureQuestion question{made->digest, &signature, &key.key(), &key};
            REQUIRE(is_of(question));
            answer({&question, 1});
            if (question.is_good) ++good;
            auto without_table = question;
            without_table.known = nullptr;
            answer({&without_table, 1});
            if (without_table.is_good) ++good_without_table;
            signature.bytes[64] ^= 27 ^ 28;
            for (auto* one : {&question, &without_table}) {
                answer({one, 1});
                CHECK_FALSE(one->is_good);
            }
            ++asked;
        }
    }
    CHECK(asked > 700);
    // Where they cancel out instead, it is left open.
    CHECK(good > asked * 9 / 10);
    if (answers_without_table()) CHECK(good_without_table > asked / 2);
}

// Of the key of −1 the first digit of u2, which is 1, takes away what u1 · G has made: the sum
// passes through infinity where the terms are added in their order, and not where they are in
// pairs.
TEST_CASE(
    "known key: a sum that passes through infinity is found on another way, and harms no other",
    "[channel][known_key]") {
    Random random(4);
    const KnownKey key(SecretKey::from_bytes(bytes_of(-Scalar{{1}})).value().public_key());
    const auto secret = random_key(random);
    const KnownKey plain_key(secret.public_key());
    for (std::uint64_t k = 0; k < 64; ++k) {
        const auto made = made_of({{1}}, {{33 + 64 * k}}, -Scalar{{32 + 64 * k}});
        REQUIRE(made);
        const auto plain = secret.sign(made->digest);
        std::array<SignatureQuestion, 3> questions{
            SignatureQuestion{made->digest, &plain, &plain_key.key(), &plain_key},
            SignatureQuestion{made->digest, &made->signature, &key.key(), &key},
            SignatureQuestion{made->digest, &plain, &plain_key.key(), &plain_key}};
        REQUIRE(is_of(questions[1]));
        answer(questions);
        for (const auto& question : questions) CHECK(question.is_good);
    }
}

TEST_CASE("known key: what is malformed beside good ones is not good, and harms none",
          "[channel][known_key]") {
    Random random(6);
    const auto secret = random_key(random);
    const auto other = random_key(random);
    const KnownKey key(secret.public_key());
    const KnownKey other_key(other.public_key());
    const bool has_table = GENERATE(true, false);
    Digest digest;
    random.fill(digest.bytes);
    const auto good = secret.sign(digest);
    auto no_r = good;
    std::fill_n(no_r.bytes.begin(), 32, std::uint8_t{0});
    auto no_s = good;
    std::fill_n(no_s.bytes.begin() + 32, 32, std::uint8_t{0});
    const Digest order{bytes_of({curve::kOrder})};
    const auto of_order = secret.sign(order);
    const auto* known = has_table ? &key : nullptr;
    std::vector<SignatureQuestion> questions;
    const auto ask = [&](const Digest& about, const Signature& signature) {
        questions.push_back({about, &signature, &key.key(), known});
    };
    for (int n = 0; n < 5; ++n) {
        ask(digest, good);
        ask(digest, no_r);
        ask(digest, no_s);
        ask(order, of_order);
    }
    answer(questions);
    for (std::size_t n = 0; n < questions.size(); ++n)
        CHECK(questions[n].is_good == (n % 4 == 0 && (has_table || answers_without_table())));
    // A table of somebody else's key makes nobody else's signature good.
    const auto others = other.sign(digest);
    SignatureQuestion question{digest, &others, &key.key(), &other_key};
    answer({&question, 1});
    CHECK_FALSE(question.is_good);
}

TEST_CASE(
    "known key: a signature that nobody has made is good for the key that it gives, and no other",
    "[channel][known_key]") {
    const Signature signature = [] {
        Signature made;
        made.bytes[31] = 2;
        made.bytes[63] = 1;
        made.bytes[64] = 27;
        return made;
    }();
    Digest digest;
    digest.bytes[31] = 5;
    for (const auto v : {std::uint8_t{27}, std::uint8_t{28}}) {
        auto asked = signature;
        asked.bytes[64] = v;
        const auto found = recover(digest, asked);
        REQUIRE(found.has_value());
        const KnownKey key(*found);
        SignatureQuestion with{digest, &asked, &key.key(), &key};
        SignatureQuestion without{digest, &asked, &key.key()};
        answer({&with, 1});
        answer({&without, 1});
        CHECK(with.is_good);
        CHECK(without.is_good == answers_without_table());
        auto other = asked;
        other.bytes[64] = v == 27 ? std::uint8_t{28} : std::uint8_t{27};
        with.signature = without.signature = &other;
        answer({&with, 1});
        answer({&without, 1});
        CHECK_FALSE(with.is_good);
        CHECK_FALSE(without.is_good);
    }
}

TEST_CASE("known key: of no key nothing is good", "[channel][known_key]") {
    Random random(5);
    const KnownKey none{PublicKey{}};
    Digest digest;
    const auto signature = random_key(random).sign(digest);
    SignatureQuestion question{digest, &signature, &none.key(), &none, true};
    answer({&question, 1});
    CHECK_FALSE(question.is_good);
    question.known = nullptr;
    question.is_good = true;
    answer({&question, 1});
    CHECK_FALSE(question.is_good);
    answer({});
}

}  // namespace
}  // namespace millrace::channel
