#include "channel/hex.hpp"
#include "ledger/chain/fees.hpp"
#include "ledger/chain/rlp.hpp"
#include "ledger/chain/transaction.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"
#include "tests/support/vectors.hpp"

#include <catch2/catch.hpp>

using namespace millrace::channel;
using namespace millrace::ledger::chain;
using support::Vector;

namespace {

Bytes bytes(std::string_view hex) {
    return parse_hex(hex).value();
}

Transaction transaction_of(const Vector& fields) {
    Transaction transaction;
    transaction.chain_id = fields["chainId"].number();
    transaction.nonce = fields["nonce"].number();
    transaction.gas_limit = std::stoull(fields["gas"].text());
    transaction.max_fee = support::amount(fields["maxFeePerGas"].text());
    transaction.priority_fee = support::amount(fields["maxPriorityFeePerGas"].text());
    transaction.value = support::word(fields["value"].text());
    if (fields.has("to")) transaction.to = support::address(fields["to"].text());
    if (fields.has("data")) transaction.data = bytes(fields["data"].text());
    if (!fields.has("accessList")) return transaction;
    for (const auto& entry : fields["accessList"].items()) {
        AccessEntry access{support::address(entry["address"].text()), {}};
        for (const auto& key : entry["storageKeys"].items()) {
            access.storage_keys.push_back(support::fixed<Word>(key.text()));
        }
        transaction.access_list.push_back(access);
    }
    return transaction;
}

SecretKey key_of(const Vector& file, const std::string& address) {
    for (const auto& key : file["keys"].items()) {
        if (key["address"].text() == address) return support::secret_key(key["privateKey"].text());
    }
    throw std::runtime_error("no such key in the vectors");
}

}  // namespace

TEST_CASE("rlp: strings, numbers and lists are encoded as the yellow paper's examples") {
    RlpList list;
    CHECK(list.encode() == bytes("0xc0"));
    list.add(bytes("0x636174"));
    list.add(bytes("0x646f67"));
    CHECK(list.encode() == bytes("0xc88363617483646f67"));

    RlpList numbers;
    numbers.add_number(std::uint64_t{0});
    numbers.add_number(std::uint64_t{15});
    numbers.add_number(std::uint64_t{128});
    numbers.add_number(std::uint64_t{1024});
    CHECK(numbers.encode() == bytes("0xc7800f8180820400"));

    RlpList nested;
    nested.add_list(RlpList{});
    CHECK(nested.encode() == bytes("0xc1c0"));
}

TEST_CASE("rlp: 55 bytes have a short header and 56 a long one") {
    RlpList shorter;
    shorter.add(Bytes(54, 1));
    CHECK(shorter.encode().front() == 0xf7);
    RlpList longer;
    longer.add(Bytes(56, 1));
    const auto encoded = longer.encode();
    CHECK(encoded[0] == 0xf8);
    CHECK(encoded[1] == 58);
    CHECK(encoded[2] == 0xb8);
    CHECK(encoded[3] == 56);
    RlpList longest;
    longest.add(Bytes(300, 1));
    CHECK(longest.encode()[0] == 0xf9);
}

TEST_CASE("transaction: every EIP-1559 vector, unsigned, signing hash, raw and hash") {
    const auto file = Vector::load("evm-primitives.json");
    int seen = 0;
    for (const auto& [name, vector] : file["transactions"].members()) {
        if (vector["fields"]["type"].text() != "eip1559") continue;
        INFO(name);
        ++seen;
        const auto transaction = transaction_of(vector["fields"]);
        CHECK(to_hex(unsigned_bytes(transaction)) == vector["unsigned"].text());
        CHECK(to_hex(signing_hash(transaction)) == vector["signingHash"].text());
        const auto signed_transaction = sign(transaction, key_of(file, vector["signer"].text()));
        CHECK(to_hex(signed_transaction.raw) == vector["raw"].text());
        CHECK(to_hex(signed_transaction.hash) == vector["hash"].text());
    }
    CHECK(seen == 5);
}

TEST_CASE("fees: room for a doubled base fee, never above the cap") {
    CHECK(fees_for(Amount{7}, Amount{3}, Amount{100}) == Fees{Amount{17}, Amount{3}});
    CHECK(fees_for(Amount{70}, Amount{3}, Amount{100}) == Fees{Amount{100}, Amount{3}});
    CHECK(fees_for(Amount{70}, Amount{300}, Amount{100}) == Fees{Amount{100}, Amount{100}});
    CHECK(fees_for(Amount::max(), Amount{1}, Amount{100}) == Fees{Amount{100}, Amount{1}});
}

TEST_CASE("fees: a bump raises both fields by at least an eighth, or is none") {
    CHECK(bumped({Amount{800}, Amount{80}}, Amount{10'000}) == Fees{Amount{900}, Amount{90}});
    CHECK(bumped({Amount{801}, Amount{81}}, Amount{10'000}) == Fees{Amount{902}, Amount{92}});
    CHECK(bumped({Amount{0}, Amount{0}}, Amount{10'000}) == Fees{Amount{1}, Amount{1}});
    CHECK(bumped({Amount{800}, Amount{80}}, Amount{900}).has_value());
    CHECK(bumped({Amount{800}, Amount{80}}, Amount{899}) == Fees{Amount{899}, Amount{90}});
    CHECK(bumped({Amount{801}, Amount{100}}, Amount{882}) == Fees{Amount{882}, Amount{113}});
    CHECK_FALSE(bumped({Amount{801}, Amount{100}}, Amount{881}).has_value());
    CHECK(bumped({Amount{100}, Amount{100}}, Amount{111}) == Fees{Amount{111}, Amount{111}});
    CHECK_FALSE(bumped({Amount::max(), Amount{1}}, Amount::max()).has_value());
}

TEST_CASE("fees: a gas limit has room and stays under the cap of EIP-7825") {
    CHECK(gas_limit_for(100'000) == 185'000);
    CHECK(gas_limit_for(kGasLimitMax - 1) == kGasLimitMax);
    CHECK(gas_limit_for(~std::uint64_t{0}) == kGasLimitMax);
}

TEST_CASE("fees: the cost of a transaction is exact and refuses what does not fit") {
    CHECK(*cost(21'000, Amount{1'000'000'000}) == Amount{21'000'000'000'000});
    CHECK(*cost(0, Amount::max()) == Amount{0});
    CHECK(*cost(1, Amount::max()) == Amount::max());
    CHECK(cost(2, Amount::max()).error() == Error::amount_out_of_range);
}
