#include "channel/receive_authorization.hpp"

#include "channel/eip712.hpp"
#include "channel/secp256k1.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"
#include "tests/support/vectors.hpp"

namespace millrace::channel {
namespace {

using support::fixed;
using support::Vector;

Vector deposit() {
    return Vector::load("payment-protocols.json")["x402_batch_settlement"]["erc3009Deposit"];
}

ReceiveAuthorization authorization_of(const Vector& message) {
    return {
        .from = support::address(message["from"].text()),
        .to = support::address(message["to"].text()),
        .value = support::amount(message["value"].text()),
        .valid_after = support::word(message["validAfter"].text()),
        .valid_before = support::word(message["validBefore"].text()),
        .nonce = fixed<Word>(message["nonce"].text()),
    };
}

void check_vector(const Vector& vector) {
    const auto domain = vector["domain"];
    const Digest separator = domain_separator(
        {domain["name"].text(), domain["version"].text(), domain["chainId"].number(),
         support::address(domain["verifyingContract"].text())});
    CHECK(to_hex(separator) == vector["domainSeparator"].text());

    const Digest made = digest(separator, authorization_of(vector["message"]));
    CHECK(to_hex(made) == vector["digest"].text());

    const auto signature = parse_signature(vector["signature"].text());
    REQUIRE(signature.has_value());
    CHECK(address_of(recover(made, *signature).value()) ==
          support::address(vector["signer"].text()));
}

TEST_CASE("receive authorization: of a deposit is as in the vectors",
          "[channel][receive_authorization][vectors]") {
    check_vector(deposit());
}

TEST_CASE("receive authorization: of a token is as in the vectors",
          "[channel][receive_authorization][vectors]") {
    check_vector(Vector::load("erc3009-erc2612.json")["receiveWithAuthorization"]);
}

TEST_CASE("receive authorization: a transfer authorization is no receive authorization",
          "[channel][receive_authorization][vectors]") {
    const auto transfer = Vector::load("erc3009-erc2612.json")["transferWithAuthorization"];
    const Digest made = digest(fixed<Digest>(transfer["domainSeparator"].text()),
                               authorization_of(transfer["message"]));
    CHECK(to_hex(made) != transfer["digest"].text());
    const auto key = recover(made, fixed<Signature>(transfer["signature"].text()));
    CHECK((!key || address_of(*key) != support::address(transfer["signer"].text())));
}

TEST_CASE("deposit nonce: binds channel and salt as in the vectors",
          "[channel][receive_authorization][vectors]") {
    const Vector x402 = Vector::load("payment-protocols.json")["x402_batch_settlement"];
    const auto channel = fixed<ChannelId>(x402["channels"].items()[0]["channelId"].text());
    const Word salt = support::word(deposit()["salt"].text());
    CHECK(to_hex(deposit_nonce(channel, salt)) == deposit()["nonce"].text());
    CHECK(deposit_nonce(channel, word_from(43)) != deposit_nonce(channel, salt));
    CHECK(deposit_nonce(ChannelId{}, salt) != deposit_nonce(channel, salt));
}

TEST_CASE("receive authorization: each member changes the digest",
          "[channel][receive_authorization]") {
    const ReceiveAuthorization authorization = authorization_of(deposit()["message"]);
    std::vector<ReceiveAuthorization> changed(6, authorization);
    changed[0].from.bytes[0] ^= 1;
    changed[1].to.bytes[0] ^= 1;
    changed[2].value = Amount{1};
    changed[3].valid_after = word_from(1);
    changed[4].valid_before = word_from(1);
    changed[5].nonce = word_from(1);
    for (const auto& one : changed) CHECK(digest(Digest{}, one) != digest(Digest{}, authorization));
}

}  // namespace
}  // namespace millrace::channel
