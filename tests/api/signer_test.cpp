#include "api/cli/process.hpp"
#include "api/config.hpp"
#include "api/signer/journal.hpp"
#include "api/signer/open_signer.hpp"
#include "api/signer/server.hpp"
#include "channel/eip712.hpp"
#include "channel/hex.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/key_signer.hpp"
#include "tests/api/signer_stack.hpp"
#include "tests/support/anvil.hpp"
#include "tests/support/ledger_fixture.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

using namespace support;
using namespace std::chrono_literals;
using ledger::chain::EscrowContract;
using ledger::chain::SignerRefused;
using ledger::chain::SignerUnavailable;
using ledger::chain::Transaction;
using ledger::chain::VoucherClaim;
using ledger::signing::SignedEntry;
using ledger::signing::SignedTotal;

namespace {

const channel::Address kToken = key(71).address();
const channel::Address kReceiver = key(72).address();
const EscrowContract kEscrow{{Anvil::kChainId}, escrow_address()};

VoucherClaim row(unsigned n, std::uint64_t total) {
    const channel::ChannelConfig config{.payer = key(n).address(),
                                        .payer_authorizer = {},
                                        .receiver = kReceiver,
                                        .receiver_authorizer = Anvil::key(9).address(),
                                        .token = kToken,
                                        .withdraw_delay_seconds = 900,
                                        .salt = {}};
    const auto separator = ledger::chain::domain_separator(kEscrow);
    const channel::Voucher voucher{channel::channel_id(separator, config), units(1'000'000)};
    return {config, voucher.max_claimable, key(n).sign(channel::digest(separator, voucher)),
            units(total)};
}

Transaction settling(std::uint64_t nonce = 0) {
    Transaction transaction;
    transaction.chain_id = Anvil::kChainId;
    transaction.nonce = nonce;
    transaction.max_fee = units(1000);
    transaction.gas_limit = 100'000;
    transaction.to = escrow_address();
    transaction.data = ledger::chain::settle_call(kReceiver, kToken);
    return transaction;
}

/// Why a claim of this total is refused; empty: it is signed.
std::string objection(api::SignerClient& client, unsigned payer, std::uint64_t total) {
    const std::vector rows{row(payer, total)};
    try {
        client.sign_claims(kEscrow, rows);
        return "";
    } catch (const SignerRefused& error) {
        return error.what();
    }
}

SignerProcess::Settings settings(const std::string& more = "") {
    return {escrow_address(), kToken, more, "", ""};
}

bool eventually(const std::function<bool()>& condition) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    for (int n = 0; n < 1000; ++n) {
        if (condition()) return true;
        never.wait_for(lock, 20ms);
    }
    return false;
}

/// A peer that says what it likes.
class RawPeer {
public:
    explicit RawPeer(const std::string& path)
        : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        connected_ = ::connect(socket_.number(), reinterpret_cast<const sockaddr*>(&address),
                               sizeof(address)) == 0;
    }
    bool connected() const { return connected_; }
    void say(const std::string& bytes) const {
        static_cast<void>(!::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    }
    void say_frame(const std::string& text) const {
        const auto header = api::frame_header(text.size());
        say(std::string(header.begin(), header.end()) + text);
    }
    /// Until the other side closes.
    std::string all() const {
        std::string text;
        char letter = 0;
        while (::recv(socket_.number(), &letter, 1, 0) == 1) text += letter;
        return text;
    }

private:
    api::Descriptor socket_;
    bool connected_ = false;
};

std::string contents(const std::filesystem::path& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

SignedEntry total(std::uint8_t id, std::uint64_t amount) {
    return {kNoon, {SignedTotal{{{id}}, units(amount)}}};
}

}  // namespace

TEST_CASE("journal: what was appended is known to the next, without a last line that was cut off",
          "[signer]") {
    const TemporaryDirectory directory;
    const auto state = directory.path() / "state";
    {
        api::Journal journal(state, kNoon);
        for (std::uint64_t n = 1; n <= 100; ++n) journal.append(total(1, n));
        journal.append(total(2, 7));
        CHECK_THROWS_WITH(api::Journal(state, kNoon), Catch::Contains("another signer works in"));
    }
    struct stat found {};
    REQUIRE(::stat(state.c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0700);
    const auto file = state / "signed.log";
    REQUIRE(::stat(file.c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0600);
    {
        api::Journal journal(state, kNoon);
        const auto record = journal.take_record();
        CHECK(record.total_of({{1}}) == units(100));
        CHECK(record.total_of({{2}}) == units(7));
    }
    const auto whole = contents(file);
    CHECK(std::count(whole.begin(), whole.end(), '\n') == 2);

    const auto line = ledger::signing::to_line(total(1, 200));
    for (const auto& torn :
         {line.substr(0, line.size() / 2), line, std::string(300, '\0'), line.substr(1) + "\n",
          std::string(50, '\0') + line.substr(50) + "\n"}) {
        std::ofstream(file, std::ios::binary) << whole << torn;
        api::Journal journal(state, kNoon);
        CHECK(journal.take_record().total_of({{1}}) == units(100));
        CHECK(contents(file).size() == whole.size());
    }
    std::ofstream(file, std::ios::binary) << line.substr(1) << "\n" << whole;
    CHECK_THROWS_WITH(api::Journal(state, kNoon), Catch::Contains("signed.log:1: not as it was"));
}

TEST_CASE("signer: signs over its socket what the service asks for", "[signer]") {
    SignerProcess process(settings());
    const auto client = process.client();
    CHECK(client->authorizer() == Anvil::key(9).address());
    CHECK(client->relayer() == Anvil::key(8).address());
    CHECK(client->health().available);
    struct stat found {};
    REQUIRE(::stat(process.socket().c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0600);

    // Exactly what the keys themselves would sign.
    ledger::chain::KeySigner keys(Anvil::key(9), Anvil::key(8));
    std::vector<VoucherClaim> rows;
    for (unsigned n = 1; n <= 250; ++n) rows.push_back(row(n, n));
    CHECK(client->sign_claims(kEscrow, rows) == keys.sign_claims(kEscrow, rows));
    const auto nonce = channel::word_from(std::uint64_t{4});
    CHECK(client->sign_refund(kEscrow, rows[0].config, nonce, units(6)) ==
          keys.sign_refund(kEscrow, rows[0].config, nonce, units(6)));
    CHECK(client->sign_transaction(settling(7)) == keys.sign_transaction(settling(7)));
    auto large = settling();
    large.data = ledger::chain::claim_with_signature_call(rows, {});
    CHECK(client->sign_transaction(large) == keys.sign_transaction(large));
    CHECK(process.stop() == 0);
    CHECK_FALSE(std::filesystem::exists(process.socket()));
    CHECK_THAT(process.log(), !Catch::Contains(Anvil::key_hex(9).substr(2)) &&
                                  !Catch::Contains(Anvil::key_hex(8).substr(2)));
}

TEST_CASE("signer: what is not of this product is refused, logged and counted", "[signer]") {
    SignerProcess process(settings());
    const auto client = process.client();
    const auto refused = [&](auto change) {
        auto transaction = settling();
        change(transaction);
        try {
            client->sign_transaction(transaction);
        } catch (const SignerRefused& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    CHECK_THAT(refused([](auto& one) { one.to = kToken; }), Catch::Contains("escrow contract"));
    CHECK_THAT(refused([](auto& one) { one.data[0] ^= 1; }), Catch::Contains("never calls"));
    CHECK_THAT(refused([](auto& one) { one.value.bytes[31] = 1; }), Catch::Contains("sends coins"));
    CHECK_THAT(refused([](auto& one) { one.chain_id = 1; }), Catch::Contains("not configured"));
    CHECK_THAT(refused([](auto& one) { one.to.reset(); }), Catch::Contains("only calls"));
    CHECK(objection(*client, 1, 1'000'001) != "");
    CHECK(client->health().refusals == 5);
    CHECK_THAT(process.log(), Catch::Contains("refused (5 so far)"));
    CHECK(objection(*client, 1, 1) == "");
}

TEST_CASE("signer: never a lower claim, whether it was restarted or killed", "[signer]") {
    SignerProcess process(settings());
    auto client = process.client();
    CHECK(objection(*client, 1, 500) == "");
    CHECK_THAT(objection(*client, 1, 499), Catch::Contains("is lower"));
    REQUIRE(process.stop() == 0);
    process.start();
    client = process.client();
    CHECK_THAT(objection(*client, 1, 499), Catch::Contains("is lower"));
    CHECK(objection(*client, 1, 500) == "");
    for (std::uint64_t n = 501; n < 506; ++n) {
        CHECK(objection(*client, 1, n) == "");
        process.kill();
        process.start();
        client = process.client();
        CHECK_THAT(objection(*client, 1, n - 1), Catch::Contains("is lower"));
    }
    // As if it had been killed within a write.
    process.kill();
    std::ofstream(process.journal(), std::ios::app) << "0x0011223344";
    process.start();
    client = process.client();
    CHECK_THAT(objection(*client, 1, 504), Catch::Contains("is lower"));
    CHECK(objection(*client, 1, 505) == "");
}

TEST_CASE("signer: killed at any moment, it has never signed what it does not know", "[signer]") {
    SignerProcess process(settings("signatures_per_minute_max = 1000000"));
    std::atomic<std::uint64_t> highest = 0;
    for (int round = 0; round < 5; ++round) {
        const auto client = process.client();
        // It may have kept the next one without having given it away.
        ++highest;
        CHECK(objection(*client, 1, highest) == "");
        auto signing = std::async(std::launch::async, [&] {
            try {
                for (std::uint64_t n = highest + 1;; ++n) {
                    client->sign_claims(kEscrow, std::vector{row(1, n)});
                    highest = n;
                }
            } catch (const SignerUnavailable&) {
            }
        });
        const auto before = highest.load();
        while (highest == before &&
               signing.wait_for(std::chrono::milliseconds{1}) == std::future_status::timeout) {
        }
        signing.wait_for(std::chrono::milliseconds{17 * round});
        process.kill();
        signing.wait();
        process.start();
        const auto later = process.client();
        CHECK_THAT(objection(*later, 1, highest - 1), Catch::Contains("is lower"));
    }
    CHECK(highest >= 10);
}

TEST_CASE("signer: caps hold over a restart", "[signer]") {
    auto with = settings();
    with.token_more = "signed_value_per_hour_max = \"1000\"";
    with.network = "signed_cost_per_hour_max = \"250000000\"";
    SignerProcess process(with);
    auto client = process.client();
    CHECK(objection(*client, 1, 600) == "");
    CHECK_THAT(objection(*client, 2, 401), Catch::Contains("signed_value_per_hour_max"));
    CHECK_NOTHROW(client->sign_transaction(settling(0)));
    CHECK_NOTHROW(client->sign_transaction(settling(1)));
    CHECK_THROWS_AS(client->sign_transaction(settling(2)), SignerRefused);
    process.kill();
    process.start();
    client = process.client();
    CHECK_THAT(objection(*client, 2, 401), Catch::Contains("signed_value_per_hour_max"));
    CHECK(objection(*client, 2, 400) == "");
    CHECK_THROWS_AS(client->sign_transaction(settling(2)), SignerRefused);
    CHECK_NOTHROW(client->sign_transaction(settling(1)));
}

TEST_CASE("signer: more than its rate is refused for now, not for good", "[signer]") {
    SignerProcess process(settings("signatures_per_minute_max = 2"));
    const auto client = process.client();
    CHECK(objection(*client, 1, 1) == "");
    CHECK(objection(*client, 1, 1) == "");
    CHECK_THROWS_WITH(objection(*client, 1, 1), Catch::Contains("signatures_per_minute_max"));
    CHECK(client->health().available);
}

TEST_CASE("signer: malformed and oversized frames end their connection and nothing else",
          "[signer]") {
    SignerProcess process(settings());
    const auto client = process.client();
    std::string claims = api::render(api::ClaimsQuestion{kEscrow, {row(1, 5)}});
    const auto without = [&](const std::string& part) {
        auto text = claims;
        text.erase(text.find(part), part.size());
        return text;
    };
    const std::vector<std::string> texts{"{",
                                         "[]",
                                         "null",
                                         "\"x\"",
                                         "{}",
                                         R"({"sign":"everything"})",
                                         R"({"sign":1})",
                                         R"({"sign":"nothing","more":1})",
                                         R"({"sign":"digest","digest":"0x00"})",
                                         without("\"network\":\"eip155:31337\","),
                                         without("0x"),
                                         without("\"claims\":"),
                                         std::string(100, '[') + std::string(100, ']'),
                                         claims.substr(0, claims.size() - 1),
                                         std::string("\xff\xfe\x00", 3)};
    for (const auto& text : texts) {
        CAPTURE(text);
        const RawPeer peer(process.socket());
        REQUIRE(peer.connected());
        peer.say_frame(text);
        CHECK_THAT(peer.all(), Catch::Contains("malformed"));
    }
    for (const auto* header : {"\x00\x10\x00\x01", "\xff\xff\xff\xff", "\x00\x00\x00\x00"}) {
        const RawPeer peer(process.socket());
        peer.say(std::string(header, 4));
        CHECK_THAT(peer.all(), Catch::Contains("malformed"));
    }
    {
        const RawPeer half(process.socket());
        half.say(std::string("\x00\x00\x00\x64{", 5));
    }
    const RawPeer well(process.socket());
    well.say_frame(R"({"sign":"nothing"})");
    CHECK(objection(*client, 1, 5) == "");
}

TEST_CASE("signer: only the configured user is let in", "[signer]") {
    SignerProcess process(settings("service_user = \"" + std::to_string(::geteuid() + 1) + "\""));
    REQUIRE(eventually([&] { return std::filesystem::exists(process.socket()); }));
    std::string said;
    REQUIRE(eventually([&] {
        const RawPeer peer(process.socket());
        if (!peer.connected()) return false;
        peer.say_frame(R"({"sign":"nothing"})");
        said = peer.all();
        return true;
    }));
    CHECK(said.empty());
    CHECK_THAT(process.log(), Catch::Contains("is sent away: only user"));
    CHECK_THROWS_AS(api::SignerClient(process.socket(), 1s), SignerUnavailable);
}

TEST_CASE("signer: a client finds it again after a restart, and does not wait for one that hangs",
          "[signer]") {
    SignerProcess process(settings());
    const auto client = process.client();
    CHECK(objection(*client, 1, 1) == "");
    process.kill();
    CHECK_THROWS_AS(objection(*client, 1, 2), SignerUnavailable);
    CHECK_FALSE(client->health().available);
    process.start();
    REQUIRE(eventually([&] { return client->health().available; }));
    CHECK(objection(*client, 1, 2) == "");

    process.suspend();
    REQUIRE(eventually([&] { return !client->health().available; }));
    CHECK_THROWS_AS(objection(*client, 1, 3), SignerUnavailable);
    process.resume();
    REQUIRE(eventually([&] { return client->health().available; }));
    CHECK(objection(*client, 1, 3) == "");
    // Restarted between two questions: asked again on a new connection.
    REQUIRE(process.stop() == 0);
    process.start();
    process.client();
    REQUIRE(eventually([&] { return client->health().available; }));
    CHECK(objection(*client, 1, 4) == "");
}

TEST_CASE("signer: one with other keys is not taken for the former", "[signer]") {
    SignerProcess process(settings());
    const auto client = process.client();
    const auto directory = std::filesystem::path(process.socket()).parent_path();
    std::ofstream(directory / "relayer") << Anvil::key_hex(7) << "\n";
    REQUIRE(process.stop() == 0);
    REQUIRE(eventually([&] { return !client->health().available; }));
    process.start();
    CHECK(process.client()->relayer() == Anvil::key(7).address());
    std::promise<void> never;
    never.get_future().wait_for(1500ms);
    CHECK_FALSE(client->health().available);
    CHECK_THROWS_AS(client->sign_transaction(settling()), SignerUnavailable);
}

TEST_CASE("signer: two on one socket or one state directory are told", "[signer]") {
    SignerProcess process(settings());
    process.client();
    const auto failure = [&](std::map<std::string, std::string> environment) {
        const TemporaryDirectory directory;
        const auto log = directory.path() / "log";
        std::string command;
        for (const auto& [name, value] : environment) command += name + "='" + value + "' ";
        command += millrace_program().string() + " signer --config " +
                   process.config_file().string() + " 2>" + log.string();
        const int status = std::system(command.c_str());
        CHECK(WEXITSTATUS(status) == 2);
        return contents(log);
    };
    CHECK_THAT(failure({}), Catch::Contains("another signer works in"));
    CHECK_THAT(failure({{"MILLRACE_SIGNER__STATE_DIRECTORY", process.socket() + ".state"}}),
               Catch::Contains("another signer listens on"));
    CHECK_THAT(failure({{"MILLRACE_SIGNER__STATE_DIRECTORY", ""}}),
               Catch::Contains("signer.state_directory is not set"));
    CHECK_THAT(failure({{"MILLRACE_KEYS__RELAYER_FILE", ""}}),
               Catch::Contains("keys.relayer_file is not set"));
}

TEST_CASE("serve: signs itself in development only", "[signer]") {
    api::Config config;
    CHECK_THROWS_WITH(api::require_signer(config),
                      Catch::Contains("millrace signer --config FILE"));
    config.signer.socket = "/run/signer.socket";
    CHECK_NOTHROW(api::require_signer(config));
    CHECK_THROWS_AS(api::open_signer(config), SignerUnavailable);
    config.keys.in_process = true;
    CHECK_THROWS_WITH(api::require_signer(config), Catch::Contains("exclude each other"));
    config.signer.socket.clear();
    config.networks.resize(1);
    config.networks[0].network.chain_id = 31337;
    CHECK_NOTHROW(api::require_signer(config));
    config.networks.resize(2);
    config.networks[1].network.chain_id = 8453;
    CHECK_THROWS_WITH(api::require_signer(config), Catch::Contains("eip155:31337 alone"));
}
