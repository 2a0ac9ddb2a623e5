#include "api/signer/open_signer.hpp"

#include "api/chain/key_file.hpp"
#include "api/signer/client.hpp"

#include <algorithm>

namespace millrace::api {

namespace chain = ledger::chain;
namespace signing = ledger::signing;

namespace {

constexpr std::uint64_t kDevelopmentChain = 31337;

}  // namespace

void require_signer(const Config& config) {
    if (!config.signer.socket.empty() && config.keys.in_process)
        throw ConfigError(
            "signer.socket and keys.in_process exclude each other: unset keys.in_process, which is "
            "for development");
    const auto is_of_value = [](const NetworkConfig& network) {
        return network.network.chain_id != kDevelopmentChain;
    };
    if (config.keys.in_process &&
        std::any_of(config.networks.begin(), config.networks.end(), is_of_value))
        throw ConfigError(
            "keys.in_process is for the development chain eip155:31337 alone: start `millrace "
            "signer --config FILE`, and set signer.socket instead");
    if (config.signer.socket.empty() && !config.keys.in_process)
        throw ConfigError(
            "signer.socket is not set: the keys are kept by a process of their own; start it with: "
            "millrace signer --config FILE, and name its socket");
}

std::unique_ptr<chain::Signer> open_signer(const Config& config) {
    require_signer(config);
    if (config.keys.in_process)
        return std::unique_ptr<chain::Signer>(new chain::KeySigner(read_keys(config.keys)));
    return std::make_unique<SignerClient>(config.signer.socket, config.signer.timeout);
}

chain::KeySigner read_keys(const KeysConfig& keys) {
    return {read_key_file("keys.receiver_authorizer_file", keys.receiver_authorizer_file,
                          keys.password_file),
            read_key_file("keys.relayer_file", keys.relayer_file, keys.password_file)};
}

signing::SigningRules signing_rules(const Config& config) {
    signing::SigningRules rules;
    if (config.signer.contract_payers) rules.contract_payers = signing::ContractPayers::believed;
    rules.signatures_per_minute_max = config.signer.signatures_per_minute_max;
    for (const auto& network : config.networks) {
        auto& known = rules.networks[network.network];
        known.contract = network.contract;
        known.max_fee_per_gas = network.max_fee_per_gas;
        known.cost_per_hour_max = network.signed_cost_per_hour_max;
        for (const auto& token : network.tokens)
            known.value_per_hour_max[token.address] = token.signed_value_per_hour_max;
    }
    return rules;
}

}  // namespace millrace::api
