#include "api/stream/x402_members.hpp"

#include "channel/uint256.hpp"

namespace millrace::api::stream {
namespace {

constexpr std::size_t kWordDigits = 64;

/// Its length is for the token or Permit2 to judge: wallets that are contracts sign in their own
/// ways.
channel::Bytes signature(Members& authorization) {
    const auto given = authorization.text("signature");
    if (authorization.failed()) return {};
    auto bytes = channel::parse_hex(given);
    if (!bytes) authorization.fail("signature", bytes.error());
    return bytes ? std::move(*bytes) : channel::Bytes{};
}

ledger::chain::Erc3009Authorization erc3009_authorization(Members& wrapper) {
    auto members = wrapper.object("erc3009Authorization");
    ledger::chain::Erc3009Authorization authorization;
    authorization.valid_after = read_word(members, "validAfter");
    authorization.valid_before = read_word(members, "validBefore");
    authorization.salt = read_word(members, "salt");
    authorization.signature = signature(members);
    members.refuse_others({"validAfter", "validBefore", "salt", "signature"});
    return authorization;
}

ledger::chain::Permit2Authorization permit2_authorization(Members& wrapper) {
    auto members = wrapper.object("permit2Authorization");
    ledger::chain::Permit2Authorization authorization;
    authorization.from = members.address("from");
    auto permitted = members.object("permitted");
    authorization.token = permitted.address("token");
    authorization.amount = permitted.amount("amount");
    permitted.refuse_others({"token", "amount"});
    authorization.spender = members.address("spender");
    authorization.nonce = read_word(members, "nonce");
    authorization.deadline = read_word(members, "deadline");
    auto witness = members.object("witness");
    authorization.channel_id = witness.fixed<channel::ChannelId>("channelId");
    witness.refuse_others({"channelId"});
    authorization.signature = signature(members);
    members.refuse_others(
        {"from", "permitted", "spender", "nonce", "deadline", "witness", "signature"});
    return authorization;
}

}  // namespace

channel::ChannelConfig read_channel_config(Members& params, std::string_view key) {
    auto members = params.object(key);
    channel::ChannelConfig config;
    config.payer = members.address("payer");
    config.payer_authorizer = members.address("payerAuthorizer");
    config.receiver = members.address("receiver");
    config.receiver_authorizer = members.address("receiverAuthorizer");
    config.token = members.address("token");
    config.withdraw_delay_seconds = members.number("withdrawDelay");
    config.salt = members.fixed<channel::Salt>("salt");
    members.refuse_others({"payer", "payerAuthorizer", "receiver", "receiverAuthorizer", "token",
                           "withdrawDelay", "salt"});
    return config;
}

channel::Word read_word(Members& members, std::string_view key) {
    const auto given = members.text(key);
    if (members.failed()) return {};
    channel::Result<channel::Word> parsed = channel::Error::wrong_length;
    if (!given.starts_with("0x")) {
        parsed = channel::parse_uint256(given);
    } else if (given.size() > 2 && given.size() <= 2 + kWordDigits) {
        const auto digits = given.substr(2);
        parsed = channel::parse_fixed<channel::Word>(
            "0x" + std::string(kWordDigits - digits.size(), '0') + std::string(digits));
    }
    if (!parsed)
        members.fail(
            bad_param(members.field(key), static_cast<channel::Error>(parsed.error().value())));
    return parsed ? *parsed : channel::Word{};
}

GaslessDeposit read_deposit(Members& params) {
    auto members = params.object("deposit");
    GaslessDeposit deposit;
    deposit.amount = members.positive_amount("amount");
    auto wrapper = members.object("authorization");
    if (members.failed()) return deposit;
    const bool by_permit2 = wrapper.has("permit2Authorization");
    const bool by_erc3009 = wrapper.has("erc3009Authorization");
    if (by_permit2 && by_erc3009)
        wrapper.fail(bad_param(members.field("authorization"),
                               "A deposit carries one authorization, not two."));
    else if (by_permit2)
        deposit.authorization = permit2_authorization(wrapper);
    else if (by_erc3009)
        deposit.authorization = erc3009_authorization(wrapper);
    else
        wrapper.fail(failure(channel::Error::erc3009_authorization_required));
    return deposit;
}

}  // namespace millrace::api::stream
