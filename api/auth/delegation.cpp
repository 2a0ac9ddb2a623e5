#include "api/auth/delegation.hpp"

#include "api/rest/parameters.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"

#include <fmt/format.h>

#include <array>

namespace millrace::api {
namespace {

using namespace std::chrono_literals;

/// What clocks may differ by.
constexpr auto kClockSkew = 5min;

constexpr std::string_view kAsks = " asks you to let another key act for your Ethereum account:";
constexpr std::string_view kMay =
    "It may accept, charge and release payments to this account, claim them for it, and hand in "
    "what payers ask back. It cannot move what the account holds. This ends at the expiration time "
    "and not before.";
constexpr std::string_view kDelegate = "Delegate: ";
constexpr std::string_view kVersion = "Version: 1";
constexpr std::string_view kIssued = "Issued At: ";
constexpr std::string_view kExpires = "Expiration Time: ";

const LoginRefusal kNoDelegation{
    "delegation.message",
    "This is no delegation, to the letter, as `millrace keys delegate` writes it."};
const LoginRefusal kOtherDelegate{"delegation.message",
                                  "The delegation is for another key than the one that logs in."};
const LoginRefusal kTooLong{"delegation.message",
                            "The delegation is for nothing, or for more than 365 days."};
const LoginRefusal kTooEarly{"delegation.message",
                             "The delegation was issued in the future; look at the clocks."};
const LoginRefusal kExpired{"delegation.message",
                            "The delegation has expired; have the account sign a new one."};
const LoginRefusal kNoSignature{
    "delegation.signature",
    "Not a signature: expected 65 bytes, r, s and v 27 or 28, s in the lower half."};
const LoginRefusal kOtherSigner{"delegation.signature",
                                "The delegation is not signed by the account that it names."};

/// The lines of a text, of which there have to be exactly so many.
std::optional<std::array<std::string_view, 9>> lines_of(std::string_view text) {
    std::array<std::string_view, 9> lines;
    for (auto& line : lines) {
        const auto end = text.find('\n');
        const bool is_last = &line == &lines.back();
        if (is_last != (end == text.npos)) return std::nullopt;
        line = text.substr(0, end);
        text.remove_prefix(is_last ? text.size() : end + 1);
    }
    return lines;
}

std::string_view behind(std::string_view label, std::string_view line) {
    return line.starts_with(label) ? line.substr(label.size()) : std::string_view{};
}

std::string_view before(std::string_view ending, std::string_view line) {
    return line.ends_with(ending) ? line.substr(0, line.size() - ending.size())
                                  : std::string_view{};
}

LoginRefusal for_other_domain(std::string_view domain) {
    return {"delegation.message",
            fmt::format("The delegation is for another service's domain; here it has to be for {}.",
                        domain)};
}

std::optional<LoginRefusal> refuse(const Delegation& delegation, std::string_view domain,
                                   const channel::Address& delegate, ledger::Time now) {
    if (delegation.domain != domain) return for_other_domain(domain);
    if (delegation.delegate != delegate) return kOtherDelegate;
    const auto span = delegation.expires_at - delegation.issued_at;
    if (span <= 0s || span > kDelegationMax) return kTooLong;
    if (delegation.issued_at > now + kClockSkew) return kTooEarly;
    if (delegation.expires_at <= now) return kExpired;
    return std::nullopt;
}

}  // namespace

std::string to_text(const Delegation& delegation) {
    return fmt::format("{}{}\n{}\n\n{}\n\n{}{}\n{}\n{}{}\n{}{}", delegation.domain, kAsks,
                       channel::to_checksum(delegation.account), kMay, kDelegate,
                       channel::to_checksum(delegation.delegate), kVersion, kIssued,
                       ledger::to_rfc3339(delegation.issued_at), kExpires,
                       ledger::to_rfc3339(delegation.expires_at));
}

/// Reads what varies, and compares the whole with what that makes: so nothing else can vary.
std::optional<Delegation> parse_delegation(std::string_view text) {
    const auto lines = lines_of(text);
    if (!lines) return std::nullopt;
    const auto account = channel::parse_fixed<channel::Address>((*lines)[1]);
    const auto delegate = channel::parse_fixed<channel::Address>(behind(kDelegate, (*lines)[5]));
    const auto issued_at = rest::parse_rfc3339(behind(kIssued, (*lines)[7]));
    const auto expires_at = rest::parse_rfc3339(behind(kExpires, (*lines)[8]));
    if (!account || !delegate || !issued_at || !expires_at) return std::nullopt;
    Delegation delegation{std::string(before(kAsks, (*lines)[0])), *account, *delegate, *issued_at,
                          *expires_at};
    if (delegation.domain.empty() || to_text(delegation) != text) return std::nullopt;
    return delegation;
}

JudgedDelegation judge(const SignedDelegation& given, std::string_view domain,
                       const channel::Address& delegate, ledger::Time now) {
    auto delegation = parse_delegation(given.message);
    if (!delegation) return kNoDelegation;
    if (const auto refused = refuse(*delegation, domain, delegate, now)) return *refused;
    const auto bytes = channel::parse_hex(given.signature);
    if (!bytes) return kNoSignature;
    const auto signature = channel::VoucherSignature::from_bytes(*bytes);
    if (!signature) return kNoSignature;
    const auto digest = channel::personal_message_digest(given.message);
    const auto account = delegation->account;
    const auto of_key = channel::parse_signature(*bytes);
    const auto signer = of_key ? channel::recover(digest, *of_key) : of_key.error();
    if (signer && channel::address_of(*signer) == account) return std::move(*delegation);
    return WalletDelegation{std::move(*delegation),
                            {account, digest, *signature, of_key ? kOtherSigner : kNoSignature}};
}

}  // namespace millrace::api
