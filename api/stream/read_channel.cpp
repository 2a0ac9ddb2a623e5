#include "api/stream/members.hpp"
#include "api/stream/read_command.hpp"
#include "api/stream/x402_members.hpp"

namespace millrace::api::stream {
namespace {

constexpr std::size_t kAppLengthMax = 256;
constexpr std::size_t kPageMax = 1000;

OpenAChannel open_channel(Members& params) {
    OpenAChannel open;
    open.network = read_network(params);
    open.config = read_channel_config(params, "channelConfig");
    open.app = params.optional_text("app", kAppLengthMax);
    if (params.has("deposit")) open.deposit = read_deposit(params);
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

channel::Network read_network(Members& params) {
    const auto given = params.text("network");
    if (params.failed()) return {};
    const auto parsed = channel::parse_network(given);
    if (!parsed) params.fail("network", parsed.error());
    return parsed ? *parsed : channel::Network{};
}

void read_channel_command(Method method, std::optional<Json> object, Command& command) {
    std::optional<Failure> wrong;
    Members params(object, {}, wrong);
    if (method == Method::channel_open) {
        command = open_channel(params);
    } else if (method == Method::channel_top_up) {
        const auto id = params.fixed<channel::ChannelId>("channelId");
        command = TopUp{id, read_deposit(params)};
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
