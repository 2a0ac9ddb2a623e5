#include "channel/voucher.hpp"

#include "channel/eip712.hpp"
#include "channel/error.hpp"
#include "channel/secp256k1.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"
#include "tests/support/vectors.hpp"

namespace millrace::channel {
namespace {

using support::fixed;
using support::Vector;

Vector x402() {
    return Vector::load("payment-protocols.json")["x402_batch_settlement"];
}

Digest separator() {
    return fixed<Digest>(x402()["refund"]["domainSeparator"].text());
}

void check_signer(const Vector& vector, const Digest& made) {
    CHECK(to_hex(made) == vector["digest"].text());
    const auto signature = parse_signature(vector["signature"].text());
    REQUIRE(signature.has_value());
    CHECK(address_of(recover(made, *signature).value()) ==
          support::address(vector["signer"].text()));
}

TEST_CASE("voucher: digests and signers are those of the vectors", "[channel][voucher][vectors]") {
    const auto vouchers = x402()["vouchers"].items();
    REQUIRE(vouchers.size() == 5);
    for (const auto& vector : vouchers) {
        const auto message = vector["message"];
        CAPTURE(message["maxClaimableAmount"].text());
        const Voucher voucher{fixed<ChannelId>(message["channelId"].text()),
                              support::amount(message["maxClaimableAmount"].text())};
        check_signer(vector, digest(separator(), voucher));
    }
}

TEST_CASE("voucher: a signature holds for its own channel, amount and domain only",
          "[channel][voucher]") {
    const auto vector = x402()["vouchers"].items()[2];
    const Voucher voucher{fixed<ChannelId>(vector["message"]["channelId"].text()), Amount{1000}};
    const Address signer = support::address(vector["signer"].text());
    const auto signature = fixed<Signature>(vector["signature"].text());
    const auto made_by = [&](const Digest& made) {
        return address_of(recover(made, signature).value());
    };

    Voucher higher = voucher;
    higher.max_claimable = Amount{1001};
    Voucher elsewhere = voucher;
    elsewhere.channel_id.bytes[0] ^= 1;
    const Digest other_chain = domain_separator(
        escrow_domain(8453, support::address(x402()["contracts"]["x402BatchSettlement"].text())));

    CHECK(made_by(digest(separator(), voucher)) == signer);
    CHECK(made_by(digest(separator(), higher)) != signer);
    CHECK(made_by(digest(separator(), elsewhere)) != signer);
    CHECK(made_by(digest(other_chain, voucher)) != signer);
}

TEST_CASE("refund: digest and signer are those of the vectors", "[channel][voucher][vectors]") {
    const auto vector = x402()["refund"];
    const auto message = vector["message"];
    const Refund refund{fixed<ChannelId>(message["channelId"].text()),
                        support::word(message["nonce"].text()),
                        support::amount(message["amount"].text())};
    check_signer(vector, digest(separator(), refund));

    Refund next = refund;
    next.nonce = word_from(1);
    CHECK(digest(separator(), next) != digest(separator(), refund));
}

TEST_CASE("claim batch: digest and signer are those of the vectors",
          "[channel][voucher][vectors]") {
    const auto vector = x402()["claimBatch"];
    std::vector<ClaimEntry> claims;
    for (const auto& claim : vector["message"]["claims"].items()) {
        claims.push_back({fixed<ChannelId>(claim["channelId"].text()),
                          support::amount(claim["maxClaimableAmount"].text()),
                          support::amount(claim["totalClaimed"].text())});
    }
    REQUIRE(claims.size() == 2);
    check_signer(vector, digest(separator(), claims));

    std::swap(claims[0], claims[1]);
    CHECK(to_hex(digest(separator(), claims)) != vector["digest"].text());
}

TEST_CASE("claim batch: an empty one hashes the empty string", "[channel][voucher][vectors]") {
    CHECK(to_hex(digest(separator(), std::span<const ClaimEntry>{})) ==
          x402()["claimBatchEmptyDigest"].text());
}

}  // namespace
}  // namespace millrace::channel
