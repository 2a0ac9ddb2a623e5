#include "ledger/lease.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kPrepare = R"sql(
    insert into shard_lease (shard, holder, epoch, batch, batch_base, expires_at)
    select n, '', 0, 0, 0, $2::timestamptz from generate_series(0, $1::int - 1) n
    where not exists (select from shard_lease))sql";
constexpr const char* kTake = R"sql(
    update shard_lease set holder = $2, epoch = epoch + 1, expires_at = $4::timestamptz
    where shard = $1 and expires_at <= $3::timestamptz
    returning epoch, batch)sql";
constexpr const char* kExtend = R"sql(
    update shard_lease set expires_at = $3::timestamptz where shard = $1 and epoch = $2)sql";

}  // namespace

std::int16_t prepare_shards(pqxx::connection& connection, std::int16_t count, Time now) {
    pqxx::work transaction(connection);
    const auto count_rows = [&] {
        return transaction.exec1("select count(*) from shard_lease")[0].as<std::int16_t>();
    };
    // The lock would wait for every batch under way, and they for it.
    if (const auto shards = count_rows(); shards > 0) return shards;
    transaction.exec("lock table shard_lease in share row exclusive mode");
    transaction.exec_params0(kPrepare, count, to_rfc3339(now));
    const auto shards = count_rows();
    transaction.commit();
    return shards;
}

std::optional<HeldLease> take_lease(pqxx::connection& connection, std::int16_t shard,
                                    const std::string& holder, std::chrono::milliseconds duration,
                                    Time now) {
    pqxx::work transaction(connection);
    const auto rows =
        transaction.exec_params(kTake, shard, holder, to_rfc3339(now), to_rfc3339(now + duration));
    transaction.commit();
    if (rows.empty()) return std::nullopt;
    return HeldLease{shard, holder, rows[0][0].as<std::int64_t>(), rows[0][1].as<std::int64_t>(),
                     duration};
}

std::string lease_holder(pqxx::connection& connection, std::int16_t shard) {
    pqxx::work transaction(connection);
    return transaction.exec_params1("select holder from shard_lease where shard = $1", shard)[0]
        .as<std::string>();
}

bool extend_lease(pqxx::connection& connection, const HeldLease& lease, Time now) {
    pqxx::work transaction(connection);
    const auto result = transaction.exec_params(kExtend, lease.shard, lease.epoch,
                                                to_rfc3339(now + lease.duration));
    transaction.commit();
    return result.affected_rows() == 1;
}

}  // namespace millrace::ledger
