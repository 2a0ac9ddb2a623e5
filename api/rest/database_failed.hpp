#pragma once

#include "api/rest/context.hpp"

#include <pqxx/except>

namespace millrace::api::rest {

/// 503 for something that the database failed, counted and logged; what it says stays inside.
HttpResponse database_failed(RestContext& context, const pqxx::failure& error);

}  // namespace millrace::api::rest
