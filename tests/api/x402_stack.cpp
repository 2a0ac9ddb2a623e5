#include "tests/api/x402_stack.hpp"

#include "api/cli/demo/party.hpp"
#include "api/x402/reasons.hpp"
#include "channel/hex.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/signer.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>

namespace support {

namespace json = boost::json;
namespace chain_of = ledger::chain;

namespace {

const ledger::chain::EscrowContract kEscrow{{Anvil::kChainId}, escrow_address()};

json::object deposit_json(const api::GaslessDeposit& deposit) {
    json::object authorization;
    if (const auto* erc3009 = std::get_if<chain_of::Erc3009Authorization>(&deposit.authorization))
        authorization["erc3009Authorization"] = {
            {"validAfter", channel::to_decimal(erc3009->valid_after)},
            {"validBefore", channel::to_decimal(erc3009->valid_before)},
            {"salt", channel::to_hex(erc3009->salt)},
            {"signature", channel::to_hex(channel::BytesView(erc3009->signature))}};
    if (const auto* permit2 = std::get_if<chain_of::Permit2Authorization>(&deposit.authorization))
        authorization["permit2Authorization"] = {
            {"from", channel::to_hex(permit2->from)},
            {"permitted",
             {{"token", channel::to_hex(permit2->token)},
              {"amount", channel::to_string(permit2->amount)}}},
            {"spender", channel::to_hex(permit2->spender)},
            {"nonce", channel::to_decimal(permit2->nonce)},
            {"deadline", channel::to_decimal(permit2->deadline)},
            {"witness", {{"channelId", channel::to_hex(permit2->channel_id)}}},
            {"signature", channel::to_hex(channel::BytesView(permit2->signature))}};
    return {{"amount", channel::to_string(deposit.amount)},
            {"authorization", std::move(authorization)}};
}

}  // namespace

X402Stack::X402Stack(const ChainStack::Change& change)
    : RestStack(true, api::rest::Exports::kLongest, change) {}

channel::ChannelConfig X402Stack::delegated(std::uint64_t salt) const {
    return chain.terms(kPayer, Anvil::key(kProvider).address(), salt);
}

channel::ChannelConfig X402Stack::own(std::uint64_t salt) const {
    auto config = delegated(salt);
    config.receiver_authorizer = Anvil::key(kOwnAuthorizer).address();
    return config;
}

channel::ChannelConfig X402Stack::funded(channel::ChannelConfig config, std::uint64_t balance) {
    chain.deposit_directly(kPayer, config, balance);
    chain.wait_until_followed();
    return config;
}

X402Stack::Object X402Stack::requirements(const channel::ChannelConfig& config) const {
    return {{"scheme", "batch-settlement"},
            {"network", "eip155:31337"},
            {"amount", "100"},
            {"asset", channel::to_hex(config.token)},
            {"payTo", channel::to_hex(config.receiver)},
            {"maxTimeoutSeconds", 60},
            {"extra",
             {{"name", "USD Coin"},
              {"version", "2"},
              {"receiverAuthorizer", channel::to_hex(config.receiver_authorizer)},
              {"withdrawDelay", 900}}}};
}

X402Stack::Object X402Stack::voucher(const channel::ChannelConfig& config,
                                     std::uint64_t max_claimable) const {
    const auto voucher = chain.voucher(kPayer, config, max_claimable);
    return {{"type", "voucher"},
            {"channelConfig", api::channel_config_json(config)},
            {"voucher",
             {{"channelId", channel::to_hex(chain.id(config))},
              {"maxClaimableAmount", channel::to_string(voucher.max_claimable)},
              {"signature", channel::to_hex(voucher.signature)}}}};
}

X402Stack::Object X402Stack::deposit(const channel::ChannelConfig& config, std::uint64_t amount,
                                     std::uint64_t max_claimable) const {
    auto payload = voucher(config, max_claimable);
    payload["type"] = "deposit";
    payload["deposit"] = deposit_json(chain.deposit(kPayer, config, amount));
    return payload;
}

X402Stack::Object X402Stack::permit2_deposit(const channel::ChannelConfig& config,
                                             std::uint64_t amount,
                                             std::uint64_t max_claimable) const {
    auto payload = voucher(config, max_claimable);
    payload["type"] = "deposit";
    payload["deposit"] = deposit_json(chain.permit2_deposit(kPayer, config, amount));
    return payload;
}

X402Stack::Object X402Stack::refund(const channel::ChannelConfig& config,
                                    std::uint64_t max_claimable) const {
    auto payload = voucher(config, max_claimable);
    payload["type"] = "refund";
    return payload;
}

X402Stack::Object X402Stack::row(const channel::ChannelConfig& config, std::uint64_t max_claimable,
                                 std::uint64_t total) const {
    const auto signed_voucher = chain.voucher(kPayer, config, max_claimable);
    return {{"voucher",
             {{"channel", api::channel_config_json(config)},
              {"maxClaimableAmount", std::to_string(max_claimable)}}},
            {"signature", channel::to_hex(signed_voucher.signature)},
            {"totalClaimed", std::to_string(total)}};
}

X402Stack::Object X402Stack::claim(std::vector<Object> rows) {
    json::array list;
    for (auto& one : rows) list.push_back(std::move(one));
    return {{"type", "claim"}, {"claims", std::move(list)}};
}

X402Stack::Object X402Stack::settlement() const {
    return {{"type", "settle"},
            {"receiver", channel::to_hex(Anvil::key(kProvider).address())},
            {"token", channel::to_hex(chain.anvil.token())}};
}

X402Stack::Object X402Stack::completed(const channel::ChannelConfig& config, std::uint64_t charged,
                                       std::uint64_t amount, std::uint64_t nonce) const {
    auto payload = refund(config, charged);
    payload["amount"] = std::to_string(amount);
    payload["refundNonce"] = std::to_string(nonce);
    payload["claims"] = json::array{row(config, charged, charged)};
    return payload;
}

chain_of::VoucherClaim X402Stack::claim_of(const channel::ChannelConfig& config,
                                           std::uint64_t max_claimable, std::uint64_t total) const {
    const auto signed_voucher = chain.voucher(kPayer, config, max_claimable);
    return {config, signed_voucher.max_claimable, signed_voucher.signature, channel::Amount{total}};
}

std::string X402Stack::claims_signature(const std::vector<chain_of::VoucherClaim>& rows) const {
    return channel::to_hex(Anvil::key(kOwnAuthorizer).sign(chain_of::claims_digest(kEscrow, rows)));
}

std::string X402Stack::refund_signature(const channel::ChannelConfig& config, std::uint64_t amount,
                                        std::uint64_t nonce) const {
    const auto digest = chain_of::refund_digest(kEscrow, config, channel::word_from(nonce),
                                                channel::Amount{amount});
    return channel::to_hex(Anvil::key(kOwnAuthorizer).sign(digest));
}

std::string X402Stack::message(const Object& payload, const Object& required) {
    const json::object body{
        {"x402Version", 2},
        {"paymentPayload", {{"x402Version", 2}, {"accepted", required}, {"payload", payload}}},
        {"paymentRequirements", required}};
    return json::serialize(body);
}

RestAnswer X402Stack::verify(const Object& payload, const Object& required) {
    return post("/x402/verify", {.body = message(payload, required)});
}

RestAnswer X402Stack::settle(const Object& payload, const Object& required,
                             const std::string& bearer) {
    return post("/x402/settle", {.bearer = bearer, .body = message(payload, required)});
}

std::string X402Stack::sent(const std::string& action) {
    return chain.query("select count(*) from facilitated where action = '" + action + "'");
}

chain_of::ChannelTotals X402Stack::totals(const channel::ChannelConfig& config) {
    return chain_of::decode_channels(
               chain.anvil.call(escrow_address(), chain_of::channels_call(chain.id(config))))
        .value();
}

chain_of::ReceiverTotals X402Stack::receiver_totals() {
    return chain_of::decode_receivers(
               chain.anvil.call(
                   escrow_address(),
                   chain_of::receivers_call(Anvil::key(kProvider).address(), chain.anvil.token())))
        .value();
}

void X402Stack::mine_on() {
    chain.anvil.mine(1);
    chain.anvil.rpc("evm_setAutomine", "[true]");
}

void X402Stack::break_token() {
    const auto token = channel::to_hex(chain.anvil.token());
    const auto code = chain.anvil.rpc("eth_getCode", "[\"" + token + "\",\"latest\"]");
    token_code_ = code.substr(1, code.size() - 2);
    chain.anvil.set_code(chain.anvil.token(), "0xfe");
}

void X402Stack::mend_token() {
    chain.anvil.set_code(chain.anvil.token(), token_code_);
}

namespace {

json::object changed(json::object object, const std::string& pointer, json::value value) {
    const auto last = pointer.rfind('/');
    json::value whole = std::move(object);
    whole.at_pointer(pointer.substr(0, last)).as_object()[pointer.substr(last + 1)] =
        std::move(value);
    return whole.as_object();
}

}  // namespace

X402Stack::Object with(X402Stack::Object object, const std::string& pointer,
                       const std::string& text) {
    return changed(std::move(object), pointer, json::string(text));
}

X402Stack::Object with(X402Stack::Object object, const std::string& pointer, std::int64_t number) {
    return changed(std::move(object), pointer, number);
}

std::string reason_of(const RestAnswer& answer) {
    constexpr std::array<std::string_view, 4> kWithoutPrefix{
        "", "rate_limited", api::x402::kSettlementPending, api::x402::kX402Version};
    auto reason = answer.text("/invalidReason") + answer.text("/errorReason");
    if (reason.starts_with(api::x402::kReasonPrefix))
        return reason.substr(api::x402::kReasonPrefix.size());
    if (std::ranges::find(kWithoutPrefix, reason) == kWithoutPrefix.end())
        throw std::runtime_error(reason + " does not begin as the scheme's reasons do");
    return reason;
}

}  // namespace support
