#include "api/stream/members.hpp"
#include "api/stream/read_command.hpp"
#include "channel/uint256.hpp"

namespace millrace::api::stream {
namespace {

constexpr std::size_t kAppLengthMax = 256;
constexpr std::size_t kPageMax = 1000;
constexpr std::size_t kWordDigits = 64;

channel::Network network(Members& params) {
    const auto given = params.text("network");
    if (params.failed()) return {};
    const auto parsed = channel::parse_network(given);
    if (!parsed) params.fail("network", parsed.error());
    return parsed ? *parsed : channel::Network{};
}

channel::ChannelConfig channel_config(Members& params) {
    auto members = params.object("channelConfig");
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

/// A uint256 as clients of x402 write it: decimal, or hex with or without leading zeros.
channel::Word word(Members& members, std::string_view key) {
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
    authorization.valid_after = word(members, "validAfter");
    authorization.valid_before = word(members, "validBefore");
    authorization.salt = word(members, "salt");
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
    authorization.nonce = word(members, "nonce");
    authorization.deadline = word(members, "deadline");
    auto witness = members.object("witness");
    authorization.channel_id = witness.fixed<channel::ChannelId>("channelId");
    witness.refuse_others({"channelId"});
    authorization.signature = signature(members);
    members.refuse_others(
        {"from", "permitted", "spender", "nonce", "deadline", "witness", "signature"});
    return authorization;
}

GaslessDeposit deposit(Members& params) {
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

OpenAChannel open_channel(Members& params) {
    OpenAChannel open;
    open.network = network(params);
    open.config = channel_config(params);
    open.app = params.optional_text("app", kAppLengthMax);
    if (params.has("deposit")) open.deposit = deposit(params);
    return open;
}

ListChannels list_channels(Members& params) {
    ListChannels list;
    if (params.has("cursor")) list.cursor = params.fixed<channel::ChannelId>("cursor");
    if (!params.has("limit")) return list;
    list.limit = params.number("limit");
    if (list.limit == 0 || list.limit > kPageMax)
        params.fail(
            bad_param("limit", "A page holds from 1 to the limit.", std::to_string(kPageMax)));
    return list;
}

AskForRefund ask_for_refund(Members& params) {
    AskForRefund ask{params.fixed<channel::ChannelId>("channelId"), {}};
    if (params.has("amount")) ask.asked.amount = params.amount("amount");
    ask.asked.voucher = read_voucher(params, ask.channel);
    return ask;
}

}  // namespace

void read_channel_command(Method method, std::optional<Json> object, Command& command) {
    std::optional<Failure> wrong;
    Members params(object, {}, wrong);
    if (method == Method::channel_open) {
        command = open_channel(params);
    } else if (method == Method::channel_top_up) {
        const auto id = params.fixed<channel::ChannelId>("channelId");
        command = TopUp{id, deposit(params)};
    } else if (method == Method::channel_get) {
        command = GetChannel{params.fixed<channel::ChannelId>("channelId")};
    } else if (method == Method::channel_refund) {
        command = ask_for_refund(params);
    } else {
        command = list_channels(params);
    }
    if (wrong) command = std::move(*wrong);
}

}  // namespace millrace::api::stream
