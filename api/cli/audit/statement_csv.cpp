#include "api/cli/audit/statement_document.hpp"
#include "ledger/audit/csv.hpp"

#include <array>
#include <string_view>

namespace millrace::api {
namespace {

/// The fields of every record, in their order.
struct Record {
    std::string_view record;
    std::string_view seq{};
    std::string_view leg{};
    std::string_view at{};
    std::string_view cause{};
    std::string_view reverses{};
    std::string_view counter_account{};
    std::string_view debit{};
    std::string_view credit{};
    std::string_view balance{};
    std::string_view side{};
    std::string_view text{};
};

std::string row(const Record& record) {
    const std::array fields{record.record,
                            record.seq,
                            record.leg,
                            record.at,
                            record.cause,
                            record.reverses,
                            record.counter_account,
                            record.debit,
                            record.credit,
                            record.balance,
                            record.side,
                            record.text};
    std::string out;
    for (const auto field : fields) {
        if (!out.empty()) out += ',';
        ledger::append_csv_field(out, field);
    }
    return out + "\r\n";
}

std::string begin(const StatementHead& head) {
    return row({"record", "seq", "leg", "at", "cause", "reverses", "counter_account", "debit",
                "credit", "balance", "side", "text"}) +
           row({.record = "account", .text = head.account}) +
           row({.record = "symbol", .text = head.symbol}) +
           row({.record = "books",
                .seq = head.seq,
                .at = head.produced_at,
                .text = head.service_url}) +
           row({.record = "opening",
                .seq = head.from_seq,
                .at = head.from_asked,
                .balance = head.opening.amount,
                .side = head.opening.side});
}

std::string line(const StatementHead&, const StatementLine& line) {
    return row({.record = "leg",
                .seq = line.seq,
                .leg = line.leg,
                .at = line.at,
                .cause = line.cause,
                .reverses = line.reverses,
                .counter_account = line.counter_account,
                .debit = line.debit,
                .credit = line.credit,
                .balance = line.balance.amount,
                .side = line.balance.side});
}

std::string end(const StatementHead& head, const StatementProof& proof) {
    return row({.record = "total", .debit = head.debits, .credit = head.credits}) +
           row({.record = "closing",
                .seq = head.to_seq,
                .at = head.to_asked,
                .balance = head.closing.amount,
                .side = head.closing.side}) +
           row({.record = "tree_head", .text = proof.note ? *proof.note : "no tree head yet"});
}

}  // namespace

const StatementFormat kCsvStatement{begin, line, end};

}  // namespace millrace::api
