#include "api/stream/party_methods.hpp"

#include "api/chain/chain_service.hpp"
#include "api/database.hpp"
#include "api/stream/render.hpp"
#include "channel/hex.hpp"
#include "ledger/channel_reader.hpp"

namespace millrace::api::stream {

using channel::Error;

namespace {

template <class T>
Reply reply_of(const ChainService::Outcome<T>& outcome) {
    if (const auto* refusal = std::get_if<channel::Refusal>(&outcome)) return failure(*refusal);
    return render(std::get<T>(outcome));
}

bool is_party(const channel::ChannelConfig& config, const Party& party) {
    return ledger::is_provider_side(config, party.address) ||
           (!party.is_delegate && ledger::is_payer_side(config, party.address));
}

Task<std::optional<ledger::ChannelRecord>> read(Database& database, channel::ChannelId id) {
    // Named: GCC 12 destroys a temporary with captures twice when it is awaited.
    const auto work = [id](pqxx::connection& connection) {
        return ledger::read_channel(connection, id);
    };
    co_return co_await database.run(work);
}

std::optional<Failure> not_for(const std::optional<ledger::ChannelRecord>& record,
                               const Party& party) {
    if (!record) return failure(Error::channel_unknown);
    if (!is_party(record->terms.config, party)) return failure(Error::forbidden);
    return std::nullopt;
}

}  // namespace

Task<Reply> open_channel(const Services& services, channel::Address caller, OpenAChannel asked) {
    if (!ledger::is_payer_side(asked.config, caller)) co_return failure(Error::forbidden);
    const auto opened = co_await services.chain.open(
        asked.network, asked.config, std::move(asked.app), std::move(asked.deposit));
    co_return reply_of(opened);
}

Task<Reply> top_up(const Services& services, channel::Address caller, TopUp asked) {
    const auto topped_up =
        co_await services.chain.top_up(asked.channel, caller, std::move(asked.deposit));
    co_return reply_of(topped_up);
}

Task<Reply> get_channel(const Services& services, Party party, GetChannel asked) {
    const auto record = co_await read(services.database, asked.channel);
    if (auto why = not_for(record, party)) co_return std::move(*why);
    const auto asset = services.assets.find(record->terms.asset_id);
    if (asset == services.assets.end()) co_return failure(Error::channel_unknown);
    std::string out;
    append_channel_with_reservations(out, *record, asset->second);
    co_return out;
}

Task<Reply> list_channels(const Services& services, channel::Address caller, ListChannels asked) {
    // One more than asked for tells whether there is a next page.
    const ledger::ChannelQuery query{caller, asked.cursor, asked.limit + 1};
    const auto work = [query](pqxx::connection& connection) {
        return ledger::list_channels(connection, query);
    };
    auto records = co_await services.database.run(work);
    const bool more = records.size() > asked.limit;
    if (more) records.resize(asked.limit);
    std::string out = R"({"channels":[)";
    for (const auto& record : records) {
        const auto asset = services.assets.find(record.terms.asset_id);
        if (asset == services.assets.end()) continue;
        if (out.back() != '[') out += ',';
        append_channel(out, record, asset->second);
    }
    out += ']';
    if (more) out += R"(,"nextCursor":")" + channel::to_hex(records.back().terms.id) + '"';
    out += '}';
    co_return out;
}

Task<Reply> refund(const Services& services, Party party, AskForRefund asked) {
    if (party.is_delegate) {
        const auto record = co_await read(services.database, asked.channel);
        if (auto why = not_for(record, party)) co_return std::move(*why);
    }
    const auto sent = co_await services.chain.refund(asked.channel, party.address, asked.asked);
    co_return reply_of(sent);
}

Task<Reply> make_claim(const Services& services, channel::Address caller, MakeClaim asked) {
    const auto claim = co_await services.chain.claim(caller, asked.network, asked.token);
    co_return reply_of(claim);
}

Task<Reply> get_claim(const Services& services, channel::Address caller, GetClaim asked) {
    const auto claim = co_await services.chain.get_claim(std::move(asked.claim_id), caller);
    if (const auto* refusal = std::get_if<channel::Refusal>(&claim);
        refusal && refusal->error == Error::invalid_params)
        co_return bad_param("claimId", "There is no claim of that id.");
    co_return reply_of(claim);
}

Task<Reply> check_party(const Services& services, Party party, channel::ChannelId channel) {
    const auto record = co_await read(services.database, channel);
    if (auto why = not_for(record, party)) co_return std::move(*why);
    co_return std::string{};
}

}  // namespace millrace::api::stream
