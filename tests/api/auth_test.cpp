#include "api/auth/challenges.hpp"
#include "api/auth/tokens.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace support;
using namespace std::chrono_literals;
using api::Challenge;
using api::Challenges;
using api::LoginRefusal;
using api::Tokens;

namespace {

api::AuthConfig with_secret(char digit) {
    api::AuthConfig config;
    config.token_secret = std::string(64, digit);
    return config;
}

api::Config service() {
    api::Config config;
    config.server.domain = "pay.example";
    config.server.uri = "https://pay.example";
    config.networks.emplace_back();
    config.networks.back().network.chain_id = 31337;
    return config;
}

Challenge issued(Challenges& challenges, const channel::Address& address,
                 ledger::Time now = kNoon) {
    return std::get<Challenge>(challenges.issue(address, now));
}

std::string signed_by(const channel::SecretKey& key, const std::string& message) {
    return channel::to_hex(key.sign(channel::personal_message_digest(message)));
}

/// What is at fault, "field: first words"; empty when the login is good.
std::string refused(const Challenges::Redeemed& outcome) {
    const auto* refusal = std::get_if<LoginRefusal>(&outcome);
    if (const auto* wallet = std::get_if<api::WalletLogin>(&outcome)) refusal = &wallet->otherwise;
    return refusal ? std::string(refusal->field) + ": " + std::string(refusal->sentence) : "";
}

}  // namespace

TEST_CASE("tokens: a token says whose it is until it ends", "[auth]") {
    const Tokens tokens(with_secret('a'));
    const auto address = key(1).address();
    const auto [token, expires_at] = tokens.issue(address, kNoon);
    CHECK(expires_at == kNoon + 24h);
    const auto principal = tokens.verify(token, kNoon);
    REQUIRE(principal.has_value());
    CHECK(principal->address == address);
    CHECK_FALSE(principal->auditor);
    CHECK_FALSE(principal->operator_);
    CHECK(principal->expires_at == expires_at);
    CHECK(tokens.verify(token, expires_at - 1s).has_value());
    CHECK_FALSE(tokens.verify(token, expires_at).has_value());
    CHECK(tokens.issue(address, kNoon).first != token);
}

TEST_CASE("tokens: no changed digit, other secret or other text is taken", "[auth]") {
    const Tokens tokens(with_secret('a'));
    const auto token = tokens.issue(key(1).address(), kNoon).first;
    for (std::size_t at = 0; at < token.size(); ++at) {
        auto changed = token;
        changed[at] = changed[at] == '0' ? '1' : '0';
        CHECK_FALSE(tokens.verify(changed, kNoon).has_value());
    }
    CHECK_FALSE(Tokens(with_secret('b')).verify(token, kNoon).has_value());
    CHECK(Tokens(with_secret('a')).verify(token, kNoon).has_value());
    for (const auto& text : {std::string(), std::string("x"), token + "00", token.substr(2),
                             std::string(5000, 'a'), "0x" + token})
        CHECK_FALSE(tokens.verify(text, kNoon).has_value());
    const Tokens random{api::AuthConfig{}};
    CHECK_FALSE(Tokens{api::AuthConfig{}}
                    .verify(random.issue(channel::Address{}, kNoon).first, kNoon)
                    .has_value());
}

TEST_CASE("tokens: auditors and operators are known by the hash of their token", "[auth]") {
    api::AuthConfig config;
    // SHA-256 of "audit" and of "operate".
    config.auditor_token_sha256 = {
        "b81f37a043a6f767e7c94d105f4bd31282f3ecc20680bb9d09bd93461cf4c863"};
    config.operator_token_sha256 = {
        "0x2c29d39181de8f853de5e48ba983a5c88612b9dbaa5ab32c7748800a0840aeb8"};
    const Tokens tokens(config);
    const auto auditor = tokens.verify("audit", kNoon);
    REQUIRE(auditor.has_value());
    CHECK(auditor->auditor);
    CHECK_FALSE(auditor->operator_);
    CHECK_FALSE(auditor->address.has_value());
    const auto one = tokens.verify("operate", kNoon);
    REQUIRE(one.has_value());
    CHECK(one->operator_);
    CHECK_FALSE(one->auditor);
    CHECK_FALSE(tokens.verify("Audit", kNoon).has_value());
}

TEST_CASE("tokens: a secret or digest that is none is refused at the start", "[auth]") {
    api::AuthConfig config;
    config.token_secret = std::string(62, 'a');
    CHECK_THROWS_AS(Tokens(config), api::ConfigError);
    config.token_secret = std::string(64, 'x');
    CHECK_THROWS_AS(Tokens(config), api::ConfigError);
    config = {};
    config.auditor_token_sha256 = {"abcd"};
    CHECK_THROWS_AS(Tokens(config), api::ConfigError);
}

TEST_CASE("tokens: the bearer is found in the header", "[auth]") {
    CHECK(api::bearer_token("Bearer abc") == "abc");
    CHECK(api::bearer_token("bearer  abc ") == "abc");
    CHECK(api::bearer_token("Basic abc").empty());
    CHECK(api::bearer_token("Bearer").empty());
    CHECK(api::bearer_token("Bearer ").empty());
    CHECK(api::bearer_token("").empty());
}

TEST_CASE("challenge: the message is ERC-4361, to the letter", "[auth]") {
    const auto config = service();
    Challenges challenges(config);
    const auto address = key(1).address();
    const auto challenge = issued(challenges, address);
    const auto nonce_at = challenge.message.find("\nNonce: ") + 8;
    const auto nonce = challenge.message.substr(nonce_at, 32);
    CHECK(nonce.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(challenge.message ==
          "pay.example wants you to sign in with your Ethereum account:\n" +
              channel::to_checksum(address) +
              "\n\nLog in to stream payments. This costs nothing and sends no transaction.\n\n"
              "URI: https://pay.example\nVersion: 1\nChain ID: 31337\nNonce: " +
              nonce +
              "\nIssued At: 2026-01-02T12:00:00.000000Z\n"
              "Expiration Time: 2026-01-02T12:05:00.000000Z");
    std::set<std::string> messages;
    for (int n = 0; n < 100; ++n) messages.insert(issued(challenges, address).message);
    CHECK(messages.size() == 100);
}

TEST_CASE("challenge: signed once and in time it is a login", "[auth]") {
    Challenges challenges(service());
    const auto one = key(1);
    const auto message = issued(challenges, one.address()).message;
    const auto signature = signed_by(one, message);
    const auto in_time = kNoon + 5min - 1us;
    const auto login = challenges.redeem(message, signature, in_time);
    CHECK(refused(login).empty());
    CHECK(std::get<channel::Address>(login) == one.address());
    CHECK(refused(challenges.redeem(message, signature, in_time)).starts_with("message: This"));
    CHECK(challenges.pending() == 0);
}

TEST_CASE("challenge: late, changed, foreign and badly signed ones are told apart", "[auth]") {
    Challenges challenges(service());
    const auto one = key(1);
    const auto two = key(2);
    const auto late = issued(challenges, one.address()).message;
    CHECK(refused(challenges.redeem(late, signed_by(one, late), kNoon + 5min)) ==
          "message: The challenge has expired; ask for a new one.");

    const auto message = issued(challenges, one.address()).message;
    const auto changed = message + " ";
    CHECK(refused(challenges.redeem(changed, signed_by(one, changed), kNoon))
              .starts_with("message: This message was not issued"));
    CHECK(refused(challenges.redeem(message, signed_by(two, message), kNoon))
              .starts_with("signature: The message is not signed by"));
    // It is used up by the attempt.
    CHECK(refused(challenges.redeem(message, signed_by(one, message), kNoon))
              .starts_with("message: This message was not issued"));
    for (const auto* text : {"", "0x", "0x12", "zz"}) {
        const auto another = issued(challenges, one.address()).message;
        CHECK(refused(challenges.redeem(another, text, kNoon)).starts_with("signature: Not a"));
    }
    const auto shortened = issued(challenges, one.address()).message;
    CHECK(refused(challenges.redeem(shortened, signed_by(one, shortened).substr(0, 130), kNoon))
              .starts_with("signature: Not a"));
}

TEST_CASE("challenge: as many wait as the limit says, and expired ones make room", "[auth]") {
    auto config = service();
    config.limits.logins_pending_max = 3;
    Challenges challenges(config);
    const auto address = key(1).address();
    for (int n = 0; n < 3; ++n) issued(challenges, address);
    const auto refusal = std::get<channel::Refusal>(challenges.issue(address, kNoon + 4min));
    CHECK(refusal.error == channel::Error::rate_limited);
    CHECK(refusal.limit == units(3));
    CHECK(challenges.pending() == 3);
    issued(challenges, address, kNoon + 5min);
    CHECK(challenges.pending() == 1);
}
