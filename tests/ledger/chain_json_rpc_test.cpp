#include "channel/hex.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/json_rpc.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

using namespace millrace::channel;
using namespace millrace::ledger::chain;

namespace {

const std::string kHash = "0x" + std::string(64, '1');
const std::string kAddress = "0x" + std::string(40, '2');

std::string answer(const std::string& result) {
    return R"({"jsonrpc":"2.0","id":7,"result":)" + result + "}";
}

std::string log_text(const std::string& rest = "") {
    return R"({"address":")" + kAddress + R"(","topics":[")" + kHash + R"("],"data":"0x0102",)" +
           R"("blockNumber":"0x10","blockHash":")" + kHash + R"(","transactionHash":")" + kHash +
           R"(","logIndex":"0x3")" + rest + "}";
}

bool is_malformed(const std::string& text) {
    const auto read = read_number(text, 7);
    return read.has_error() && read.error().kind == RpcFailure::Kind::malformed;
}

}  // namespace

TEST_CASE("json-rpc: requests are as the execution API has them") {
    CHECK(to_json(chain_id_request(), 1) ==
          R"({"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]})");
    CHECK(block_request(BlockTag::number(0)).params == R"(["0x0",false])");
    CHECK(block_request(BlockTag::number(4660)).params == R"(["0x1234",false])");
    CHECK(block_request(BlockTag::latest()).params == R"(["latest",false])");
    const auto address = support::address(kAddress);
    CHECK(call_request(address, address, Bytes{1, 2}, BlockTag::number(1)).params ==
          "[{\"from\":\"" + kAddress + "\",\"to\":\"" + kAddress +
              "\",\"data\":\"0x0102\"},\"0x1\"]");
    CHECK(logs_request(address, 1, 255, {}).params ==
          "[{\"address\":\"" + kAddress + "\",\"fromBlock\":\"0x1\",\"toBlock\":\"0xff\"}]");
    CHECK(logs_request(address, 1, 2, {support::fixed<Word>(kHash)}).params ==
          "[{\"address\":\"" + kAddress + "\",\"fromBlock\":\"0x1\",\"toBlock\":\"0x2\"," +
              "\"topics\":[[\"" + kHash + "\"]]}]");
    CHECK(transaction_count_request(address, BlockTag::pending()).params ==
          "[\"" + kAddress + "\",\"pending\"]");
}

TEST_CASE("json-rpc: quantities are read exactly") {
    CHECK(*read_number(answer("\"0x0\""), 7) == 0);
    CHECK(*read_number(answer("\"0x7a69\""), 7) == 31337);
    CHECK(*read_number(answer("\"0xffffffffffffffff\""), 7) == ~std::uint64_t{0});
    CHECK(to_decimal(*read_quantity(answer("\"0x10000000000000000\""), 7)) ==
          "18446744073709551616");
    for (const auto* bad : {"\"0x\"", "\"0x00\"", "\"0x01\"", "\"7\"", "7", "null", "\"0xg\"",
                            "\"0x10000000000000000\"", "\"\"", "[]", "true", "\"-0x1\""}) {
        INFO(bad);
        CHECK(is_malformed(answer(bad)));
    }
}

TEST_CASE("json-rpc: answers of another form or to another call are refused") {
    for (const auto* bad : {"", "{}", "[]", "null", "{\"jsonrpc\":\"2.0\",\"id\":7}",
                            R"({"jsonrpc":"2.0","id":8,"result":"0x1"})",
                            R"({"jsonrpc":"2.0","id":"7","result":"0x1"})",
                            R"({"jsonrpc":"1.0","id":7,"result":"0x1"})",
                            R"({"id":7,"result":"0x1"})", R"({"jsonrpc":"2.0","id":7,"error":5})",
                            R"({"jsonrpc":"2.0","id":7,"error":{"code":"1","message":"x"}})",
                            R"({"jsonrpc":"2.0","id":7,"result":"0x1"} x)", "<html>"}) {
        INFO(bad);
        CHECK(is_malformed(bad));
    }
}

TEST_CASE("json-rpc: the node's own errors are kept, bounded and printable") {
    const auto text = [](const std::string& error) {
        return R"({"jsonrpc":"2.0","id":7,"error":)" + error + "}";
    };
    const auto reverted =
        read_bytes(text(R"({"code":3,"message":"execution reverted","data":"0x7d8242b6"})"), 7);
    REQUIRE(reverted.has_error());
    CHECK(reverted.error().reverted());
    CHECK(to_hex(reverted.error().data) == "0x7d8242b6");
    const auto nested =
        read_bytes(text(R"({"code":-32000,"message":"x","data":{"data":"0x7d8242b6"}})"), 7);
    CHECK(nested.error().reverted());
    const auto busy = read_bytes(text(R"({"code":-32005,"message":"limit\u0007"})"), 7);
    CHECK_FALSE(busy.error().reverted());
    CHECK(busy.error().code == -32005);
    CHECK(busy.error().message == "limit?");
    const auto endless =
        read_bytes(text(R"({"code":1,"message":")" + std::string(5000, 'x') + "\"}"), 7);
    CHECK(endless.error().message.size() <= 300);
}

TEST_CASE("json-rpc: blocks, receipts and logs") {
    const auto block =
        read_block(answer(R"({"number":"0x10","hash":")" + kHash + R"(","parentHash":")" + kHash +
                          R"(","timestamp":"0x5","baseFeePerGas":"0x3b9aca00"})"),
                   7);
    REQUIRE(block.has_value());
    CHECK((*block)->number == 16);
    CHECK((*block)->base_fee == Amount{1'000'000'000});
    CHECK(read_block(answer("null"), 7).value() == std::nullopt);
    CHECK(read_receipt(answer("null"), 7).value() == std::nullopt);

    const auto receipt = read_receipt(
        answer(R"({"transactionHash":")" + kHash +
               R"(","status":"0x1","blockNumber":"0x10","blockHash":")" + kHash +
               R"(","gasUsed":"0x5208","effectiveGasPrice":"0x2","logs":[)" + log_text() + "]}"),
        7);
    REQUIRE(receipt.has_value());
    CHECK((*receipt)->succeeded);
    CHECK((*receipt)->gas_used == 21'000);
    REQUIRE((*receipt)->logs.size() == 1);
    CHECK((*receipt)->logs[0].log_index == 3);
    CHECK((*receipt)->logs[0].data == Bytes{1, 2});

    CHECK(read_logs(answer("[]"), 7).value().empty());
    CHECK(read_logs(answer("[" + log_text(R"(,"removed":false)") + "]"), 7).value().size() == 1);
    CHECK(read_logs(answer("[" + log_text(R"(,"removed":true)") + "]"), 7).has_error());
    CHECK(read_logs(answer("{}"), 7).has_error());
    CHECK(read_logs(answer("[{}]"), 7).has_error());
}
