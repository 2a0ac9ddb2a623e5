#include "api/cli/channel_refund.hpp"

#include "api/chain/key_file.hpp"
#include "api/cli/http_client.hpp"
#include "api/cli/service_client.hpp"
#include "api/cli/stream_client.hpp"
#include "api/cli/table.hpp"
#include "channel/address.hpp"
#include "channel/amount.hpp"
#include "channel/config.hpp"
#include "channel/eip712.hpp"
#include "channel/error.hpp"
#include "channel/hex.hpp"
#include "channel/network.hpp"
#include "channel/secp256k1.hpp"
#include "channel/voucher.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace millrace::api {
namespace {

namespace json = boost::json;

struct RefundOptions {
    std::shared_ptr<ServiceOptions> service;
    std::string channel;
    /// In base units; empty: all that is unspent.
    std::string amount;
};

std::string text(const json::value& object, std::string_view key) {
    return std::string(object.at(key).as_string());
}

channel::Address address(const json::value& object, std::string_view key) {
    return channel::parse_address(text(object, key)).value();
}

/// A channel as the service shows it, with what has to be trusted of that recomputed.
struct ShownChannel {
    channel::ChannelId id;
    channel::ChannelConfig config;
    channel::Digest separator;
    channel::Amount charged;
    channel::Amount signed_max;
    std::string signature;
};

ShownChannel shown(const json::value& channel_of) {
    const auto& config = channel_of.at("config");
    const auto network = channel::parse_network(text(channel_of, "network")).value();
    ShownChannel made;
    made.separator = channel::domain_separator(
        channel::escrow_domain(network.chain_id, address(channel_of, "contract")));
    made.config = {address(config, "payer"),
                   address(config, "payerAuthorizer"),
                   address(config, "receiver"),
                   address(config, "receiverAuthorizer"),
                   address(config, "token"),
                   config.at("withdrawDelay").to_number<std::uint64_t>(),
                   channel::parse_fixed<channel::Salt>(text(config, "salt")).value()};
    made.id = channel::channel_id(made.separator, made.config);
    made.charged = channel::parse_amount(text(channel_of, "chargedCumulativeAmount")).value();
    made.signed_max = channel::parse_amount(text(channel_of, "signedMaxClaimable")).value();
    if (!made.signed_max.is_zero()) made.signature = text(channel_of, "signature");
    return made;
}

channel::Digest voucher_digest(const ShownChannel& channel_of, channel::Amount max_claimable) {
    return channel::digest(channel_of.separator, channel::Voucher{channel_of.id, max_claimable});
}

/// The voucher of a refund is for what the service says was charged. It may be signed only if this
/// key has signed for as much before: then it promises nothing new.
void check_nothing_new(const ShownChannel& channel_of, const channel::Address& signer) {
    if (channel_of.charged.is_zero()) return;
    const auto bytes = channel::parse_hex(channel_of.signature);
    const auto signature = bytes ? channel::parse_signature(*bytes)
                                 : channel::Result<channel::Signature>(bytes.error());
    const auto key =
        signature ? channel::recover(voucher_digest(channel_of, channel_of.signed_max), *signature)
                  : channel::Result<channel::PublicKey>(signature.error());
    if (key && channel::address_of(*key) == signer && channel_of.charged <= channel_of.signed_max)
        return;
    throw CommandError(fmt::format(
        "the service says that {} is charged, and shows no voucher of this key for as much: not "
        "signed.\nThe payer can withdraw on chain without the service.",
        channel::to_string(channel_of.charged)));
}

json::object refund_params(const RefundOptions& options, const ShownChannel& channel_of,
                           const channel::SecretKey& key) {
    const auto signature = key.sign(voucher_digest(channel_of, channel_of.charged));
    json::object params{
        {"channelId", channel::to_hex(channel_of.id)},
        {"voucher", json::object{{"maxClaimableAmount", channel::to_string(channel_of.charged)},
                                 {"signature", channel::to_hex(signature)}}}};
    if (!options.amount.empty()) params["amount"] = options.amount;
    return params;
}

/// Why there is no refund, in words that are about this command.
std::string explained(const StreamRefusal& refusal) {
    if (refusal.reason == channel::reason(channel::Error::refund_no_balance))
        return "nothing is left in this channel to take back: what was not charged or reserved is "
               "refunded already";
    if (refusal.reason == channel::reason(channel::Error::channel_busy))
        return "another refund of this channel is on its way; millrace channel show says when it "
               "is through";
    return refusal.what();
}

json::object hand_in(const StreamAddress& address, const std::string& token,
                     const std::string& params) {
    StreamClient stream(address, token);
    try {
        return stream.call("channel.refund", params);
    } catch (const StreamRefusal& refusal) {
        throw CommandError(explained(refusal));
    }
}

int refund(const RefundOptions& options) {
    const auto& reached = *options.service;
    const auto url = parse_url(reached.url);
    if (url.tls) throw CommandError("--url: channel refund needs http:// for the stream");
    const auto key = read_key_file("--key", reached.key_file);
    const ServiceClient service(reached);
    const auto answer = service.get("/v1/channels/" + escaped(options.channel));
    if (text(answer.value, "status") == "closed")
        throw CommandError("this channel is closed: nothing is left in it to take back");
    const auto found = shown(answer.value);
    const auto wanted = channel::parse_fixed<channel::ChannelId>(options.channel);
    if (!wanted || found.id != *wanted)
        throw CommandError("the service shows another channel than the one asked for: not signed");
    if (channel::voucher_signer(found.config) != key.address())
        throw CommandError(
            fmt::format("vouchers of this channel are signed by {}, not by --key",
                        channel::to_checksum(channel::voucher_signer(found.config))));
    check_nothing_new(found, key.address());
    const auto sent = hand_in({url.host, url.port}, service.token(),
                              json::serialize(refund_params(options, found, key)));
    if (reached.json) {
        fmt::print("{}\n", json::serialize(sent));
        return kExitDone;
    }
    Table table({{"channel"}, {text(sent, "channelId")}});
    table.add({"amount", text(sent, "amount") + " base units"});
    table.add({"transaction", text(sent, "transaction")});
    fmt::print("{}", table.text());
    return kExitDone;
}

}  // namespace

void add_channel_refund(CLI::App& parent, Action& action) {
    auto* command = parent.add_subcommand(
        "refund", "As a payer: take unspent money back, what is charged being claimed first");
    const auto options = std::make_shared<RefundOptions>();
    options->service = add_service_options(*command, Audience::parties);
    command->get_option("--key")->description("The payer's key, which signs")->required();
    // A token signs nothing, and a delegate is no payer.
    for (const auto* name : {"--token", "--delegation-file"})
        command->remove_option(command->get_option(name));
    command->add_option("channel", options->channel, "Its id")->required()->type_name("CHANNEL");
    command->add_option("--amount", options->amount,
                        "So many base units; without it all that is neither charged nor reserved");
    command->footer("Example:\n  millrace channel refund 0x… --amount 250000 --key app.key");
    command->callback([&action, options] { action = [options] { return refund(*options); }; });
}

}  // namespace millrace::api
