#include "ledger/audit/export.hpp"

#include "ledger/audit/csv.hpp"
#include "ledger/audit/json_line.hpp"
#include "ledger/audit/stray_rows.hpp"
#include "ledger/bytea.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>

namespace millrace::ledger {
namespace {

constexpr std::uint64_t kNumbersAtOnce = 1024;
constexpr const char* kFetch = "fetch 1000 from export_rows";

constexpr const char* kAssets =
    "select network, token, name, symbol, decimals from asset order by asset_id";
constexpr const char* kChannels =
    "select c.channel_id, s.network, s.token, c.payer, c.payer_authorizer, c.receiver, "
    "c.receiver_authorizer, c.withdraw_delay_seconds, c.salt, c.app, c.voucher_signer, "
    "c.opened_at, c.status, c.balance, c.charged, c.owed, c.reserved, c.refunding, "
    "c.refunds_begun, c.signed_max, c.signature, c.total_claimed, c.withdraw_requested_at, "
    "c.refund_nonce, c.in_doubt::text as in_doubt, c.seq "
    "from channel c left join asset s on s.asset_id = c.asset_id order by c.channel_id";
constexpr const char* kReservations =
    "select channel_id, inference_id, max_amount, charged, steps from reservation "
    "order by channel_id, inference_id";
/// Behind it comes a seq.
constexpr const char* kBalancesBelow = R"sql(
    select s.network, s.token, l.kind, l.owner, sum(l.debit) as debits, sum(l.credit) as credits
    from (select asset_id, debit_kind as kind, debit_owner as owner, amount as debit,
                 0::numeric as credit, seq
          from transfer
          union all
          select asset_id, credit_kind, credit_owner, 0, amount, seq from transfer) l
    left join asset s on s.asset_id = l.asset_id
    where l.seq < )sql";
constexpr const char* kBalancesGrouped =
    " group by s.network, s.token, l.kind, l.owner order by s.network, s.token, l.kind, l.owner";
constexpr const char* kAccounts =
    "select s.network, s.token, a.kind, a.owner, a.debits, a.credits "
    "from account a left join asset s on s.asset_id = a.asset_id "
    "order by a.asset_id, a.kind, a.owner";
/// Behind it come the bounds.
constexpr const char* kPostings =
    "select t.seq, t.leg, t.at, s.network, s.token, s.symbol, t.debit_kind, t.debit_owner, "
    "t.credit_kind, t.credit_owner, t.amount, t.cause, t.first_seq, t.reverses_seq, "
    "t.reverses_leg "
    "from transfer t left join asset s on s.asset_id = t.asset_id where t.seq between ";

std::string quoted_hash(const TreeHash& hash) {
    return '"' + channel::to_hex(hash) + '"';
}

void append_rows(std::string& out, const JournalNumber& number, JsonLine& line) {
    for (const auto table : journal_tables()) {
        std::string list;
        for (const auto& row : number.rows) {
            if (row.table != table) continue;
            list += list.empty() ? '[' : ',';
            JsonLine object(list);
            object.row(row).end();
        }
        if (!list.empty()) line.json(list_of(table), list + ']');
    }
    line.end();
    out += '\n';
}

void append_head(std::string& out, std::string_view type, std::string_view lists,
                 const StoredHead& head) {
    JsonLine line(out, type);
    line.text("size", std::to_string(head.size))
        .text("root", channel::to_hex(head.root))
        .text("note", head.note);
    out += lists;
    line.end();
    out += '\n';
}

std::string hashes_of(TileReader& tiles, std::uint64_t begin, std::uint64_t end) {
    std::string list = "[";
    for (const auto& node : perfect_subtrees(begin, end)) {
        if (list.size() > 1) list += ',';
        list += quoted_hash(tiles.read(node));
    }
    return list + ']';
}

void append_csv(std::string& out, std::string_view value, char end) {
    append_csv_field(out, value);
    out += end;
}

/// As account ids are written: chain id, token, kind, owner.
std::string account_text(const pqxx::row& row, const char* kind, const char* owner) {
    const auto hex = [](const pqxx::field& bytea) {
        return "0x" + std::string(bytea.c_str() + std::min<std::size_t>(2, bytea.size()));
    };
    std::string network = row["network"].c_str();
    network = network.substr(network.find(':') + 1);
    auto text = network + ':' + hex(row["token"]) + ':' + row[kind].c_str();
    const auto whose = hex(row[owner]);
    return whose.size() > 2 ? text + ':' + whose : text;
}

}  // namespace

std::string_view wrong_bound(const ExportScope& scope, std::uint64_t seq) {
    // Of empty books there is an export too, from 1.
    if (scope.from == 0 || scope.from > std::max<std::uint64_t>(seq, 1)) return "from";
    if (scope.to && (*scope.to < scope.from || *scope.to > seq)) return "to";
    return {};
}

void Export::Release::operator()(EVP_MD_CTX* context) const {
    EVP_MD_CTX_free(context);
}

Export::Export(pqxx::transaction_base& reading, std::uint64_t seq, ExportScope scope,
               ExportContext context)
    : reading_(reading),
      scope_(scope),
      context_(std::move(context)),
      seq_(seq),
      to_(scope.to.value_or(seq)),
      head_(newest_head(reading_)),
      steps_(steps_of(scope.format)),
      next_number_(scope.from),
      digest_(EVP_MD_CTX_new()) {
    if (EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not available");
}

Export::~Export() = default;

std::vector<Export::Step> Export::steps_of(ExportFormat format) {
    if (format == ExportFormat::csv) return {&Export::csv_header, &Export::csv_postings};
    return {&Export::header,       &Export::assets,           &Export::channels,
            &Export::reservations, &Export::opening_balances, &Export::strays,
            &Export::entries,      &Export::accounts,         &Export::proof,
            &Export::trailer};
}

std::string Export::next() {
    std::string out;
    while (out.empty() && step_ < steps_.size())
        if (!(this->*steps_[step_])(out)) ++step_;
    count(out);
    return out;
}

void Export::count(const std::string& text) {
    lines_ += static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
    EVP_DigestUpdate(digest_.get(), text.data(), text.size());
}

std::string Export::digest() const {
    const std::unique_ptr<EVP_MD_CTX, Release> copy(EVP_MD_CTX_new());
    TreeHash digest;
    if (EVP_MD_CTX_copy_ex(copy.get(), digest_.get()) != 1 ||
        EVP_DigestFinal_ex(copy.get(), digest.bytes.data(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not available");
    return channel::to_hex(digest).substr(2);
}

bool Export::header(std::string& out) {
    JsonLine line(out, "header");
    line.text("format", kExportForm)
        .text("from", std::to_string(scope_.from))
        .text("to", std::to_string(to_))
        .text("seq", std::to_string(seq_))
        .text("at", to_rfc3339(context_.at))
        .text("origin", context_.origin)
        .text("key", context_.key)
        .end();
    out += '\n';
    return false;
}

bool Export::assets(std::string& out) {
    for (const auto& row : reading_.exec(kAssets)) {
        JsonLine line(out, "asset");
        line.column("network", row[0])
            .bytes("token", row[1])
            .column("name", row[2])
            .column("symbol", row[3])
            .json("decimals", row[4].c_str());
        const auto contract = context_.contracts.find(row[0].c_str());
        if (contract != context_.contracts.end())
            line.text("contract", channel::to_hex(contract->second));
        line.end();
        out += '\n';
    }
    return false;
}

/// True while there may be more rows.
bool Export::from_cursor(const std::string& query, std::string& out,
                         void (Export::*write)(const pqxx::row&, std::string&)) {
    if (!cursor_is_open_) reading_.exec("declare export_rows no scroll cursor for " + query);
    cursor_is_open_ = true;
    const auto rows = reading_.exec(kFetch);
    for (const auto& row : rows) (this->*write)(row, out);
    if (!rows.empty()) return true;
    reading_.exec("close export_rows");
    cursor_is_open_ = false;
    return false;
}

bool Export::channels(std::string& out) {
    return from_cursor(kChannels, out, &Export::write_channel);
}

void Export::write_channel(const pqxx::row& row, std::string& out) {
    std::string config;
    JsonLine members(config);
    members.bytes("payer", row["payer"])
        .bytes("payerAuthorizer", row["payer_authorizer"])
        .bytes("receiver", row["receiver"])
        .bytes("receiverAuthorizer", row["receiver_authorizer"])
        .bytes("token", row["token"])
        .json("withdrawDelay", row["withdraw_delay_seconds"].c_str())
        .bytes("salt", row["salt"])
        .end();
    JsonLine line(out, "channel");
    line.bytes("channelId", row["channel_id"])
        .column("network", row["network"])
        .bytes("token", row["token"])
        .json("config", config)
        .column("app", row["app"])
        .column("voucherSigner", row["voucher_signer"])
        .time("openedAt", row["opened_at"].c_str())
        .column("status", row["status"])
        .column("balance", row["balance"])
        .column("charged", row["charged"])
        .column("owed", row["owed"])
        .column("reserved", row["reserved"])
        .column("refunding", row["refunding"])
        .column("refundsBegun", row["refunds_begun"])
        .column("signedMax", row["signed_max"])
        .bytes("signature", row["signature"])
        .column("totalClaimed", row["total_claimed"])
        .column("withdrawRequestedAt", row["withdraw_requested_at"])
        .column("refundNonce", row["refund_nonce"])
        .column("inDoubt", row["in_doubt"])
        .column("seq", row["seq"])
        .end();
    out += '\n';
}

bool Export::reservations(std::string& out) {
    return from_cursor(kReservations, out, &Export::write_reservation);
}

void Export::write_reservation(const pqxx::row& row, std::string& out) {
    JsonLine line(out, "reservation");
    line.bytes("channelId", row[0])
        .column("inferenceId", row[1])
        .column("maxAmount", row[2])
        .column("charged", row[3])
        .column("steps", row[4])
        .end();
    out += '\n';
}

bool Export::opening_balances(std::string& out) {
    if (scope_.from <= 1) return false;
    return from_cursor(kBalancesBelow + std::to_string(scope_.from) + kBalancesGrouped, out,
                       &Export::write_opening_balance);
}

void Export::write_opening_balance(const pqxx::row& row, std::string& out) {
    write_balance("opening_balance", row, out);
}

void Export::write_balance(std::string_view type, const pqxx::row& row, std::string& out) {
    JsonLine line(out, type);
    line.column("network", row["network"])
        .bytes("token", row["token"])
        .column("kind", row["kind"])
        .bytes("owner", row["owner"])
        .column("debits", row["debits"])
        .column("credits", row["credits"])
        .end();
    out += '\n';
}

/// Of every range: what has no number is in none of them.
bool Export::strays(std::string& out) {
    return from_cursor(stray_rows(seq_), out, &Export::write_stray);
}

void Export::write_stray(const pqxx::row& row, std::string& out) {
    JsonLine line(out, "stray");
    line.column("table", row[0]).column("seq", row[1]).column("key", row[2]).end();
    out += '\n';
}

bool Export::entries(std::string& out) {
    if (next_number_ > to_) return false;
    const auto last = std::min(to_, next_number_ + kNumbersAtOnce - 1);
    const auto leaves = leaf_hashes(reading_, next_number_, last);
    const auto heads = heads_between(reading_, next_number_, last);
    auto head = heads.begin();
    const auto page = read_journal(reading_, next_number_, last);
    for (const auto& number : page.numbers) {
        JsonLine line(out, "entry");
        line.text("seq", std::to_string(number.seq));
        if (const auto at = number.seq - next_number_; at < leaves.size())
            line.text("leaf", channel::to_hex(leaves[at]));
        append_rows(out, number, line);
        for (; head != heads.end() && head->size == number.seq; ++head)
            append_head(out, "checkpoint", "", *head);
    }
    next_number_ = last + 1;
    return true;
}

bool Export::accounts(std::string& out) {
    if (to_ != seq_) return false;
    return from_cursor(kAccounts, out, &Export::write_account);
}

void Export::write_account(const pqxx::row& row, std::string& out) {
    write_balance("account", row, out);
}

bool Export::proof(std::string& out) {
    const auto head = head_.value_or(StoredHead{});
    std::string left = "[]";
    std::string right = "[]";
    try {
        TileReader tiles(reading_);
        left = hashes_of(tiles, 0, std::min(scope_.from - 1, head.size));
        right = hashes_of(tiles, std::min(to_, head.size), head.size);
    } catch (const std::runtime_error&) {
        // A damaged tree proves nothing, which is what its verifier is to find.
    }
    append_head(out, "proof", ",\"left\":" + left + ",\"right\":" + right, head);
    return false;
}

bool Export::trailer(std::string& out) {
    JsonLine line(out, "trailer");
    line.json("lines", std::to_string(lines_)).text("sha256", digest()).end();
    out += '\n';
    return false;
}

bool Export::csv_header(std::string& out) {
    out += "seq,leg,at,network,token,symbol,debit,credit,amount,cause,first_seq,reverses\r\n";
    return false;
}

bool Export::csv_postings(std::string& out) {
    return from_cursor(kPostings + std::to_string(scope_.from) + " and " + std::to_string(to_) +
                           " order by t.seq, t.leg",
                       out, &Export::write_posting);
}

void Export::write_posting(const pqxx::row& row, std::string& out) {
    const auto micros = parse_time(row["at"].c_str());
    append_csv(out, row["seq"].c_str(), ',');
    append_csv(out, row["leg"].c_str(), ',');
    append_csv(out, micros ? to_rfc3339(Time(std::chrono::microseconds(*micros))) : "", ',');
    append_csv(out, row["network"].c_str(), ',');
    append_csv(out, "0x" + std::string(row["token"].c_str() + 2), ',');
    append_csv(out, row["symbol"].c_str(), ',');
    append_csv(out, account_text(row, "debit_kind", "debit_owner"), ',');
    append_csv(out, account_text(row, "credit_kind", "credit_owner"), ',');
    append_csv(out, row["amount"].c_str(), ',');
    append_csv(out, row["cause"].c_str(), ',');
    append_csv(out, row["first_seq"].c_str(), ',');
    const bool is_reversal = !row["reverses_seq"].is_null();
    const auto reverses =
        is_reversal ? std::string(row["reverses_seq"].c_str()) + ':' + row["reverses_leg"].c_str()
                    : std::string();
    append_csv(out, reverses, '\r');
    out += '\n';
}

}  // namespace millrace::ledger
