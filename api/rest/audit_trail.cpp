#include "api/rest/audit_trail.hpp"

#include "api/auth/random.hpp"
#include "api/clock.hpp"
#include "api/database.hpp"
#include "api/rest/database_failed.hpp"

#include <boost/url.hpp>

#include <array>
#include <bit>

namespace millrace::api::rest {
namespace {

std::string target_of(const HttpRequest& request) {
    boost::urls::url url;
    url.set_path(request.path);
    for (const auto& [key, value] : request.query) url.params().append({key, value});
    return std::string(url.encoded_target());
}

std::int64_t random_number() {
    std::array<std::uint8_t, sizeof(std::int64_t)> bytes{};
    fill_random(bytes);
    return std::bit_cast<std::int64_t>(bytes);
}

}  // namespace

Asked::Asked(const HttpRequest& request)
    : at(now()),
      begun(std::chrono::steady_clock::now()),
      remote_address(request.remote_address),
      method(request.method),
      target(target_of(request)) {}

Task<HttpResponse> recorded(RestContext& context, ledger::AuditCaller caller, Asked asked,
                            HttpResponse response) {
    const auto duration = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - asked.begun);
    const ledger::AuditQuery query{std::move(caller),
                                   asked.at,
                                   random_number(),
                                   std::move(asked.remote_address),
                                   std::move(asked.method),
                                   std::move(asked.target),
                                   response.status,
                                   response.seq,
                                   duration};
    const auto record = [query](pqxx::connection& connection) {
        ledger::record_audit_query(connection, query);
        return true;
    };
    try {
        co_await context.database.run_at_once(record);
    } catch (const pqxx::failure& error) {
        co_return database_failed(context, error);
    }
    co_return response;
}

}  // namespace millrace::api::rest
