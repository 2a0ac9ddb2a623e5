#include "ledger/audit/audit_query.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kRecord = R"sql(
    insert into audit_query (caller, at, query_id, caller_kind, remote_address, method, target,
                             status, seq, duration_micros)
    values ($1, $2::timestamptz, $3, $4, $5, $6, $7, $8, $9, $10))sql";
constexpr const char* kList = R"sql(
    select caller, floor(extract(epoch from at) * 1000000)::bigint as at, query_id, caller_kind,
           remote_address, method, target, status, seq, duration_micros
    from audit_query
    where at >= $1::timestamptz and (at, query_id) > ($1::timestamptz, $2)
    order by at, query_id
    limit $3)sql";
constexpr const char* kListOfCaller = R"sql(
    select caller, floor(extract(epoch from at) * 1000000)::bigint as at, query_id, caller_kind,
           remote_address, method, target, status, seq, duration_micros
    from audit_query
    where caller = $4 and at >= $1::timestamptz and (at, query_id) > ($1::timestamptz, $2)
    order by at, query_id
    limit $3)sql";

AuditQuery query_from(const pqxx::row& row) {
    AuditQuery query;
    query.caller.id = row["caller"].c_str();
    const std::string_view kind = row["caller_kind"].c_str();
    query.caller.kind = kind == to_string(AuditCaller::Kind::key) ? AuditCaller::Kind::key
                                                                  : AuditCaller::Kind::token;
    query.at = Time{std::chrono::microseconds{row["at"].as<std::int64_t>()}};
    query.id = row["query_id"].as<std::int64_t>();
    query.remote_address = row["remote_address"].c_str();
    query.method = row["method"].c_str();
    query.target = row["target"].c_str();
    query.status = row["status"].as<unsigned>();
    if (!row["seq"].is_null()) query.seq = row["seq"].as<std::uint64_t>();
    query.duration = std::chrono::microseconds{row["duration_micros"].as<std::int64_t>()};
    return query;
}

}  // namespace

std::string_view to_string(AuditCaller::Kind kind) {
    switch (kind) {
        case AuditCaller::Kind::key:
            return "key";
        case AuditCaller::Kind::token:
            return "token";
    }
    return {};
}

void record_audit_query(pqxx::connection& connection, const AuditQuery& query) {
    pqxx::work transaction(connection);
    const auto seq = query.seq ? std::to_string(*query.seq) : std::string();
    transaction.exec_params0(kRecord, query.caller.id, to_rfc3339(query.at), query.id,
                             std::string(to_string(query.caller.kind)), query.remote_address,
                             query.method, query.target, query.status,
                             query.seq ? seq.c_str() : nullptr,
                             static_cast<std::int64_t>(query.duration.count()));
    transaction.commit();
}

std::vector<AuditQuery> list_audit_queries(pqxx::connection& connection, const std::string& caller,
                                           const AuditQueryKey& after, std::size_t limit) {
    pqxx::read_transaction transaction(connection);
    const auto at = to_rfc3339(after.at);
    const auto rows = caller.empty()
                          ? transaction.exec_params(kList, at, after.id, limit)
                          : transaction.exec_params(kListOfCaller, at, after.id, limit, caller);
    std::vector<AuditQuery> queries;
    for (const auto& row : rows) queries.push_back(query_from(row));
    return queries;
}

}  // namespace millrace::ledger
