#include "api/rest/database_failed.hpp"

#include "api/metrics.hpp"
#include "api/rest/problems.hpp"
#include "channel/error.hpp"

#include <spdlog/spdlog.h>

namespace millrace::api::rest {
namespace {

constexpr const char* kQueryCanceled = "57014";

}  // namespace

HttpResponse database_failed(RestContext& context, const pqxx::failure& error) {
    context.metrics.database_errors.Increment();
    spdlog::error("a request failed at the database: {}", error.what());
    const auto* refused = dynamic_cast<const pqxx::sql_error*>(&error);
    const bool too_long = refused && refused->sqlstate() == kQueryCanceled;
    return problem(stream::Failure{stream::Code::refused,
                                   channel::reason(channel::Error::unavailable),
                                   {},
                                   {},
                                   too_long
                                       ? "This took too long; ask for less, or for an earlier seq."
                                       : "The database cannot be read just now; try again."});
}

}  // namespace millrace::api::rest
