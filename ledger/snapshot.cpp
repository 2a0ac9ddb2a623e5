#include "ledger/snapshot.hpp"

#include "ledger/posted_seq.hpp"
#include "ledger/text_form.hpp"

#include <string>

namespace millrace::ledger {

Snapshot::Snapshot(pqxx::connection& connection, std::chrono::milliseconds patience)
    : transaction_(connection) {
    transaction_.exec("set local statement_timeout = " + std::to_string(patience.count()) + "; " +
                      kOneTextForm);
    seq_ = transaction_.exec1(kPostedSeq)[0].as<std::uint64_t>();
}

}  // namespace millrace::ledger
