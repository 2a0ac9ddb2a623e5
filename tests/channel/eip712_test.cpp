#include "channel/eip712.hpp"

#include "channel/keccak.hpp"
#include "channel/secp256k1.hpp"
#include "channel/uint256.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"
#include "tests/support/vectors.hpp"

#include <map>

namespace millrace::channel {
namespace {

using support::fixed;
using support::Vector;

/// Every node of the file, at any depth, that is a signed typed-data message.
void collect_messages(const Vector& node, std::vector<Vector>& found) {
    if (node.is_array()) {
        for (const auto& item : node.items()) collect_messages(item, found);
    }
    if (!node.is_object()) return;
    if (node.has("domainSeparator") && node.has("structHash")) found.push_back(node);
    for (const auto& [key, member] : node.members()) collect_messages(member, found);
}

std::vector<Vector> all_messages() {
    std::vector<Vector> found;
    collect_messages(Vector::load("payment-protocols.json"), found);
    collect_messages(Vector::load("erc3009-erc2612.json"), found);
    return found;
}

Domain domain_of(const Vector& domain) {
    return {domain["name"].text(), domain["version"].text(), domain["chainId"].number(),
            support::address(domain["verifyingContract"].text())};
}

const SecretKey& key_of(const Address& address) {
    static const auto keys = [] {
        std::map<Address, SecretKey> made;
        for (const auto& key : Vector::load("evm-primitives.json")["keys"].items()) {
            made.emplace(support::address(key["address"].text()),
                         support::secret_key(key["privateKey"].text()));
        }
        return made;
    }();
    return keys.at(address);
}

TEST_CASE("eip712: domain separators are those of the vectors", "[channel][eip712][vectors]") {
    std::size_t checked = 0;
    for (const auto& message : all_messages()) {
        // Permit2's has no version and is tested with its transfers.
        if (!message["domain"].has("version")) continue;
        CAPTURE(message["domain"]["name"].text());
        CHECK(to_hex(domain_separator(domain_of(message["domain"]))) ==
              message["domainSeparator"].text());
        ++checked;
    }
    CHECK(checked == 18);
}

TEST_CASE("eip712: type hashes, digests and signatures are those of the vectors",
          "[channel][eip712][vectors]") {
    const auto messages = all_messages();
    CHECK(messages.size() == 21);
    for (const auto& message : messages) {
        const auto* type = message.has("encodeType") ? "encodeType" : "typeString";
        CAPTURE(message[type].text());
        CHECK(to_hex(keccak256(message[type].text())) == message["typeHash"].text());

        const Digest digest = typed_data_digest(fixed<Digest>(message["domainSeparator"].text()),
                                                fixed<Digest>(message["structHash"].text()));
        CHECK(to_hex(digest) == message["digest"].text());

        const Address signer = support::address(message["signer"].text());
        const auto signature = parse_signature(message["signature"].text());
        REQUIRE(signature.has_value());
        CHECK(address_of(recover(digest, *signature).value()) == signer);
        CHECK(key_of(signer).sign(digest) == *signature);
    }
}

TEST_CASE("eip712: each part of a domain changes its separator", "[channel][eip712]") {
    const Address contract = support::address("0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003");
    const Digest separator = domain_separator(escrow_domain(31337, contract));
    CHECK(separator != domain_separator(escrow_domain(31338, contract)));
    CHECK(separator != domain_separator(escrow_domain(31337, Address{})));
    CHECK(separator != domain_separator({"x402 Batch Settlement", "2", 31337, contract}));
    CHECK(separator != domain_separator({"x402 batch settlement", "1", 31337, contract}));
}

TEST_CASE("eip712: the escrow domain is that of the x402 vectors", "[channel][eip712][vectors]") {
    const Vector x402 = Vector::load("payment-protocols.json")["x402_batch_settlement"];
    const Address contract = support::address(x402["contracts"]["x402BatchSettlement"].text());
    CHECK(to_hex(domain_separator(escrow_domain(x402["chainId"].number(), contract))) ==
          x402["refund"]["domainSeparator"].text());
}

TEST_CASE("eip712: words and keccak give the struct hashes of other session protocols too",
          "[channel][eip712][vectors]") {
    const Vector mpp = Vector::load("payment-protocols.json")["mpp_evm_session"];
    auto vouchers = mpp["vouchers"].items();
    vouchers.push_back(mpp["tempoV1Voucher"]);
    vouchers.push_back(mpp["tempoV2Voucher"]);
    REQUIRE(vouchers.size() == 5);
    for (const auto& voucher : vouchers) {
        const auto message = voucher["message"];
        const Digest hash = keccak256({
            keccak256(voucher["encodeType"].text()).view(),
            fixed<ChannelId>(message["channelId"].text()).view(),
            to_word(support::amount(message["cumulativeAmount"].text())).view(),
        });
        CHECK(to_hex(hash) == voucher["structHash"].text());
    }
    for (const auto* name : {"settleAuthorization", "closeAuthorization"}) {
        const auto message = mpp[name]["message"];
        const Digest hash = keccak256({
            keccak256(mpp[name]["encodeType"].text()).view(),
            fixed<ChannelId>(message["channelId"].text()).view(),
            to_word(support::amount(message["cumulativeAmount"].text())).view(),
            support::word(message["nonce"].text()).view(),
            support::word(message["deadline"].text()).view(),
        });
        CHECK(to_hex(hash) == mpp[name]["structHash"].text());
    }
}

TEST_CASE("eip712: words and keccak give the nonces of other session protocols too",
          "[channel][eip712][vectors]") {
    const Vector mpp = Vector::load("payment-protocols.json")["mpp_evm_session"];
    const auto channel = mpp["channel"];
    const auto padded = [&](const char* member) {
        return word_from(support::address(channel[member].text()));
    };
    CHECK(to_hex(keccak256({padded("payer").view(), padded("payee").view(), padded("token").view(),
                            fixed<Word>(channel["salt"].text()).view(),
                            padded("authorizedSigner").view()})) ==
          mpp["openNonce3009"]["value"].text());
    const auto top_up = mpp["topUpNonce3009"];
    CHECK(to_hex(keccak256({fixed<Word>(channel["channelId"].text()).view(),
                            to_word(support::amount(top_up["additionalDeposit"].text())).view(),
                            padded("payer").view(),
                            fixed<Word>(top_up["topUpSalt"].text()).view()})) ==
          top_up["value"].text());
}

TEST_CASE("eip712: words and keccak give the ids and hashes of other protocols too",
          "[channel][eip712][vectors]") {
    const Vector file = Vector::load("payment-protocols.json");
    const Vector mpp = file["mpp_evm_session"];
    const auto padded = [](const Vector& of, const char* member) {
        return word_from(support::address(of[member].text()));
    };
    for (const auto* name : {"channel", "channelPayerSigned"}) {
        const auto channel = mpp[name];
        CHECK(to_hex(keccak256(
                  {padded(channel, "payer").view(), padded(channel, "payee").view(),
                   padded(channel, "token").view(), fixed<Word>(channel["salt"].text()).view(),
                   padded(channel, "authorizedSigner").view(), padded(mpp, "escrow").view(),
                   word_from(mpp["chainId"].number()).view()})) == channel["channelId"].text());
    }
    const auto tempo = mpp["tempoV2Channel"];
    const auto of = tempo["descriptor"];
    CHECK(to_hex(keccak256(
              {padded(of, "payer").view(), padded(of, "payee").view(),
               padded(of, "operator").view(), padded(of, "token").view(),
               fixed<Word>(of["salt"].text()).view(), padded(of, "authorizedSigner").view(),
               fixed<Word>(of["expiringNonceHash"].text()).view(), padded(tempo, "escrow").view(),
               word_from(tempo["chainId"].number()).view()})) == tempo["channelId"].text());
    const auto message = file["opengradient_tee_message_hash"];
    CHECK(to_hex(keccak256({fixed<Word>(message["inputHash"].text()).view(),
                            fixed<Word>(message["outputHash"].text()).view(),
                            support::word(message["timestamp"].text()).view()})) ==
          message["msgHash"].text());
}

}  // namespace
}  // namespace millrace::channel
