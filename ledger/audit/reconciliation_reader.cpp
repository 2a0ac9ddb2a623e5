#include "ledger/audit/reconciliation_reader.hpp"

#include "channel/payer_signature.hpp"
#include "ledger/account_reader.hpp"
#include "ledger/bytea.hpp"
#include "ledger/chain/cursor.hpp"
#include "ledger/channel_store.hpp"
#include "ledger/row_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

namespace millrace::ledger {
namespace {

/// For one statement: sums over all transfers take as long as there are many.
constexpr std::chrono::minutes kPatience{10};

constexpr const char* kAssets = R"sql(
    select s.asset_id, s.network, s.token, s.symbol, s.decimals,
        coalesce(a.debits - a.credits, 0) as escrow
    from asset s left join account a on a.asset_id = s.asset_id and a.kind = 'escrow'
    where s.token <> '\x0000000000000000000000000000000000000000'
    order by s.network, s.asset_id)sql";
constexpr const char* kFirstBlock = R"sql(
    select least(
        (select min(block_number) from channel_opening where network = $1),
        (select min(block_number) from chain_event where network = $1)))sql";
constexpr const char* kClaimed = R"sql(
    select owner, credits - debits as claimed from account
    where asset_id = $1 and kind = 'claimed'
    order by owner)sql";
// The amounts are those of the events' own transfers.
constexpr const char* kPosted = R"sql(
    select e.seq, e.transaction_hash, e.log_index, e.block_number, e.block_hash, e.kind,
        e.channel_id, e.amount, e.requested_at, e.withdraw_amount,
        (select coalesce(sum(t.amount), 0) from transfer t
         where t.seq = e.seq
             and t.cause in ('deposit', 'claim', 'settle', 'withdrawal', 'refund', 'fee')) as moved
    from chain_event e
    where e.network = $1 and e.block_number between $2 and $3
        and not exists (select from chain_reversal r where r.event_seq = e.seq)
    order by e.seq)sql";
// Legs of what stands of blocks above, on the accounts that are compared as of the block; newest
// first, so that nothing falls below zero when they are taken back one by one. An entry that also
// undoes another one is that of an opening: what it undid does not stand.
constexpr const char* kLegsAhead = R"sql(
    with ahead as (
        select seq from chain_event where network = $1 and block_number > $2
        union all
        select seq from channel_opening where network = $1 and block_number > $2)
    select t.asset_id, t.debit_kind, t.debit_owner, t.credit_kind, t.credit_owner, t.amount
    from ahead a join transfer t on t.seq = a.seq
    where t.cause <> 'reversal'
        and not exists (select from chain_reversal r where r.event_seq = a.seq)
        and ('escrow' in (t.debit_kind, t.credit_kind)
             or 'claimed' in (t.debit_kind, t.credit_kind))
    order by t.seq desc, t.leg desc)sql";
constexpr const char* kChannels = R"sql(
    select {}, a.debits, a.credits, o.opening_block, o.opening_claimed, o.openings,
        d.moved_out, d.transferred, i.moved_in, p.paid
    from channel c
    left join lateral (
        select debits, credits from account
        where account.asset_id = c.asset_id and kind = 'channel' and owner = c.channel_id) a on true
    cross join lateral (
        select coalesce(sum(amount), 0) as moved_out,
            coalesce(sum(amount) filter (where cause = 'payment'), 0) as transferred
        from transfer t
        where t.asset_id = c.asset_id and debit_kind = 'channel'
            and debit_owner = c.channel_id) d
    cross join lateral (
        select coalesce(sum(amount), 0) as moved_in from transfer t
        where t.asset_id = c.asset_id and credit_kind = 'channel'
            and credit_owner = c.channel_id) i
    cross join lateral (
        select coalesce(sum(increment), 0) as paid from payment t
        where t.channel_id = c.channel_id) p
    cross join lateral (
        select max(s.block_number) as opening_block, count(*) as openings,
            (array_agg(s.total_claimed order by s.seq desc))[1] as opening_claimed
        from channel_opening s
        where s.channel_id = c.channel_id
            and not exists (select from chain_reversal r where r.event_seq = s.seq)) o
    where asset_id = any($1::int[]) and channel_id > $2::bytea and seq > 0
    order by channel_id
    limit $3)sql";
constexpr const char* kOpenings = R"sql(
    select channel_id, max(block_number) as block_number from channel_opening o
    where channel_id = any($1::bytea[])
        and not exists (select from chain_reversal r where r.event_seq = o.seq)
    group by channel_id)sql";
constexpr const char* kBalances = R"sql(
    with moved as (
        select asset_id, kind, owner, sum(debit) as debits, sum(credit) as credits
        from (select asset_id, debit_kind as kind, debit_owner as owner, amount as debit,
                  0::numeric as credit
              from transfer
              union all
              select asset_id, credit_kind, credit_owner, 0, amount from transfer) leg
        group by asset_id, kind, owner)
    select s.network, s.token, kind, owner, a.debits, a.credits, coalesce(m.debits, 0) as moved_out,
        coalesce(m.credits, 0) as moved_in, count(*) over () as total
    from account a full join moved m using (asset_id, kind, owner)
    join asset s on s.asset_id = coalesce(a.asset_id, m.asset_id)
    where a.debits is distinct from coalesce(m.debits, 0)
        or a.credits is distinct from coalesce(m.credits, 0)
    order by s.network, s.token, kind, owner
    limit $1)sql";
// What a channel is charged goes to its own receiver; what is earned is claimed by whoever earned
// it. All of these also the other way, for reversals.
constexpr const char* kDirections = R"sql(
    with leg as (
        select t.seq, t.leg, t.asset_id, t.amount, t.cause, a.kind_of, b.kind_of as kind_to,
            a.owner_of, b.owner_of as owner_to, t.debit_kind, t.credit_kind, t.debit_owner,
            t.credit_owner
        from transfer t
        cross join lateral (select least(t.debit_kind, t.credit_kind) as kind_of,
            case when t.debit_kind <= t.credit_kind then t.debit_owner
                 else t.credit_owner end as owner_of) a
        cross join lateral (select greatest(t.debit_kind, t.credit_kind) as kind_of,
            case when t.debit_kind <= t.credit_kind then t.credit_owner
                 else t.debit_owner end as owner_of) b)
    select s.network, s.token, l.seq, l.leg, l.amount, l.debit_kind, l.debit_owner, l.credit_kind,
        l.credit_owner, c.channel_id, count(*) over () as total
    from leg l
    join asset s on s.asset_id = l.asset_id
    left join channel c on l.kind_of = 'channel' and c.channel_id = l.owner_of
    where not (case
        when l.kind_of = 'channel' and l.kind_to = 'escrow' then c.asset_id = l.asset_id
        when l.kind_of = 'channel' and l.kind_to in ('earned', 'held')
            then c.asset_id = l.asset_id and c.receiver = l.owner_to
        when l.kind_of = 'claimed' then l.kind_to = 'escrow'
            or (l.kind_to = 'earned' and l.owner_of = l.owner_to)
        when l.kind_of = 'earned' then l.kind_to = 'held' and l.owner_of = l.owner_to
        else l.kind_of = 'gas' and l.kind_to = 'wallet'
    end is true)
    order by l.seq, l.leg
    limit $1)sql";
constexpr const char* kVouchers = R"sql(
    select seq, channel_id, voucher_max, signature from payment
    where seq > $1 and signature is not null
    order by seq
    limit $2)sql";
constexpr const char* kSigners = R"sql(
    select {}, (select network from asset s where s.asset_id = c.asset_id) as network,
        (select token from asset s where s.asset_id = c.asset_id) as token
    from channel c
    where channel_id = any($1::bytea[]))sql";

std::string array_of(const std::vector<std::int32_t>& numbers) {
    return fmt::format("{{{}}}", fmt::join(numbers, ","));
}

std::string array_of(const std::set<channel::ChannelId>& ids) {
    std::string text = "{";
    for (const auto& id : ids) {
        if (text.size() > 1) text += ',';
        text += "\"\\" + to_bytea(id) + '"';
    }
    return text + '}';
}

PostedLog posted_from(const pqxx::row& row) {
    PostedLog posted;
    posted.seq = row["seq"].as<std::uint64_t>();
    posted.kind = row["kind"].c_str();
    if (!row["channel_id"].is_null())
        posted.channel = from_bytea<channel::ChannelId>(row["channel_id"]);
    posted.amount = amount_column(row["amount"]);
    posted.moved = amount_column(row["moved"]);
    posted.requested_at = row["requested_at"].as<std::uint64_t>();
    posted.withdraw_amount = amount_column(row["withdraw_amount"]);
    posted.log = {from_bytea<channel::TransactionHash>(row["transaction_hash"]),
                  row["log_index"].as<std::uint32_t>(), row["block_number"].as<std::uint64_t>(),
                  from_bytea<channel::BlockHash>(row["block_hash"])};
    return posted;
}

ChannelBooks channel_from(const pqxx::row& row) {
    const auto stored = channel_from_row(row);
    ChannelBooks books;
    books.terms = *stored.terms;
    books.state = stored.state;
    books.seq = stored.seq;
    books.openings = row["openings"].as<std::uint64_t>();
    if (books.openings != 0)
        books.opening = {row["opening_block"].as<std::uint64_t>(),
                         amount_column(row["opening_claimed"])};
    if (!row["debits"].is_null()) {
        books.debits = amount_column(row["debits"]);
        books.credits = amount_column(row["credits"]);
    }
    books.moved_out = amount_column(row["moved_out"]);
    books.moved_in = amount_column(row["moved_in"]);
    books.paid = amount_column(row["paid"]);
    books.transferred = amount_column(row["transferred"]);
    return books;
}

/// What an account of what is owed had before a transfer; nothing less than nothing.
channel::Amount before(channel::Amount now, channel::Amount in, channel::Amount out) {
    const auto sum = channel::add(now, out);
    const auto left = sum ? channel::subtract(*sum, in) : sum;
    return left ? *left : channel::Amount{};
}

AccountId account_id(const pqxx::row& row, const char* kind, const char* owner) {
    return {network_column(row["network"]), from_bytea<channel::Address>(row["token"]),
            row[kind].c_str(), bytes_column(row[owner])};
}

std::string figures(const std::string& debits, const std::string& credits) {
    return fmt::format("debits {}, credits {}", debits, credits);
}

}  // namespace

ReconciliationReader::ReconciliationReader(const pqxx::connection& like)
    : connection_(like.options()), snapshot_(connection_, kPatience) {}

std::vector<NetworkBooks> ReconciliationReader::networks() {
    std::vector<NetworkBooks> networks;
    for (const auto& row : snapshot_.reading().exec(kAssets)) {
        const auto id = network_column(row["network"]);
        if (networks.empty() || networks.back().network != id)
            networks.push_back({id, {}, 0, {}, {}, {}});
        networks.back().assets.push_back(
            {row["asset_id"].as<std::int32_t>(), from_bytea<channel::Address>(row["token"]),
             row["symbol"].c_str(), row["decimals"].as<int>(), amount_column(row["escrow"])});
    }
    for (auto& network : networks) {
        const auto cursor = chain::read_cursor(snapshot_.reading(), network.network);
        if (!cursor) continue;
        network.block = BlockId{cursor->block_number, cursor->block_hash};
        const auto first =
            snapshot_.reading().exec_params1(kFirstBlock, channel::to_string(network.network));
        network.first_block =
            first[0].is_null() ? cursor->block_number : first[0].as<std::uint64_t>();
        read_claimed(network);
        read_ahead(network);
        take_back(network);
    }
    return networks;
}

void ReconciliationReader::read_claimed(NetworkBooks& network) {
    for (const auto& asset : network.assets)
        for (const auto& row : snapshot_.reading().exec_params(kClaimed, asset.id))
            network.receivers.push_back({asset.id, from_bytea<channel::Address>(row["owner"]),
                                         amount_column(row["claimed"])});
}

void ReconciliationReader::read_ahead(NetworkBooks& network) {
    constexpr auto kNoLimit = std::numeric_limits<std::int64_t>::max();
    const auto above = static_cast<std::int64_t>(network.block->number) + 1;
    for (const auto& row : snapshot_.reading().exec_params(
             kPosted, channel::to_string(network.network), above, kNoLimit)) {
        auto posted = posted_from(row);
        if (posted.channel) network.ahead[*posted.channel].push_back(std::move(posted));
    }
}

void ReconciliationReader::take_back(NetworkBooks& network) {
    for (const auto& row : snapshot_.reading().exec_params(
             kLegsAhead, channel::to_string(network.network), network.block->number)) {
        const auto asset_id = row["asset_id"].as<std::int32_t>();
        const auto amount = amount_column(row["amount"]);
        const auto moved = [&](const char* side, std::string_view kind) {
            return row[side].c_str() == kind ? amount : channel::Amount{};
        };
        for (auto& asset : network.assets)
            if (asset.id == asset_id)
                asset.escrow = before(asset.escrow, moved("debit_kind", "escrow"),
                                      moved("credit_kind", "escrow"));
        for (auto& receiver : network.receivers) {
            const auto is_of = [&](const char* side) {
                return receiver.asset_id == asset_id &&
                       to_bytea(receiver.receiver) == row[side].c_str();
            };
            const auto in =
                is_of("credit_owner") ? moved("credit_kind", "claimed") : channel::Amount{};
            const auto out =
                is_of("debit_owner") ? moved("debit_kind", "claimed") : channel::Amount{};
            receiver.claimed = before(receiver.claimed, in, out);
        }
    }
    std::erase_if(network.receivers,
                  [](const ReceiverBooks& receiver) { return receiver.claimed.is_zero(); });
}

std::vector<ChannelBooks> ReconciliationReader::channels(
    const NetworkBooks& network, const std::optional<channel::ChannelId>& after,
    std::size_t limit) {
    std::vector<std::int32_t> assets;
    for (const auto& asset : network.assets) assets.push_back(asset.id);
    // Nothing comes before the empty string.
    const auto behind = after ? to_bytea(*after) : std::string("\\x");
    static const auto statement = fmt::format(fmt::runtime(kChannels), kChannelColumns);
    std::vector<ChannelBooks> channels;
    for (const auto& row :
         snapshot_.reading().exec_params(statement, array_of(assets), behind, limit)) {
        channels.push_back(channel_from(row));
        for (const auto& asset : network.assets)
            if (asset.id == channels.back().terms.asset_id)
                channels.back().terms.config.token = asset.token;
    }
    return channels;
}

std::vector<PostedLog> ReconciliationReader::posted(channel::Network network, std::uint64_t from,
                                                    std::uint64_t to) {
    std::vector<PostedLog> events;
    for (const auto& row :
         snapshot_.reading().exec_params(kPosted, channel::to_string(network), from, to))
        events.push_back(posted_from(row));
    return events;
}

std::map<channel::ChannelId, std::uint64_t> ReconciliationReader::openings(
    const std::set<channel::ChannelId>& ids) {
    std::map<channel::ChannelId, std::uint64_t> blocks;
    if (ids.empty()) return blocks;
    for (const auto& row : snapshot_.reading().exec_params(kOpenings, array_of(ids)))
        blocks.emplace(from_bytea<channel::ChannelId>(row["channel_id"]),
                       row["block_number"].as<std::uint64_t>());
    return blocks;
}

void ReconciliationReader::check_accounts(Breaks& breaks) {
    check_balances(breaks);
    check_directions(breaks);
}

void ReconciliationReader::check_balances(Breaks& breaks) {
    std::uint64_t added = 0;
    std::uint64_t total = 0;
    for (const auto& row : snapshot_.reading().exec_params(kBalances, Breaks::kListedMax)) {
        const auto id = account_id(row, "kind", "owner");
        Break one{BreakKind::account_mismatch, id.network};
        one.token = id.token;
        if (id.kind == "channel") one.channel = from_bytea<channel::ChannelId>(row["owner"]);
        one.account = to_string(id);
        one.ledger = row["debits"].is_null()
                         ? "no account"
                         : figures(row["debits"].c_str(), row["credits"].c_str());
        one.explanation = fmt::format("Its transfers add up to {}.",
                                      figures(row["moved_out"].c_str(), row["moved_in"].c_str()));
        breaks.add(std::move(one));
        total = row["total"].as<std::uint64_t>();
        ++added;
    }
    breaks.count(BreakKind::account_mismatch, total - added);
}

void ReconciliationReader::check_directions(Breaks& breaks) {
    std::uint64_t added = 0;
    std::uint64_t total = 0;
    for (const auto& row : snapshot_.reading().exec_params(kDirections, Breaks::kListedMax)) {
        const auto debit = account_id(row, "debit_kind", "debit_owner");
        const auto credit = account_id(row, "credit_kind", "credit_owner");
        Break one{BreakKind::misdirected_transfer, debit.network};
        one.token = debit.token;
        if (!row["channel_id"].is_null())
            one.channel = from_bytea<channel::ChannelId>(row["channel_id"]);
        one.account = to_string(debit);
        one.seq = row["seq"].as<std::uint64_t>();
        one.ledger = row["amount"].c_str();
        one.explanation =
            fmt::format("Leg {} moves it to {}.", row["leg"].c_str(), to_string(credit));
        breaks.add(std::move(one));
        total = row["total"].as<std::uint64_t>();
        ++added;
    }
    breaks.count(BreakKind::misdirected_transfer, total - added);
}

std::optional<std::uint64_t> ReconciliationReader::check_vouchers(
    const std::map<channel::Network, channel::Digest>& separators, std::uint64_t after,
    std::size_t limit, Breaks& breaks) {
    const auto rows = snapshot_.reading().exec_params(kVouchers, after, limit);
    if (rows.empty()) return std::nullopt;
    std::set<channel::ChannelId> ids;
    for (const auto& row : rows) ids.insert(from_bytea<channel::ChannelId>(row["channel_id"]));
    struct Signer {
        channel::ChannelConfig config;
        channel::Network network;
        bool is_key;
    };
    std::map<channel::ChannelId, Signer> signers;
    static const auto statement = fmt::format(fmt::runtime(kSigners), kChannelColumns);
    for (const auto& row : snapshot_.reading().exec_params(statement, array_of(ids))) {
        const auto stored = channel_from_row(row);
        signers.emplace(stored.terms->id,
                        Signer{stored.terms->config, network_column(row["network"]),
                               stored.terms->voucher_signer == channel::VoucherSigner::key});
        signers.at(stored.terms->id).config.token = from_bytea<channel::Address>(row["token"]);
    }
    for (const auto& row : rows) {
        const auto id = from_bytea<channel::ChannelId>(row["channel_id"]);
        const auto signer = signers.find(id);
        if (signer == signers.end() || !signer->second.is_key) continue;
        const auto separator = separators.find(signer->second.network);
        if (separator == separators.end()) continue;
        const auto max_claimable = amount_column(row["voucher_max"]);
        if (channel::is_signed_by_payer(signer->second.config, separator->second, id, max_claimable,
                                        signature_from_bytea(row["signature"])))
            continue;
        Break one{BreakKind::bad_signature, signer->second.network};
        one.token = signer->second.config.token;
        one.channel = id;
        one.seq = row["seq"].as<std::uint64_t>();
        one.ledger = channel::to_string(max_claimable);
        one.explanation = fmt::format(
            "The payer's signature over {} is not the one that the payment has.", one.ledger);
        breaks.add(std::move(one));
    }
    return rows.back()["seq"].as<std::uint64_t>();
}

}  // namespace millrace::ledger
