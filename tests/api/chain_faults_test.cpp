#include "api/chain/key_file.hpp"
#include "channel/hex.hpp"
#include "tests/api/chain_stack.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <fstream>

using namespace support;
using channel::Amount;
using channel::Error;
using channel::Status;

namespace {

const auto kReceiver = Anvil::key(3).address();

std::string start_failure(ChainStack& stack) {
    try {
        stack.start();
        return "";
    } catch (const std::exception& error) {
        return error.what();
    }
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string quoted(const std::string& text) {
    return "[\"" + text + "\"]";
}

}  // namespace

TEST_CASE("start: a chain that is not as configured is named", "[chain]") {
    const std::vector<std::pair<ChainStack::Change, std::string>> cases{
        {[](api::Config& config) { config.networks[0].contract = kReceiver; }, "no code at"},
        {[](api::Config& config) { config.networks[0].erc3009_collector = kReceiver; },
         "erc3009_collector"},
        {[](api::Config& config) { config.networks[0].permit2_collector = kReceiver; },
         "permit2_collector"},
        {[](api::Config& config) { config.networks[0].rpc_urls = {"http://127.0.0.1:1"}; },
         "does not answer"},
        {[](api::Config& config) { config.networks[0].rpc_urls = {"https://127.0.0.1:1"}; },
         "has to be http://"},
        {[](api::Config& config) { config.keys.relayer_file = "/nonexistent/key"; },
         "keys.relayer_file"},
        {[](api::Config& config) { config.keys.receiver_authorizer_file.clear(); },
         "keys.receiver_authorizer_file is not set"},
    };
    for (const auto& [change, expected] : cases) {
        ChainStack stack({}, change);
        const auto why = start_failure(stack);
        INFO(why);
        CHECK(contains(why, expected));
    }
}

TEST_CASE("start: a chain of another id is refused", "[chain]") {
    ChainStack stack;
    stack.anvil.rpc("anvil_setChainId", "[1337]");
    const auto why = start_failure(stack);
    INFO(why);
    CHECK(contains(why, "is chain 1337"));
}

TEST_CASE("key file: others must not be able to use it, and what it holds is never shown",
          "[chain]") {
    const auto path =
        (std::filesystem::temp_directory_path() / ("millrace-key-" + std::to_string(getpid())))
            .string();
    const auto failure = [&]() -> std::string {
        try {
            api::read_key_file("keys.relayer_file", path);
            return "";
        } catch (const api::ConfigError& error) {
            return error.what();
        }
    };
    const auto write = [&](const std::string& text, mode_t mode) {
        std::ofstream(path) << text;
        ::chmod(path.c_str(), mode);
    };
    write(Anvil::key_hex(1), 0600);
    CHECK(failure().empty());
    CHECK(api::read_key_file("keys.relayer_file", path).address() == Anvil::key(1).address());
    write(Anvil::key_hex(1) + "\r\n", 0400);
    CHECK(failure().empty());
    for (const auto mode : {0640, 0604, 0666, 0601}) {
        write(Anvil::key_hex(1), static_cast<mode_t>(mode));
        CHECK(contains(failure(), "chmod 600"));
    }
    ::chmod(path.c_str(), 0600);
    for (const auto& text :
         {std::string(), std::string("0x"), Anvil::key_hex(1) + "0", Anvil::key_hex(1).substr(2),
          "0x" + std::string(64, '0'), "0x" + std::string(64, 'f'), std::string(500, 'a')}) {
        write(text, 0600);
        const auto why = failure();
        CHECK(contains(why, "has to hold one key"));
        CHECK_FALSE(contains(why, Anvil::key_hex(1).substr(10, 20)));
    }
    std::filesystem::remove(path);
}

TEST_CASE("node: another is enough when the first is dead and one may be believed", "[chain]") {
    ChainStack stack;
    stack.network().rpc_urls = {"http://127.0.0.1:1", stack.anvil.url()};
    stack.network().rpc_agreement = 1;
    stack.start();
    const auto terms = stack.terms(1, kReceiver);
    stack.opened(1, terms, 5000);
    CHECK(stack.state(stack.id(terms)).balance == Amount{5000});
}

TEST_CASE("node: one that hangs is a refusal in time, and is followed again when it is back",
          "[chain]") {
    ChainStack stack({}, [](api::Config& config) {
        config.networks[0].rpc_timeout = std::chrono::seconds{1};
    });
    stack.start();
    stack.anvil.suspend();
    REQUIRE(stack.wait([&] { return !stack.chain().health().front().following; }));
    CHECK_FALSE(stack.chain().health().front().error.empty());
    const auto terms = stack.terms(1, kReceiver);
    const auto open = [&] {
        return stack.run(
            stack.chain().open(stack.network().network, terms, "", stack.deposit(1, terms, 5000)));
    };
    CHECK(error_of(open()) == Error::unavailable);
    stack.anvil.resume();
    REQUIRE(stack.wait([&] { return stack.chain().health().front().following; }));
    CHECK_FALSE(error_of(open()).has_value());
    REQUIRE(stack.wait_for_status(stack.id(terms), Status::open));
}

TEST_CASE("outbox: what the node has lost is broadcast again after a start", "[chain]") {
    ChainStack stack;
    stack.start();
    stack.anvil.rpc("evm_setAutomine", "[false]");
    const auto terms = stack.terms(1, kReceiver);
    const auto opened = stack.run(
        stack.chain().open(stack.network().network, terms, "", stack.deposit(1, terms, 5000)));
    REQUIRE_FALSE(error_of(opened).has_value());
    const auto hash = channel::to_hex(*std::get<api::OpenedChannel>(opened).transaction);
    stack.stop();
    stack.anvil.rpc("anvil_dropTransaction", quoted(hash));
    stack.anvil.mine(1);
    CHECK(stack.anvil.rpc("eth_getTransactionReceipt", quoted(hash)) == "null");
    stack.anvil.rpc("evm_setAutomine", "[true]");
    stack.start();
    REQUIRE(stack.wait_for_status(stack.id(terms), Status::open));
    CHECK(stack.anvil.rpc("eth_getTransactionReceipt", quoted(hash)) != "null");
    CHECK(stack.query("select count(*) from outbox") == "1");
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("outbox: a transaction that is stuck is replaced with higher fees, and mined once",
          "[chain]") {
    ChainStack stack({}, [](api::Config& config) {
        config.networks[0].poll_interval = std::chrono::milliseconds{5};
    });
    stack.start();
    stack.anvil.rpc("evm_setAutomine", "[false]");
    const auto terms = stack.terms(1, kReceiver);
    REQUIRE_FALSE(error_of(stack.run(stack.chain().open(stack.network().network, terms, "",
                                                        stack.deposit(1, terms, 5000))))
                      .has_value());
    const auto first_fee = stack.query("select max_fee from outbox");
    // Blocks go by that cost more than the transaction offers.
    for (int block = 0; block < 4; ++block) {
        stack.anvil.rpc("anvil_setNextBlockBaseFeePerGas", "[\"0x2540be400\"]");
        stack.anvil.mine(1);
    }
    REQUIRE(stack.wait([&] { return stack.query("select count(*) from outbox_attempt") >= "1"; }));
    CHECK(stack.query("select max_fee * 8 >= " + first_fee + " * 9 from outbox") == "t");
    CHECK(stack.query("select o.priority_fee * 8 >= a.priority_fee * 9 from outbox o join "
                      "outbox_attempt a using (outbox_id) order by a.replaced_at desc limit 1") ==
          "t");
    stack.anvil.rpc("evm_setAutomine", "[true]");
    stack.anvil.mine(1);
    REQUIRE(stack.wait_for_status(stack.id(terms), Status::open));
    REQUIRE(stack.wait([&] { return stack.query("select status from outbox") == "confirmed"; }));
    CHECK(stack.query("select count(*) from chain_event where kind = 'fee_paid'") == "1");
    CHECK(stack.query("select balance from channel") == "5000");
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("outbox: a nonce that somebody else used fails its transaction, and the next goes on",
          "[chain]") {
    ChainStack stack;
    stack.start();
    stack.anvil.rpc("evm_setAutomine", "[false]");
    const auto terms = stack.terms(1, kReceiver);
    const auto open = [&] {
        return stack.run(
            stack.chain().open(stack.network().network, terms, "", stack.deposit(1, terms, 5000)));
    };
    const auto opened = open();
    REQUIRE_FALSE(error_of(opened).has_value());
    stack.stop();
    const auto first = channel::to_hex(*std::get<api::OpenedChannel>(opened).transaction);
    stack.anvil.rpc("anvil_dropTransaction", quoted(first));
    stack.anvil.rpc("evm_setAutomine", "[true]");
    // The same account's transaction from elsewhere, with the same nonce.
    stack.anvil.send(8, kReceiver, {});
    stack.anvil.mine(1);
    stack.start();
    REQUIRE(stack.wait([&] { return stack.query("select status from outbox") == "failed"; }));
    const auto is_unwanted = std::make_shared<const std::atomic<bool>>(false);
    CHECK(error_of(stack.run(stack.chain().await_deposit(
              stack.network().network, terms, stack.deposit(1, terms, 5000), is_unwanted))) ==
          channel::Error::deposit_transaction_failed);
    const auto again = open();
    REQUIRE_FALSE(error_of(again).has_value());
    CHECK(channel::to_hex(*std::get<api::OpenedChannel>(again).transaction) != first);
    REQUIRE(stack.wait_for_status(stack.id(terms), Status::open));
    CHECK(stack.query("select count(*), count(*) filter (where status = 'failed') from outbox") ==
          "2|1");
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("reorganisation: below every block that is known nothing more is posted", "[chain]") {
    ChainStack stack;
    stack.anvil.mine(3);
    stack.start();
    stack.anvil.mine(1);
    REQUIRE(stack.wait_until_followed());
    stack.anvil.rpc("anvil_reorg", "[4, []]");
    REQUIRE(
        stack.wait([&] { return contains(stack.chain().health().front().error, "reorganised"); }));
    const auto cursor = stack.query("select block_number from chain_cursor");
    stack.anvil.mine(3);
    REQUIRE(stack.wait(
        [&] { return stack.chain().health().front().block == stack.anvil.block_number(); }));
    CHECK(stack.query("select block_number from chain_cursor") == cursor);
    CHECK_FALSE(stack.chain().health().front().following);
}
