#include "tests/support/anvil.hpp"

#include "channel/address.hpp"
#include "channel/hex.hpp"
#include "channel/keccak.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/abi.hpp"
#include "ledger/chain/contract_code.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/gasless_deposit.hpp"

#include <boost/json.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <random>
#include <stdexcept>

namespace support {

namespace json = boost::json;
namespace chain = millrace::ledger::chain;
using namespace millrace::channel;

namespace {

constexpr const char* kProgram =
    MILLRACE_SOURCE_DIR "/ledger/chain/contracts/node_modules/.bin/anvil";

constexpr std::chrono::seconds kPatience{20};

constexpr const char* kKeys[] = {
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
};

class Socket {
public:
    Socket() : handle_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
    ~Socket() { ::close(handle_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int handle() const { return handle_; }

private:
    int handle_;
};

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

std::uint16_t free_port() {
    // Below those that Linux gives to connections, for which a look at a port that nobody listens
    // on yet may end in a connection to itself.
    std::uniform_int_distribution<std::uint16_t> any(15'000, 31'999);
    std::random_device random;
    for (int attempts = 0; attempts < 1000; ++attempts) {
        const Socket socket;
        const auto address = loopback(any(random));
        if (::bind(socket.handle(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0)
            return ntohs(address.sin_port);
    }
    throw std::runtime_error("no free port");
}

/// The body of the answer; throws when there is none.
std::string post(std::uint16_t port, const std::string& body) {
    const Socket socket;
    const auto address = loopback(port);
    if (::connect(socket.handle(), reinterpret_cast<const sockaddr*>(&address), sizeof address))
        throw std::runtime_error("anvil does not listen");
    const auto request =
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    for (std::size_t at = 0; at < request.size();) {
        const auto sent =
            ::send(socket.handle(), request.data() + at, request.size() - at, MSG_NOSIGNAL);
        if (sent <= 0) throw std::runtime_error("anvil closed the connection");
        at += static_cast<std::size_t>(sent);
    }
    std::string answer;
    char buffer[65536];
    for (ssize_t got; (got = ::recv(socket.handle(), buffer, sizeof buffer, 0)) > 0;)
        answer.append(buffer, static_cast<std::size_t>(got));
    const auto end = answer.find("\r\n\r\n");
    if (end == std::string::npos) throw std::runtime_error("anvil gave no answer");
    return answer.substr(end + 4);
}

std::string quoted(const std::string& text) {
    return "\"" + text + "\"";
}

std::string unquoted(const std::string& text) {
    return text.size() >= 2 && text.front() == '"' ? text.substr(1, text.size() - 2) : text;
}

std::string transaction_json(const Address& from, const Address* to, std::string_view data) {
    return "{\"from\":" + quoted(to_hex(from)) +
           (to ? ",\"to\":" + quoted(to_hex(*to)) : std::string()) + ",\"gas\":\"0xf00000\"" +
           ",\"data\":\"" + std::string(data) + "\"}";
}

}  // namespace

Address escrow_address() {
    return parse_address("0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003").value();
}

Address collector_address() {
    return parse_address("0x4020806089470a89826cB9fB1f4059150b550004").value();
}

Address permit2_collector_address() {
    return parse_address("0x4020425FAf3B746C082C2f942b4E5159887B0005").value();
}

Anvil::Anvil(std::vector<std::string> arguments) : port_(free_port()) {
    start(arguments);
    set_code(escrow_address(), chain::code::kBatchSettlementRuntime);
    set_code(collector_address(), chain::code::kErc3009DepositCollectorRuntime);
    set_code(permit2_collector_address(), chain::code::kPermit2DepositCollectorRuntime);
    set_code(chain::kPermit2, chain::code::kDevPermit2Runtime);
    deploy_token();
}

Anvil::~Anvil() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
}

void Anvil::start(const std::vector<std::string>& arguments) {
    std::vector<std::string> all{
        kProgram, "--host", "127.0.0.1", "--port", std::to_string(port_), "--chain-id",
        std::to_string(kChainId), "--silent", "--order", "fifo",
        // In memory: what it keeps on disk reads as empty after reorganisations.
        "--prune-history", "5000"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> raw;
    for (auto& argument : all) raw.push_back(argument.data());
    raw.push_back(nullptr);
    const auto parent = ::getpid();
    process_ = ::fork();
    if (process_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(127);
        const int null = ::open("/dev/null", O_RDWR);
        ::dup2(null, 0);
        ::dup2(null, 1);
        ::dup2(null, 2);
        ::execv(raw[0], raw.data());
        ::_exit(127);
    }
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!answers()) {
        if (::waitpid(process_, nullptr, WNOHANG) == process_)
            throw std::runtime_error(std::string("cannot run ") + kProgram +
                                     "; run: npm ci --ignore-scripts in ledger/chain/contracts");
        if (std::chrono::steady_clock::now() > end) throw std::runtime_error("anvil is silent");
        ::poll(nullptr, 0, 20);
    }
}

bool Anvil::answers() {
    try {
        rpc("eth_chainId", "[]");
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

std::string Anvil::url() const {
    return "http://127.0.0.1:" + std::to_string(port_);
}

SecretKey Anvil::key(unsigned account) {
    return std::move(SecretKey::parse(kKeys[account]).value());
}

std::string Anvil::key_hex(unsigned account) {
    return kKeys[account];
}

std::string Anvil::rpc(std::string_view method, std::string_view params) {
    const auto text =
        post(port_, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" + std::string(method) +
                        "\",\"params\":" + std::string(params) + "}");
    const auto answer = json::parse(text);
    const auto& object = answer.as_object();
    if (const auto* error = object.if_contains("error"))
        throw std::runtime_error(std::string(method) + ": " + json::serialize(*error));
    return json::serialize(object.at("result"));
}

void Anvil::mine(unsigned blocks) {
    rpc("anvil_mine", "[" + std::to_string(blocks) + "]");
}

std::uint64_t Anvil::block_number() {
    return std::stoull(unquoted(rpc("eth_blockNumber", "[]")), nullptr, 16);
}

TransactionHash Anvil::send(unsigned account, const Address& to, const Bytes& data) {
    const auto hash =
        unquoted(rpc("eth_sendTransaction",
                     "[" + transaction_json(key(account).address(), &to, to_hex(data)) + "]"));
    receipt_member(hash, "blockNumber");
    return parse_fixed<TransactionHash>(hash).value();
}

std::string Anvil::receipt_member(const std::string& hash, std::string_view name) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
        const auto receipt =
            json::parse(rpc("eth_getTransactionReceipt", "[" + quoted(hash) + "]"));
        if (receipt.is_null()) {
            ::poll(nullptr, 0, 5);
            continue;
        }
        if (receipt.as_object().at("status").as_string() != "0x1")
            throw std::runtime_error("transaction " + hash + " was reverted");
        return std::string(receipt.as_object().at(name).as_string());
    }
    throw std::runtime_error("transaction " + hash + " was not mined");
}

Bytes Anvil::call(const Address& to, const Bytes& data) {
    return parse_hex(unquoted(rpc("eth_call",
                                  "[" + transaction_json(key(0).address(), &to, to_hex(data)) +
                                      ",\"latest\"]")))
        .value();
}

Amount Anvil::token_balance(const Address& holder) {
    return amount_from_word(
               chain::decode_word(call(token_, chain::balance_of_call(holder))).value())
        .value();
}

std::string Anvil::storage(const Address& contract, const std::string& slot) {
    return unquoted(rpc("eth_getStorageAt",
                        "[" + quoted(to_hex(contract)) + "," + quoted(slot) + ",\"latest\"]"));
}

void Anvil::set_storage(const Address& contract, const std::string& slot, const std::string& word) {
    rpc("anvil_setStorageAt",
        "[" + quoted(to_hex(contract)) + "," + quoted(slot) + "," + quoted(word) + "]");
}

/// Solidity: the value of a key in the mapping at slot p is at keccak256(key . p); `channels` is
/// the contract's first variable, because the guard of its parent is in transient storage.
std::string Anvil::channel_slot(const ChannelId& id) {
    Bytes key(id.bytes.begin(), id.bytes.end());
    key.resize(2 * Word::size);
    return to_hex(keccak256(BytesView(key)));
}

void Anvil::suspend() {
    ::kill(process_, SIGSTOP);
}

void Anvil::resume() {
    ::kill(process_, SIGCONT);
}

void Anvil::set_code(const Address& address, std::string_view code) {
    rpc("anvil_setCode", "[" + quoted(to_hex(address)) + "," + quoted(std::string(code)) + "]");
}

void Anvil::deploy_token() {
    constexpr unsigned kHolders = 10;
    constexpr std::uint64_t kEach = 1'000'000'000'000;
    Bytes holders;
    const auto append = [&](const Word& word) {
        holders.insert(holders.end(), word.bytes.begin(), word.bytes.end());
    };
    append(word_from(std::uint64_t{kHolders}));
    for (unsigned account = 0; account < kHolders; ++account)
        append(word_from(key(account).address()));
    chain::AbiTuple arguments;
    arguments.add_dynamic(std::move(holders)).add(kEach);
    token_ = deploy(chain::code::kDevTokenCreation, arguments.encode());
}

Address Anvil::deploy(std::string_view creation, const Bytes& arguments) {
    const auto data = std::string(creation) + to_hex(arguments).substr(2);
    const auto hash = unquoted(
        rpc("eth_sendTransaction", "[" + transaction_json(key(0).address(), nullptr, data) + "]"));
    return parse_address(receipt_member(hash, "contractAddress")).value();
}

}  // namespace support
