#include "tests/api/stream_stack.hpp"

#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <map>
#include <set>
#include <thread>

using namespace support;

namespace {

std::string request(const std::string& method, const std::string& params,
                    const std::string& id = "1") {
    return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":")" + method + R"(","params":)" +
           params + "}";
}

std::string quoted(const std::string& text) {
    return boost::json::serialize(boost::json::value(text));
}

std::string channel_id(const Payer& payer) {
    return R"({"channelId":")" + channel::to_hex(payer.terms.id) + R"("})";
}

}  // namespace

TEST_CASE("stream: a payment is answered with what was committed", "[stream][server]") {
    StreamStack stack;
    const auto app = stack.opened(1, 1000);
    StreamClient client(stack.port(), {stack.token(app)});
    client.send(pay_text(app, "a", 100, 100, "\"first\""));
    const auto paid = client.receive_json();
    CHECK(at(paid, "id") == "first");
    CHECK(at(paid, "result.chargedCumulativeAmount") == "100");
    CHECK(at(paid, "result.signedMaxClaimable") == "100");
    CHECK(at(paid, "result.balance") == "1000");
    CHECK(at(paid, "result.channelId") == channel::to_hex(app.terms.id));
    CHECK(at(paid, "result.seq") ==
          stack.books.query("select seq from payment where inference_id = 'a'"));
    CHECK(stack.books.query("select detail from payment") == R"({"model":"m","units":2})");

    const auto got = client.call("channel.get", channel_id(app));
    CHECK(at(got, "result.chargedCumulativeAmount") == "100");
    CHECK(at(got, "result.status") == "open");
    const auto listed = client.call("channel.list", "{}");
    CHECK(at(listed, "result.channels").size() > 100);
    CHECK(at(listed, "result.nextCursor") == "missing");
}

TEST_CASE("stream: a batch is answered by one array, half of it bad", "[stream][server]") {
    StreamStack stack;
    const auto app = stack.opened(1, 1000);
    StreamClient client(stack.port(), {stack.token(app)});
    client.send("[" + pay_text(app, "a", 10, 10, "1") + "," + request("no.such", "{}", "2") + "," +
                request("server.info", "{}", "3") +
                R"(,{"jsonrpc":"2.0","method":"server.info"},)" + pay_text(app, "b", 10, 15, "4") +
                ",17," + request("channel.get", channel_id(app), "5") + "]");
    const auto answers = client.receive_json().as_array();
    REQUIRE(answers.size() == 6);
    std::map<std::string, boost::json::value> by_id;
    for (const auto& answer : answers) by_id[at(answer, "id")] = answer;
    CHECK(at(by_id["1"], "result.chargedCumulativeAmount") == "10");
    CHECK(at(by_id["2"], "error.code") == "-32601");
    CHECK(at(by_id["3"], "result.name") == "millrace");
    CHECK(at(by_id["4"], "error.data.reason") == "insufficient_voucher");
    CHECK(at(by_id["4"], "error.data.limit") == "20");
    CHECK(at(by_id["null"], "error.code") == "-32600");
    CHECK(at(by_id["5"], "result.status") == "open");
}

TEST_CASE("stream: a notification is executed and not answered", "[stream][server]") {
    StreamStack stack;
    const auto app = stack.opened(1, 1000);
    StreamClient client(stack.port(), {stack.token(app)});
    auto text = pay_text(app, "quiet", 10, 10);
    text.erase(text.find(R"("id":1,)"), 7);
    client.send(text);
    client.send("[" + text + "]");
    client.send(pay_text(app, "loud", 10, 20));
    const auto answer = client.receive_json();
    CHECK(at(answer, "result.inferenceId") == "loud");
    CHECK(at(answer, "result.chargedCumulativeAmount") == "20");
}

TEST_CASE("stream: a login gives a token that opens further connections", "[stream][server]") {
    StreamStack stack;
    const auto app = stack.opened(1, 1000);
    const auto address = channel::to_hex(app.terms.config.payer);
    StreamClient client(stack.port());
    CHECK(client.protocol() == "millrace.v1");
    CHECK(at(client.call("channel.list", "{}"), "error.data.reason") == "unauthenticated");
    client.send(pay_text(app, "a", 10, 10));
    CHECK(at(client.receive_json(), "error.data.reason") == "unauthenticated");

    const auto challenge = client.call("auth.challenge", R"({"address":")" + address + R"("})");
    const auto message = at(challenge, "result.message");
    const auto signature =
        channel::to_hex(app.secret.sign(channel::personal_message_digest(message)));
    const auto params =
        R"({"message":)" + quoted(message) + R"(,"signature":")" + signature + R"("})";
    const auto login = client.call("auth.login", params);
    CHECK(at(login, "result.address") == address);
    const auto again = client.call("auth.login", params);
    CHECK(at(again, "error.data.reason") == "unauthenticated");
    client.send(pay_text(app, "a", 10, 10));
    CHECK(at(client.receive_json(), "result.amount") == "10");

    StreamClient second(stack.port(), {at(login, "result.token"), ""});
    CHECK(second.protocol().empty());
    CHECK(at(second.call("channel.get", channel_id(app)), "result.balance") == "1000");
}

TEST_CASE("stream: a signature of another form than a key's is refused before any shard sees it",
          "[stream][server]") {
    StreamStack stack;
    const auto app = stack.opened(1, 1000);
    StreamClient client(stack.port(), {stack.token(app)});
    const auto good = pay_text(app, "a", 10, 10);
    const auto at_signature = good.find("\"signature\":\"0x") + 15;
    const auto answer_to = [&](const std::string& signature) {
        auto text = good;
        text.replace(at_signature, text.find('"', at_signature) - at_signature, signature);
        client.send(text);
        return client.receive_json();
    };
    for (const auto& signature : {std::string(128, '1'), std::string(132, '1'),
                                  std::string(128, '1') + "1d", std::string(4096, '1')}) {
        const auto answer = answer_to(signature);
        CHECK(at(answer, "error.data.reason") == "invalid_batch_settlement_evm_voucher_signature");
        CHECK(at(answer, "error.data.field") == "voucher.signature");
    }
    client.send(good);
    CHECK(at(client.receive_json(), "result.amount") == "10");
}

TEST_CASE("stream: another party's channel is forbidden, an unknown one unknown",
          "[stream][server]") {
    StreamStack stack;
    const auto app = stack.opened(1, 1000);
    const auto other = stack.opened(2, 1000);
    StreamClient client(stack.port(), {stack.token(other)});
    CHECK(at(client.call("channel.get", channel_id(app)), "error.data.reason") == "forbidden");
    client.send(pay_text(app, "a", 10, 10));
    CHECK(at(client.receive_json(), "error.data.reason") == "forbidden");
    const auto unknown = R"({"channelId":"0x)" + std::string(64, 'e') + R"("})";
    CHECK(at(client.call("channel.get", unknown), "error.data.reason") == "channel_unknown");
    const auto events =
        R"({"topics":["payment"],"channelId":")" + channel::to_hex(app.terms.id) + R"("})";
    CHECK(at(client.call("events.subscribe", events), "error.data.reason") == "forbidden");
}

TEST_CASE("stream: frames that cannot be requests are answered and skipped", "[stream][server]") {
    StreamStack stack;
    StreamClient client(stack.port());
    client.send(std::string(1024 * 1024, ' '));
    const auto too_long = client.receive_json();
    CHECK(at(too_long, "error.code") == "-32600");
    CHECK(at(too_long, "error.data.limit") == "65536");
    CHECK(at(too_long, "id") == "null");
    client.send_binary("{}");
    CHECK(at(client.receive_json(), "error.code") == "-32600");
    client.send("nonsense");
    CHECK(at(client.receive_json(), "error.code") == "-32700");
    const auto exact = request("server.info", "{}");
    client.send(exact + std::string(65536 - exact.size(), ' '));
    CHECK(at(client.receive_json(), "result.name") == "millrace");
}

TEST_CASE("stream: invalid UTF-8 ends the connection as RFC 6455 has it", "[stream][server]") {
    StreamStack stack;
    StreamClient client(stack.port());
    client.send("\"\xc3\x28\"");
    CHECK(client.receive() == "closed 1007");
}

TEST_CASE("stream: a hundred bad frames in a row are abuse, a good one between makes amends",
          "[stream][server]") {
    StreamStack stack;
    StreamClient client(stack.port());
    for (int round = 0; round < 2; ++round) {
        for (int n = 0; n < 100; ++n) {
            client.send("{");
            REQUIRE(at(client.receive_json(), "error.code") == "-32700");
        }
        REQUIRE(at(client.call("server.info", "{}"), "result.name") == "millrace");
    }
    for (int n = 0; n < 101; ++n) client.send("{");
    std::string last;
    for (int n = 0; n < 102; ++n) last = client.receive();
    CHECK(last == "closed 1008");
}

TEST_CASE("stream: above the requests in flight each further one is refused", "[stream][server]") {
    StreamStack stack([](api::Config& config) { config.limits.in_flight_max = 3; });
    const auto app = stack.opened(1, 1000);
    StreamClient client(stack.port(), {stack.token(app)});
    {
        // While nothing can be committed, nothing is answered.
        const ledger::CommitOrder::Turn commits(stack.shards().commit_order());
        for (std::uint64_t n = 1; n <= 5; ++n)
            client.send(pay_text(app, "p" + std::to_string(n), 1, n, std::to_string(n)));
        for (const auto* id : {"4", "5"}) {
            const auto refused = client.receive_json();
            CHECK(at(refused, "id") == id);
            CHECK(at(refused, "error.data.reason") == "too_many_in_flight");
            CHECK(at(refused, "error.data.limit") == "3");
        }
    }
    std::set<std::string> answered;
    for (int n = 0; n < 3; ++n) answered.insert(at(client.receive_json(), "result.inferenceId"));
    CHECK(answered == std::set<std::string>{"p1", "p2", "p3"});
    client.send(pay_text(app, "p6", 1, 4));
    CHECK(at(client.receive_json(), "result.inferenceId") == "p6");
}

TEST_CASE("stream: a full shard is overloaded, and says so", "[stream][server]") {
    StreamStack stack([](api::Config& config) { config.limits.shard_queue_max = 2; });
    const auto app = stack.opened(1, 1000);
    StreamClient client(stack.port(), {stack.token(app)});
    std::size_t overloaded = 0;
    {
        const ledger::CommitOrder::Turn commits(stack.shards().commit_order());
        std::string batch = "[";
        for (std::uint64_t n = 1; n <= 6; ++n)
            batch += (n > 1 ? "," : "") +
                     pay_text(app, "p" + std::to_string(n), 1, n, std::to_string(n));
        client.send(batch + "]");
    }
    const auto answers = client.receive_json().as_array();
    REQUIRE(answers.size() == 6);
    for (const auto& answer : answers)
        overloaded += at(answer, "error.data.reason") == "overloaded";
    CHECK(overloaded == 4);
}

TEST_CASE("stream: who does not read is not read from, and loses nothing", "[stream][server]") {
    StreamStack stack([](api::Config& config) {
        config.limits.outbound_bytes_max = 16 * 1024;
        config.server.io_threads = 1;
    });
    StreamClient slow(stack.port(), {"", "millrace.v1", 4096});
    // More than the kernel keeps for a socket.
    constexpr int kCalls = 20'000;
    std::thread sender([&] {
        for (int n = 0; n < kCalls; ++n) slow.send(request("server.info", "{}", std::to_string(n)));
    });
    // The other connection of the same thread is served meanwhile.
    StreamClient other(stack.port());
    for (int n = 0; n < 50; ++n)
        CHECK(at(other.call("server.info", "{}"), "result.name") == "millrace");
    for (int n = 0; n < kCalls; ++n) REQUIRE(at(slow.receive_json(), "id") == std::to_string(n));
    sender.join();
}

TEST_CASE("stream: draining answers what was taken, then says goodbye", "[stream][server]") {
    StreamStack stack;
    const auto app = stack.opened(1, 1000);
    StreamClient busy(stack.port(), {stack.token(app)});
    StreamClient idle(stack.port());
    REQUIRE(at(idle.call("server.info", "{}"), "result.name") == "millrace");
    std::thread drain;
    {
        const ledger::CommitOrder::Turn commits(stack.shards().commit_order());
        busy.send(pay_text(app, "last", 10, 10));
        // Answered at once, so the payment before it has been taken.
        REQUIRE(at(busy.call("server.info", "{}", 2), "id") == "2");
        drain = std::thread([&] { stack.server().drain(); });
        CHECK(idle.receive() == "closed 1001");
        busy.send(pay_text(app, "too late", 10, 20));
    }
    CHECK(at(busy.receive_json(), "result.inferenceId") == "last");
    CHECK(busy.receive() == "closed 1001");
    drain.join();
    CHECK(stack.server().draining());
    CHECK(stack.server().connections() == 0);
    CHECK(stack.books.query("select inference_id from payment") == "last");
    CHECK_THROWS(StreamClient(stack.port()));
}
