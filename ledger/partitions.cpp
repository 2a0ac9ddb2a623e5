#include "ledger/partitions.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kHasThem =
    "select exists (select from pg_proc where proname = 'make_partitions')";
constexpr const char* kMake = "call make_partitions($1::date)";
constexpr std::chrono::days kAhead{366};

}  // namespace

std::string make_partitions(pqxx::connection& connection, Time now) {
    pqxx::work transaction(connection);
    if (!transaction.exec1(kHasThem)[0].as<bool>()) return {};
    const auto until = to_iso_date(month_of(now + kAhead));
    const auto made = transaction.exec_params1(kMake, until)[0].as<std::string>();
    transaction.commit();
    return made;
}

}  // namespace millrace::ledger
