#include "api/auth/delegation.hpp"
#include "api/auth/login.hpp"
#include "api/auth/tokens.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <catch2/catch.hpp>

using namespace support;
using namespace std::chrono_literals;
using api::Delegation;
using api::LoginRefusal;
using api::SignedDelegation;

namespace {

constexpr std::string_view kDomain = "pay.example";
const channel::SecretKey kAccount = key(1);
const channel::SecretKey kDelegate = key(2);

Delegation delegation() {
    return {std::string(kDomain), kAccount.address(), kDelegate.address(), kNoon,
            kNoon + std::chrono::days{90}};
}

SignedDelegation signed_by(const channel::SecretKey& key, const std::string& message) {
    return {message, channel::to_hex(key.sign(channel::personal_message_digest(message)))};
}

SignedDelegation signed_by_account(const Delegation& delegation) {
    return signed_by(kAccount, api::to_text(delegation));
}

/// What is at fault, "field: first words"; empty when it is good.
std::string refused(const SignedDelegation& given, ledger::Time now = kNoon + 1h,
                    std::string_view domain = kDomain,
                    const channel::Address& delegate = kDelegate.address()) {
    const auto judged = api::judge(given, domain, delegate, now);
    const auto* refusal = std::get_if<LoginRefusal>(&judged);
    if (const auto* wallet = std::get_if<api::WalletDelegation>(&judged))
        refusal = &wallet->question.otherwise;
    return refusal ? std::string(refusal->field) + ": " + std::string(refusal->sentence) : "";
}

const std::string kNotOne = "delegation.message: This is no delegation";

}  // namespace

TEST_CASE("delegation: its text, to the letter", "[auth][delegation]") {
    CHECK(api::to_text(delegation()) ==
          "pay.example asks you to let another key act for your Ethereum account:\n" +
              channel::to_checksum(kAccount.address()) +
              "\n\nIt may accept, charge and release payments to this account, claim them for it, "
              "and hand in what payers ask back. It cannot move what the account holds. This ends "
              "at the expiration time and not before.\n\nDelegate: " +
              channel::to_checksum(kDelegate.address()) +
              "\nVersion: 1\nIssued At: 2026-01-02T12:00:00.000000Z\n"
              "Expiration Time: 2026-04-02T12:00:00.000000Z");
    const auto parsed = api::parse_delegation(api::to_text(delegation()));
    REQUIRE(parsed.has_value());
    CHECK(parsed->domain == kDomain);
    CHECK(parsed->account == kAccount.address());
    CHECK(parsed->delegate == kDelegate.address());
    CHECK(parsed->issued_at == kNoon);
    CHECK(parsed->expires_at == kNoon + std::chrono::days{90});
}

TEST_CASE("delegation: good for its domain, its delegate and its time", "[auth][delegation]") {
    const auto given = signed_by_account(delegation());
    CHECK(refused(given).empty());
    const auto end = kNoon + std::chrono::days{90};
    CHECK(refused(given, end - 1us).empty());
    CHECK(refused(given, end).starts_with("delegation.message: The delegation has expired"));
    CHECK(refused(given, kNoon - 5min).empty());
    CHECK(refused(given, kNoon - 5min - 1us)
              .starts_with("delegation.message: The delegation was issued in the future"));
    CHECK(refused(given, kNoon, "pay.example.com")
              .starts_with("delegation.message: The delegation is for another service"));
    CHECK(refused(given, kNoon, "pay.example.com").ends_with(" has to be for pay.example.com."));
    CHECK(refused(given, kNoon, kDomain, key(3).address())
              .starts_with("delegation.message: The delegation is for another key"));
    CHECK(refused(given, kNoon, kDomain, kAccount.address())
              .starts_with("delegation.message: The delegation is for another key"));
}

TEST_CASE("delegation: for some time, and no more than a year", "[auth][delegation]") {
    auto longest = delegation();
    longest.expires_at = kNoon + std::chrono::days{365};
    CHECK(refused(signed_by_account(longest)).empty());
    longest.expires_at += 1us;
    CHECK(refused(signed_by_account(longest))
              .starts_with("delegation.message: The delegation is for nothing, or"));
    longest.expires_at = kNoon;
    CHECK(refused(signed_by_account(longest))
              .starts_with("delegation.message: The delegation is for nothing, or"));
}

TEST_CASE("delegation: signed by the account, and by nobody else", "[auth][delegation]") {
    const auto text = api::to_text(delegation());
    CHECK(refused(signed_by(kDelegate, text))
              .starts_with("delegation.signature: The delegation is not signed by"));
    for (const auto* nothing : {"", "0x", "0x12", "zz"})
        CHECK(refused({text, nothing}).starts_with("delegation.signature: Not a signature"));
    // Only a contract can say whether that is its signature.
    const auto judged =
        api::judge({text, "0x" + std::string(200, '1')}, kDomain, kDelegate.address(), kNoon);
    const auto& wallet = std::get<api::WalletDelegation>(judged);
    CHECK(wallet.question.address == kAccount.address());
    CHECK(wallet.question.digest == channel::personal_message_digest(text));
}

TEST_CASE("delegation: any other text is none, however it is signed", "[auth][delegation]") {
    const auto text = api::to_text(delegation());
    // Every character that goes, is doubled or is another one.
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (const int how : {0, 1, 2}) {
            auto altered = text;
            if (how == 0) altered.erase(at, 1);
            if (how == 1) altered.insert(at, 1, text[at]);
            if (how == 2) altered[at] = altered[at] == 'x' ? 'y' : 'x';
            INFO(altered);
            const auto parsed = api::parse_delegation(altered);
            // A digit or letter of what varies makes another delegation, or none.
            if (parsed) CHECK(api::to_text(*parsed) == altered);
            if (altered != text)
                CHECK_FALSE(refused({altered, signed_by_account(delegation()).signature}).empty());
        }
    }
    const auto replaced = [&](const std::string& from, const std::string& to) {
        auto altered = text;
        altered.replace(altered.find(from), from.size(), to);
        return refused(signed_by(kAccount, altered));
    };
    CHECK(replaced("Version: 1", "Version: 2").starts_with(kNotOne));
    CHECK(replaced("\nVersion: 1", "").starts_with(kNotOne));
    CHECK(replaced("Version: 1", "Version: 1\nResources:").starts_with(kNotOne));
    CHECK(replaced("It cannot", "It can").starts_with(kNotOne));
    CHECK(replaced("12:00:00.000000Z", "12:00:00Z").starts_with(kNotOne));
    CHECK(replaced("12:00:00.000000Z", "13:00:00.000000+01:00").starts_with(kNotOne));
    CHECK(replaced(channel::to_checksum(kDelegate.address()), channel::to_hex(kDelegate.address()))
              .starts_with(kNotOne));
    CHECK(replaced("pay.example asks", " asks").starts_with(kNotOne));
    CHECK(replaced("pay.example asks", "\npay.example asks").starts_with(kNotOne));
    for (const auto& more : {text + "\n", "\n" + text, text + " ", std::string(), text + text})
        CHECK(refused(signed_by(kAccount, more)).starts_with(kNotOne));
}

TEST_CASE("delegation: a login in another's name ends with it at the latest",
          "[auth][delegation]") {
    api::AuthConfig config;
    config.token_ttl = std::chrono::hours{24};
    const api::Tokens tokens(config);
    const auto login = [&](std::optional<SignedDelegation> with, ledger::Time at) {
        return api::decide_by_key({kDelegate.address(), std::move(with), kDomain, at});
    };
    const auto given = signed_by_account(delegation());
    const auto outcome = login(given, kNoon).value();
    const auto& owner = std::get<api::SessionOwner>(outcome);
    CHECK(owner.address == kAccount.address());
    CHECK(owner.delegate == kDelegate.address());
    const auto [token, ends] = tokens.issue(owner, kNoon);
    CHECK(ends == kNoon + 24h);
    const auto principal = tokens.verify(token, kNoon);
    REQUIRE(principal.has_value());
    CHECK(principal->address == kAccount.address());
    CHECK(principal->delegate == kDelegate.address());

    const auto late = kNoon + std::chrono::days{90} - 1h;
    const auto last = tokens.issue(owner, late);
    CHECK(last.second == kNoon + std::chrono::days{90});
    CHECK(tokens.verify(last.first, last.second - 1s).has_value());
    CHECK_FALSE(tokens.verify(last.first, last.second).has_value());

    // The delegate is under the token's seal.
    for (std::size_t at = 0; at < token.size(); at += 7) {
        auto altered = token;
        altered[at] = altered[at] == '0' ? '1' : '0';
        CHECK_FALSE(tokens.verify(altered, kNoon).has_value());
    }
    CHECK_FALSE(tokens.verify(token.substr(0, 80) + token.substr(120), kNoon).has_value());

    const auto own = login({}, kNoon).value();
    CHECK(std::get<api::SessionOwner>(own).address == kDelegate.address());
    CHECK_FALSE(std::get<api::SessionOwner>(own).delegate.has_value());
    const auto refusal = login(given, kNoon + std::chrono::days{91}).value();
    CHECK(std::get<LoginRefusal>(refusal).field == "delegation.message");
}
