#include "api/cli/dev/chain.hpp"

#include "channel/address.hpp"
#include "channel/hex.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/abi.hpp"
#include "ledger/chain/contract_code.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <unistd.h>

namespace millrace::api {
namespace {

namespace fs = std::filesystem;
namespace code = ledger::chain::code;

/// 1,000,000 units of six decimals.
constexpr channel::Amount kTokensEach{1'000'000ull * 1'000'000ull};
/// 10,000 coins of 18 decimals.
constexpr std::string_view kRelayerCoin = "0x21e19e0c9bab2400000";
/// EIP-7825 caps a transaction's gas; a block holds several.
constexpr auto kBlockGasLimit = "60000000";

fs::path find_anvil() {
    if (const char* named = std::getenv("MILLRACE_ANVIL"); named && *named) {
        if (access(named, X_OK) == 0) return named;
        throw std::runtime_error(std::string("MILLRACE_ANVIL names no program: ") + named);
    }
    const fs::path beside_contracts = fs::path(MILLRACE_CONTRACTS_DIR) / "node_modules/.bin/anvil";
    if (access(beside_contracts.c_str(), X_OK) == 0) return beside_contracts;
    if (const auto found = found_in_path("anvil"); !found.empty()) return found;
    throw std::runtime_error(
        "no anvil: run ./dev setup, put anvil into PATH, or name it in "
        "MILLRACE_ANVIL");
}

/// The creation code followed by the constructor's arguments (address[] recipients, uint256 each).
std::string token_creation(const std::vector<channel::Address>& recipients) {
    channel::Bytes list;
    const auto append = [&](const channel::Word& word) {
        list.insert(list.end(), word.bytes.begin(), word.bytes.end());
    };
    append(channel::word_from(recipients.size()));
    for (const auto& recipient : recipients) append(channel::word_from(recipient));
    const auto arguments =
        ledger::chain::AbiTuple{}.add_dynamic(std::move(list)).add(kTokensEach).encode();
    return std::string(code::kDevTokenCreation) + channel::to_hex(arguments).substr(2);
}

std::string text_of(const std::string& json) {
    return std::string(boost::json::parse(json).as_string());
}

}  // namespace

DevChain::DevChain(DevChainSettings settings)
    : settings_(std::move(settings)), anvil_(find_anvil()), token_file_(settings_.data / "token") {
    fs::create_directories(settings_.data);
}

Process DevChain::start() const {
    std::vector<std::string> arguments{"--host",           "127.0.0.1",
                                       "--port",           std::to_string(settings_.port.number),
                                       "--chain-id",       "31337",
                                       "--hardfork",       "prague",
                                       "--state",          (settings_.data / "state.json").string(),
                                       "--silent",         "--enable-tx-gas-limit",
                                       "--state-interval", std::to_string(settings_.state_seconds),
                                       "--gas-limit",      kBlockGasLimit};
    if (settings_.block_seconds) {
        arguments.push_back("--block-time");
        arguments.push_back(std::to_string(*settings_.block_seconds));
    }
    return Process::start({.program = anvil_, .arguments = std::move(arguments)});
}

bool DevChain::answers() const {
    const auto answer =
        ask(settings_.port, "/", R"({"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]})",
            std::chrono::seconds{1});
    return answer && answer->body.find("0x7a69") != std::string::npos;
}

std::string DevChain::url() const {
    return "http://127.0.0.1:" + std::to_string(settings_.port.number);
}

/// The result as JSON text.
std::string DevChain::call(std::string_view method, const std::string& params) const {
    const auto answer =
        ask(settings_.port, "/",
            fmt::format(R"({{"jsonrpc":"2.0","id":1,"method":"{}","params":{}}})", method, params),
            std::chrono::seconds{30});
    if (!answer) throw std::runtime_error(fmt::format("anvil does not answer {}", method));
    const auto body = boost::json::parse(answer->body);
    const auto* result = body.as_object().if_contains("result");
    if (!result)
        throw std::runtime_error(fmt::format("anvil refuses {}: {}", method, answer->body));
    return boost::json::serialize(*result);
}

void DevChain::place(std::string_view address, std::string_view runtime) const {
    const auto there = text_of(call("eth_getCode", fmt::format(R"(["{}","latest"])", address)));
    if (there == runtime) return;
    call("anvil_setCode", fmt::format(R"(["{}","{}"])", address, runtime));
}

/// Empty when none was deployed yet.
std::string DevChain::deployed_token() const {
    std::string address;
    std::ifstream(token_file_) >> address;
    if (address.empty()) return address;
    if (text_of(call("eth_getCode", fmt::format(R"(["{}","latest"])", address))) == "0x")
        throw std::runtime_error(
            fmt::format("the development chain lost its state, and with it the token {}; remove "
                        "the data directory to begin anew",
                        address));
    return address;
}

std::string DevChain::deploy_token() const {
    std::vector<channel::Address> accounts;
    const auto listed = boost::json::parse(call("eth_accounts", "[]"));
    for (const auto& account : listed.as_array())
        accounts.push_back(channel::parse_address(std::string(account.as_string())).value());
    const auto hash =
        text_of(call("eth_sendTransaction",
                     fmt::format(R"([{{"from":"{}","data":"{}"}}])",
                                 channel::to_hex(accounts.at(0)), token_creation(accounts))));
    for (;;) {
        const auto receipt =
            boost::json::parse(call("eth_getTransactionReceipt", fmt::format(R"(["{}"])", hash)));
        if (receipt.is_object())
            return std::string(receipt.as_object().at("contractAddress").as_string());
        usleep(50'000);
    }
}

void DevChain::prepare(const channel::Address& relayer) {
    place(kDevContract, code::kBatchSettlementRuntime);
    place(kDevCollector, code::kErc3009DepositCollectorRuntime);
    place(kDevPermit2Collector, code::kPermit2DepositCollectorRuntime);
    place(kDevPermit2, code::kDevPermit2Runtime);
    token_ = deployed_token();
    if (token_.empty()) {
        token_ = deploy_token();
        std::ofstream(token_file_) << token_ << '\n';
    }
    call("anvil_setBalance", fmt::format(R"(["{}","{}"])", channel::to_hex(relayer), kRelayerCoin));
}

}  // namespace millrace::api
