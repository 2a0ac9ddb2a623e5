#include "tests/support/tampering.hpp"

#include "ledger/proof/journal.hpp"
#include "ledger/proof/sealer.hpp"
#include "tests/support/journal_history.hpp"

#include <algorithm>
#include <iterator>

namespace support {
namespace {

struct Column {
    std::string table;
    std::string name;
    /// numeric, bytea, text, timestamptz or date.
    std::string type;
};

using Transaction = pqxx::transaction_base;

class Hand {
public:
    Hand(Transaction& transaction, std::mt19937_64& random)
        : transaction_(transaction), random_(random) {}

    Tampering edit_journal() {
        const auto row = journal_row();
        const auto columns = columns_of(row.table);
        const auto& column = columns[below(columns.size())];
        change(row.table, "ctid = '" + row.ctid + "' and tableoid = " + row.oid, column);
        return {"edit " + row.table + "." + column.name, row.seq, {}};
    }

    Tampering delete_journal() {
        const auto row = journal_row();
        exec("delete from " + row.table + " where " + row.place());
        return {"delete from " + row.table, row.seq, {}};
    }

    /// A copy of a row under another number.
    Tampering insert_journal() {
        const auto row = journal_row();
        const auto seq = some_seq();
        const auto at = std::to_string(seq);
        exec("create temp table copied on commit drop as select * from " + row.table + " where " +
             row.place());
        exec("update copied set seq = " + at);
        if (row.table == "payment") exec("update copied set inference_id = 'forged-' || seq");
        if (row.table == "transfer") exec("update copied set leg = leg + 7");
        if (row.table == "chain_event") exec("update copied set log_index = log_index + 7");
        if (row.table == "chain_reversal") exec("update copied set event_seq = event_seq + 1");
        if (row.table == "event") exec("delete from event where seq = " + at);
        exec("insert into " + row.table + " select * from copied");
        return {"insert into " + row.table, seq, {}};
    }

    /// A copy of a row under a number that was never given out, where no entry has it.
    Tampering insert_stray() {
        const bool is_head = below(8) == 0;
        const auto row = is_head ? Row{"log_checkpoint", {}, {}, 0} : journal_row();
        const auto number = is_head ? "size" : "seq";
        const auto last = rows("select last_seq from commit_sequence")[0][0].as<std::int64_t>();
        const auto way = below(is_head ? 3 : 4);
        const auto away = static_cast<std::int64_t>(below(1000));
        const auto seq = way == 0 ? last + 1 : way == 1 ? last + 2 + away : -away;
        const auto text = std::to_string(seq);
        exec("create temp table strayed on commit drop as select * from " + row.table +
             (is_head ? " order by size limit 1" : " where " + row.place()));
        exec("update strayed set " + std::string(number) + " = " + (way == 3 ? "null" : text));
        exec("insert into " + row.table + " select * from strayed");
        const auto name = way == 3 ? "no number: " : "number " + text + ": ";
        const auto where = way < 2 ? " above" : way == 2 ? " below" : " without";
        return {"insert into " + row.table + where + " all numbers",
                way < 2 ? std::uint64_t(seq) : 0,
                {name}};
    }

    /// Two rows of a channel change their places.
    Tampering reorder() {
        const auto found = rows(
            "select a.seq, b.seq from payment a join payment b on "
            "a.channel_id = b.channel_id and a.seq < b.seq "
            "order by a.seq, b.seq");
        const auto& pair = found[below(found.size())];
        const auto first = pair[0].as<std::string>();
        const auto second = pair[1].as<std::string>();
        exec("update payment set seq = case seq when " + first + " then " + second + " else " +
             first + " end where seq in (" + first + ", " + second + ")");
        return {"reorder payments", pair[0].as<std::uint64_t>(), {}};
    }

    /// Everything from a number on moves up by one, and the gap stays.
    Tampering shift() {
        const auto from = some_seq();
        for (const auto table : ledger::journal_tables())
            exec("update " + std::string(ledger::to_string(table)) +
                 " set seq = seq + 1 where seq >= " + std::to_string(from));
        exec("update commit_sequence set last_seq = last_seq + 1");
        return {"shift all numbers", from, {}};
    }

    Tampering partition() {
        const auto found = rows(
            "select c.relname, p.relname from pg_inherits i join pg_class c on c.oid = "
            "i.inhrelid join pg_class p on p.oid = i.inhparent where p.relname in ('payment', "
            "'transfer') and c.relkind = 'r' and exists (select from pg_class)");
        std::vector<std::pair<std::string, std::string>> filled;
        for (const auto& row : found)
            if (!rows("select 1 from " + row[0].as<std::string>() + " limit 1").empty())
                filled.emplace_back(row[0].as<std::string>(), row[1].as<std::string>());
        const auto& [name, parent] = filled[below(filled.size())];
        const auto first = rows("select min(seq) from " + name)[0][0].as<std::uint64_t>();
        switch (below(3)) {
            case 0:
                exec("alter table " + parent + " detach partition " + name);
                return {"detach " + name, first, {}};
            case 1:
                exec("truncate " + name);
                return {"truncate " + name, first, {}};
            default:
                break;
        }
        const auto row = journal_row("payment");
        exec(
            "update payment set channel_month = (channel_month - interval '1 month')::date where " +
            row.place());
        return {"move a payment to another partition", row.seq, {}};
    }

    Tampering account() {
        const auto found = rows(
            "select a.ctid, '0x' || encode(a.owner, 'hex'), a.kind, '0x' || encode(s.token, 'hex') "
            "from account a join asset s using (asset_id) "
            "where a.debits + a.credits > 0 order by a.asset_id, a.kind, a.owner");
        const auto& row = found[below(found.size())];
        const auto place = " where ctid = '" + row[0].as<std::string>() + "'";
        const auto token = row[3].as<std::string>();
        const std::vector<std::string> key{token, row[2].as<std::string>(),
                                           row[1].as<std::string>()};
        switch (below(5)) {
            case 0:
                exec("update account set debits = debits + 1" + place);
                return {"edit account.debits", 0, key};
            case 1:
                exec("update account set credits = credits + 1, debits = debits + 1" + place);
                return {"edit both sides of an account", 0, key};
            case 2:
                exec("delete from account" + place);
                return {"delete an account", 0, key};
            case 3:
                exec("insert into account select * from account" + place);
                return {"insert an account again", 0, key};
            default:
                break;
        }
        const std::string owner(40, 'a');
        exec("insert into account select asset_id, 'earned', '\\x" + owner +
             "', 0, 5 from account" + place);
        return {"insert an account", 0, {token, "earned", "0x" + owner}};
    }

    Tampering channel() {
        const auto found = rows(
            "select '0x' || encode(channel_id, 'hex') from channel where seq > 0 "
            "order by channel_id");
        const auto id = found[below(found.size())][0].as<std::string>();
        const auto place = " where channel_id = '\\" + id.substr(1) + "'";
        const std::vector<std::string> edits{"balance = balance + 1",
                                             "charged = charged + 1",
                                             "reserved = reserved + 1",
                                             "refunding = refunding + 1",
                                             "signed_max = signed_max + 1",
                                             "total_claimed = total_claimed + 1",
                                             "withdraw_requested_at = withdraw_requested_at + 1",
                                             "refund_nonce = refund_nonce + 1",
                                             "status = case status when 'open' then 'closing' else "
                                             "'open' end",
                                             "payer = set_byte(payer, 1, 255 - get_byte(payer, 1))",
                                             "receiver = set_byte(receiver, 1, 255 - "
                                             "get_byte(receiver, 1))",
                                             "salt = set_byte(salt, 1, 255 - get_byte(salt, 1))",
                                             "withdraw_delay_seconds = withdraw_delay_seconds + 1",
                                             "app = app || 'x'",
                                             "voucher_signer = 'contract'",
                                             "owed = owed + 1",
                                             "refunds_begun = refunds_begun + 1",
                                             "in_doubt = not in_doubt",
                                             "seq = seq + 1"};
        if (below(12) == 0) {
            exec("delete from channel" + place);
            return {"delete a channel", 0, {id}};
        }
        if (below(12) == 0) {
            exec("insert into channel select * from channel" + place);
            return {"insert a channel again", 0, {id}};
        }
        const auto& edit = edits[below(edits.size())];
        exec("update channel set " + edit + place);
        return {"channel: " + edit, 0, {id}};
    }

    /// Of a key's: what a contract took for a signature only the contract can tell.
    Tampering signature() {
        const auto found = rows(
            "select '0x' || encode(channel_id, 'hex') from channel where "
            "signature is not null and voucher_signer = 'key' order by channel_id");
        if (found.empty()) return channel();
        const auto id = found[below(found.size())][0].as<std::string>();
        exec("update channel set signature = set_byte(signature, " + std::to_string(below(65)) +
             ", 7) where channel_id = '\\" + id.substr(1) + "'");
        return {"edit channel.signature", 0, {id}};
    }

    /// Nothing in the journal has the day, and payments have the month.
    Tampering opened_at() {
        const auto found =
            rows("select distinct '0x' || encode(channel_id, 'hex') from payment order by 1");
        const auto id = found[below(found.size())][0].as<std::string>();
        exec(
            "update channel set opened_at = opened_at - interval '1 month' where channel_id = '\\" +
            id.substr(1) + "'");
        return {"edit channel.opened_at", 0, {id}};
    }

    /// Of name, symbol and decimals the journal has nothing.
    Tampering asset() {
        const auto found = rows(
            "select asset_id, network, '0x' || encode(token, 'hex') from asset a where exists "
            "(select from transfer t where t.asset_id = a.asset_id) order by asset_id");
        const auto& row = found[below(found.size())];
        const auto id = row[0].as<std::string>();
        const auto place = " where asset_id = " + id;
        const std::vector<std::string> key{row[1].as<std::string>(), row[2].as<std::string>()};
        if (below(3) == 0) {
            exec("insert into asset select * from asset" + place);
            return {"insert an asset again", 0, key};
        }
        const std::string edit = below(2) == 0
                                     ? "network = network || '1'"
                                     : "token = set_byte(token, 1, 255 - get_byte(token, 1))";
        exec("update asset set " + edit + place);
        const auto first = rows("select min(seq) from (select seq from transfer" + place +
                                " union all select seq from event" + place + ") r");
        Tampering done{"asset: " + edit, first[0][0].as<std::uint64_t>(), {}, {}};
        for (const auto& one :
             rows("select '0x' || encode(channel_id, 'hex') from channel" + place))
            done.shown_by.push_back(one[0].as<std::string>());
        return done;
    }

    /// Numbers that nobody took, or some that were taken are denied.
    Tampering sequence() {
        const auto last = rows("select last_seq from commit_sequence")[0][0].as<std::uint64_t>();
        const auto by = 1 + below(3);
        const bool is_raised = below(2) == 0;
        exec("update commit_sequence set last_seq = last_seq " +
             std::string(is_raised ? "+ " : "- ") + std::to_string(by));
        return {is_raised ? "raise commit_sequence.last_seq" : "lower commit_sequence.last_seq",
                is_raised ? last + 1 : last - by + 1,
                {}};
    }

    Tampering reservation() {
        const auto found = rows(
            "select '0x' || encode(channel_id, 'hex'), ctid from reservation "
            "order by channel_id, inference_id");
        if (found.empty()) return channel();
        const auto& row = found[below(found.size())];
        const auto place = " where ctid = '" + row[1].as<std::string>() + "'";
        const std::string edits[] = {"update reservation set max_amount = max_amount + 1",
                                     "update reservation set charged = charged + 1",
                                     "update reservation set steps = steps + 1",
                                     "update reservation set inference_id = inference_id || 'x'",
                                     "insert into reservation select * from reservation",
                                     "delete from reservation"};
        // Nobody can miss one that has nothing left: an event of the chain may have ended it, which
        // no row tells.
        const bool has_rest =
            !rows("select 1 from reservation where max_amount > charged and ctid = '" +
                  row[1].as<std::string>() + "'")
                 .empty();
        const auto& edit = edits[below(has_rest ? 6 : 5)];
        exec(edit + place);
        return {edit, 0, {row[0].as<std::string>()}};
    }

    /// The rows are changed, and the log from there on is made anew with a key of the intruder's.
    Tampering reseal() {
        auto done = edit_numbered();
        exec("create temp table kept on commit drop as select * from log_checkpoint");
        reseal_with(log_signer(99), sizes());
        exec(
            "update log_checkpoint c set root = k.root, note = k.note from kept k where "
            "k.size = c.size and c.size < " +
            std::to_string(done.seq));
        done.what += ", and sign the log anew with another key";
        done.rehashed = true;
        return done;
    }

    /// The rows are changed, and the hashes with them; the heads stay, whom nobody can forge.
    Tampering rehash() {
        auto done = edit_numbered();
        exec("create temp table kept on commit drop as select * from log_checkpoint");
        reseal_with(log_signer(99), sizes());
        exec("delete from log_checkpoint");
        const bool is_root_kept = below(2) == 0;
        exec("insert into log_checkpoint select * from kept");
        if (!is_root_kept)
            exec(
                "update log_checkpoint set root = set_byte(root, 3, 255 - get_byte(root, 3)) where "
                "size >= " +
                std::to_string(done.seq));
        done.what += ", and rebuild the tree under the old heads";
        done.rehashed = true;
        return done;
    }

    Tampering head() {
        const auto found = rows("select size from log_checkpoint order by size");
        const auto at = below(found.size());
        const auto size = found[at][0].as<std::uint64_t>();
        const auto place = " where size = " + std::to_string(size);
        const std::string edits[] = {
            "delete from log_checkpoint",
            "update log_checkpoint set root = set_byte(root, 0, 255 - get_byte(root, 0))",
            "update log_checkpoint set note = overlay(note placing 'x' from 3)",
            "update log_checkpoint set note = replace(note, 'previous', 'Previous')"};
        const auto& edit = edits[below(4)];
        exec(edit + place);
        // The next head misses one that was deleted.
        const auto found_at = at + 1 < found.size() ? found[at + 1][0].as<std::uint64_t>() : size;
        return {edit, edit.starts_with("delete") ? found_at : size, {}};
    }

    Tampering leaf() {
        const auto seq = some_seq();
        const auto tile = (seq - 1) / 256;
        const auto byte = (seq - 1) % 256 * 32 + below(32);
        exec("update log_tile set hashes = set_byte(hashes, " + std::to_string(byte) +
             ", 255 - get_byte(hashes, " + std::to_string(byte) + ")) where level = 0 and " +
             "tile_index = " + std::to_string(tile));
        return {"edit a leaf's hash", seq, {}};
    }

    /// The log is taken away, or its end, and a row that only the log speaks for is changed.
    Tampering strip() {
        auto kept = sizes();
        const auto first = below(kept.size());
        const auto begin = first == 0 ? 1 : kept[first - 1] + 1;
        const auto changed =
            rows("select seq from payment where seq >= " + std::to_string(begin) + " order by seq");
        if (changed.empty()) return head();
        const auto seq = changed[below(changed.size())][0].as<std::uint64_t>();
        exec("update payment set at = at + interval '1 microsecond' where seq = " +
             std::to_string(seq));
        const bool are_leaves_kept = below(2) == 0;
        if (!are_leaves_kept) kept.resize(first);
        exec("delete from log_tile; delete from log_checkpoint; update log_head set size = 0");
        if (!kept.empty()) reseal_with(log_signer(), kept);
        if (are_leaves_kept)
            exec("delete from log_checkpoint where size >= " + std::to_string(begin));
        return {"edit payment.at, and take away " +
                    std::string(are_leaves_kept ? "the heads" : "the log") +
                    (first == 0 ? "" : " from there on"),
                seq,
                {}};
    }

    /// The books as they were some numbers ago: perfectly sound, and not what was signed.
    Tampering roll_back() {
        const auto heads = rows("select size from log_checkpoint order by size desc limit 1");
        const auto cut = heads[0][0].as<std::uint64_t>() - 1 - below(3);
        const auto at = std::to_string(cut);
        for (const auto table : ledger::journal_tables())
            exec("delete from " + std::string(ledger::to_string(table)) + " where seq > " + at);
        exec("update commit_sequence set last_seq = " + at);
        // Whoever holds the key can sign what was never said: the heads told before show it.
        auto kept = sizes();
        while (!kept.empty() && kept.back() >= cut) kept.pop_back();
        kept.push_back(cut);
        reseal_with(log_signer(), kept);
        return {"roll back to " + at, cut, {}, {}, false, true};
    }

private:
    struct Row {
        std::string table, ctid, oid;
        std::uint64_t seq;
        std::string place() const { return "ctid = '" + ctid + "' and tableoid = " + oid; }
    };

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    void exec(const std::string& sql) { transaction_.exec(sql); }
    pqxx::result rows(const std::string& sql) { return transaction_.exec(sql); }

    std::uint64_t some_seq() {
        return 1 + below(rows("select last_seq from commit_sequence")[0][0].as<std::uint64_t>());
    }

    Row journal_row(std::string table = {}) {
        while (table.empty() || rows("select 1 from " + table + " limit 1").empty())
            table = ledger::to_string(
                ledger::journal_tables()[below(below(2) == 0 ? 2 : ledger::kJournalTables)]);
        const auto found = rows("select ctid, tableoid, seq from " + table + " order by seq, ctid");
        const auto& row = found[below(found.size())];
        return {table, row[0].as<std::string>(), row[1].as<std::string>(),
                row[2].as<std::uint64_t>()};
    }

    std::vector<Column> columns_of(const std::string& table) {
        std::vector<Column> columns;
        for (const auto& row :
             rows("select column_name, data_type from information_schema.columns where "
                  "table_schema = 'public' and table_name = '" +
                  table + "' and column_name <> 'seq' order by ordinal_position"))
            columns.push_back({table, row[0].as<std::string>(), row[1].as<std::string>()});
        return columns;
    }

    void change(const std::string& table, const std::string& place, const Column& column) {
        const auto& name = column.name;
        std::string to = name + " + 1";
        if (column.type == "bytea")
            to = name + " || '\\x00'";
        else if (column.type == "text")
            to = name + " || 'x'";
        else if (column.type == "timestamp with time zone")
            to = name + " + interval '1 microsecond'";
        else if (column.type == "date")
            to = "(" + name + " - interval '1 month')::date";
        const std::string instead = column.type == "date"    ? "'2020-01-01'::date"
                                    : column.type == "bytea" ? "'\\x01'"
                                    : column.type == "text"  ? "'x'"
                                                             : "1";
        exec("update " + table + " set " + name + " = case when " + name + " is null then " +
             (column.type == "timestamp with time zone" ? "at" : instead) + " else " + to +
             " end where " + place);
    }

    /// An edit that is worth hiding: of money.
    Tampering edit_numbered() {
        const auto row = journal_row(below(2) == 0 ? "payment" : "transfer");
        exec("update " + row.table + " set amount = amount + 1 where " + row.place());
        return {"edit " + row.table + ".amount", row.seq, {}};
    }

    std::vector<std::uint64_t> sizes() {
        std::vector<std::uint64_t> all;
        for (const auto& row : rows("select size from log_checkpoint order by size"))
            all.push_back(row[0].as<std::uint64_t>());
        return all;
    }

    /// Makes the log anew out of the rows, with heads of these sizes.
    void reseal_with(const ledger::NoteSigner& signer, const std::vector<std::uint64_t>& heads) {
        exec("delete from log_tile; delete from log_checkpoint; set local timezone = 'UTC'");
        ledger::GrowingTree tree;
        channel::Bytes leaf;
        std::string hashes;
        std::uint64_t previous = 0;
        const auto write_tile = [&] {
            transaction_.exec_params0("insert into log_tile values (0, $1, $2::bytea)",
                                      (tree.size() - 1) / 256, "\\x" + hashes);
            hashes.clear();
        };
        for (const auto& number : ledger::read_journal(transaction_, 1, heads.back()).numbers) {
            ledger::write_leaf(number, leaf);
            const auto hash = ledger::leaf_hash(leaf);
            tree.append(hash);
            hashes += channel::to_hex(hash).substr(2);
            if (tree.size() % 256 == 0) write_tile();
            if (std::find(heads.begin(), heads.end(), tree.size()) == heads.end()) continue;
            const ledger::TreeHead head{signer.key().name, tree.size(), tree.root(), previous};
            previous = tree.size();
            transaction_.exec_params0(
                "insert into log_checkpoint values ($1, $2::bytea, $3, now())", head.size,
                "\\" + channel::to_hex(head.root).substr(1), signer.sign(head.text()));
        }
        if (!hashes.empty()) write_tile();
        exec("update log_head set size = " + std::to_string(tree.size()));
    }

    Transaction& transaction_;
    std::mt19937_64& random_;
};

}  // namespace

void disarm(const Books& books) {
    pqxx::connection connection(books.postgres.url());
    pqxx::work transaction(connection);
    for (const auto& row : transaction.exec(
             "select format('alter table %s disable trigger user', oid::regclass) from pg_class "
             "where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"))
        transaction.exec(row[0].as<std::string>());
    for (const auto& row : transaction.exec(
             "select format('alter table %s drop constraint %I cascade', conrelid::regclass, "
             "conname) from pg_constraint where contype in ('c', 'f') and connamespace = "
             "'public'::regnamespace and conparentid = 0 and coninhcount = 0"))
        transaction.exec(row[0].as<std::string>());
    for (const auto& row : transaction.exec(
             "select format('alter table %s drop constraint %I cascade', conrelid::regclass, "
             "conname) from pg_constraint where contype in ('p', 'u') and connamespace = "
             "'public'::regnamespace and conparentid = 0 and conrelid::regclass::text in "
             "('payment', 'transfer', 'chain_event', 'channel_opening', 'chain_reversal', 'event', "
             "'reservation', 'account', 'channel', 'asset')"))
        transaction.exec(row[0].as<std::string>());
    for (const auto& row : transaction.exec(
             "select format('alter table %I alter column %I drop not null', table_name, "
             "column_name) from information_schema.columns where table_schema = 'public' and "
             "is_nullable = 'NO' and table_name in ('payment', 'transfer', 'chain_event', "
             "'channel_opening', 'chain_reversal', 'event')"))
        transaction.exec(row[0].as<std::string>());
    transaction.commit();
}

Tampering tamper(pqxx::transaction_base& transaction, std::mt19937_64& random) {
    transaction.exec(
        "set local session_replication_role = replica; set local "
        "client_min_messages = error");
    Hand hand(transaction, random);
    using Act = Tampering (Hand::*)();
    // Edits of rows are the most, as there are the most ways to.
    constexpr Act kActs[] = {
        &Hand::edit_journal,   &Hand::edit_journal,   &Hand::edit_journal,   &Hand::edit_journal,
        &Hand::edit_journal,   &Hand::delete_journal, &Hand::delete_journal, &Hand::insert_journal,
        &Hand::insert_journal, &Hand::insert_stray,   &Hand::insert_stray,   &Hand::reorder,
        &Hand::shift,          &Hand::partition,      &Hand::account,        &Hand::channel,
        &Hand::channel,        &Hand::signature,      &Hand::reservation,    &Hand::reseal,
        &Hand::rehash,         &Hand::head,           &Hand::leaf,           &Hand::roll_back,
        &Hand::strip,          &Hand::strip,          &Hand::opened_at,      &Hand::asset,
        &Hand::sequence};
    return (hand.*kActs[random() % std::size(kActs)])();
}

}  // namespace support
