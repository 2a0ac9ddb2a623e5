#include "api/stream/read_command.hpp"

#include "api/stream/members.hpp"

#include <algorithm>

namespace millrace::api::stream {
namespace {

/// Longer than any message that is issued, any claim id and any subscription.
constexpr std::size_t kLoginMessageLengthMax = 4096;
constexpr std::size_t kNameLengthMax = 128;

/// A string with at most `length_max` bytes of whatever kind.
std::string bounded_text(Members& params, std::string_view key, std::size_t length_max) {
    const auto given = params.text(key);
    if (given.size() > length_max)
        params.fail(
            bad_param(params.field(key), "The text is too long.", std::to_string(length_max)));
    return params.failed() ? std::string{} : std::string(given);
}

MakeClaim make_claim(Members& params) {
    MakeClaim claim;
    if (params.has("network")) claim.network = read_network(params);
    if (params.has("token")) claim.token = params.address("token");
    return claim;
}

std::optional<ledger::Topic> topic_named(std::string_view name) {
    for (const auto topic :
         {ledger::Topic::channel, ledger::Topic::payment, ledger::Topic::settlement})
        if (ledger::to_string(topic) == name) return topic;
    return std::nullopt;
}

std::vector<ledger::Topic> topics(Members& params) {
    constexpr std::string_view kExpected =
        "Expected an array of some of \"channel\", \"payment\" and \"settlement\".";
    std::vector<ledger::Topic> topics;
    const auto given = params.value("topics");
    if (!given || !given->is(Json::Kind::array) || given->begin() == given->end()) {
        params.fail(bad_param("topics", kExpected));
        return topics;
    }
    for (const auto one : *given) {
        const auto topic = one.is(Json::Kind::string) ? topic_named(one.text()) : std::nullopt;
        if (!topic)
            params.fail(bad_param("topics", kExpected));
        else if (std::find(topics.begin(), topics.end(), *topic) == topics.end())
            topics.push_back(*topic);
    }
    return topics;
}

Subscribe subscribe(Members& params) {
    Subscribe subscribe;
    subscribe.topics = topics(params);
    if (params.has("channelId")) subscribe.channel = params.fixed<channel::ChannelId>("channelId");
    if (params.has("fromSeq")) subscribe.from_seq = params.decimal("fromSeq");
    return subscribe;
}

void read(Method method, Members& params, std::optional<Json> object, const LimitsConfig& limits,
          Command& command) {
    switch (method) {
        case Method::server_info:
            command = ServerInfo{};
            return;
        case Method::auth_challenge:
            command = AskChallenge{params.address("address")};
            return;
        case Method::auth_login:
            command = read_login(params);
            return;
        case Method::channel_open:
        case Method::channel_top_up:
        case Method::channel_get:
        case Method::channel_list:
        case Method::channel_refund:
            read_channel_command(method, object, command);
            return;
        case Method::payment_pay:
        case Method::payment_authorize:
        case Method::payment_charge:
        case Method::payment_release:
            read_payment(method, object, limits, command);
            return;
        case Method::payment_accept:
            read_accept(params, limits, command);
            return;
        case Method::settlement_claim:
            command = make_claim(params);
            return;
        case Method::settlement_get:
            command = GetClaim{bounded_text(params, "claimId", kNameLengthMax)};
            return;
        case Method::events_subscribe:
            command = subscribe(params);
            return;
        case Method::events_unsubscribe:
            command = Unsubscribe{bounded_text(params, "subscription", kNameLengthMax)};
            return;
    }
}

}  // namespace

Login read_login(Members& params) {
    Login login;
    login.message = bounded_text(params, "message", kLoginMessageLengthMax);
    login.signature = bounded_text(params, "signature", kLoginMessageLengthMax);
    if (!params.has("delegation")) return login;
    auto members = params.object("delegation");
    auto& delegation = login.delegation.emplace();
    delegation.message = bounded_text(members, "message", kLoginMessageLengthMax);
    delegation.signature = bounded_text(members, "signature", kLoginMessageLengthMax);
    return login;
}

void read_command(Method method, std::optional<Json> object, const LimitsConfig& limits,
                  Command& command) {
    std::optional<Failure> wrong;
    Members params(object, {}, wrong);
    read(method, params, object, limits, command);
    if (wrong) command = std::move(*wrong);
}

}  // namespace millrace::api::stream
