#include "channel/permit_transfer.hpp"

#include "channel/secp256k1.hpp"
#include "channel/uint256.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"
#include "tests/support/vectors.hpp"

namespace millrace::channel {
namespace {

using support::fixed;
using support::Vector;

Vector deposit() {
    return Vector::load("payment-protocols.json")["x402_batch_settlement"]["permit2Deposit"];
}

PermitTransfer transfer_of(const Vector& message) {
    return {
        .token = support::address(message["permitted"]["token"].text()),
        .amount = support::amount(message["permitted"]["amount"].text()),
        .spender = support::address(message["spender"].text()),
        .nonce = support::word(message["nonce"].text()),
        .deadline = support::word(message["deadline"].text()),
        .channel_id = fixed<ChannelId>(message["witness"]["channelId"].text()),
    };
}

TEST_CASE("permit transfer: domain, digest and signer are those of the vectors",
          "[channel][permit_transfer][vectors]") {
    const auto vector = deposit();
    const auto domain = vector["domain"];
    const Digest separator = permit2_separator(
        domain["chainId"].number(), support::address(domain["verifyingContract"].text()));
    CHECK(to_hex(separator) == vector["domainSeparator"].text());
    const Digest made = digest(separator, transfer_of(vector["message"]));
    CHECK(to_hex(made) == vector["digest"].text());
    const auto signature = parse_signature(vector["signature"].text());
    REQUIRE(signature.has_value());
    CHECK(address_of(recover(made, *signature).value()) ==
          support::address(vector["signer"].text()));
}

TEST_CASE("permit transfer: each member changes the digest", "[channel][permit_transfer]") {
    const PermitTransfer transfer = transfer_of(deposit()["message"]);
    std::vector<PermitTransfer> changed(6, transfer);
    changed[0].token.bytes[0] ^= 1;
    changed[1].amount = Amount{1};
    changed[2].spender.bytes[0] ^= 1;
    changed[3].nonce = word_from(1);
    changed[4].deadline = word_from(1);
    changed[5].channel_id.bytes[0] ^= 1;
    for (const auto& one : changed) CHECK(digest(Digest{}, one) != digest(Digest{}, transfer));
}

}  // namespace
}  // namespace millrace::channel
