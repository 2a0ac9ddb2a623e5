#include "api/rest/body.hpp"

#include "api/config.hpp"
#include "api/stream/json.hpp"

namespace millrace::api::rest {
namespace {

constexpr std::string_view kField = "body";

}  // namespace

std::optional<stream::Failure> read_body(const RestContext& context, std::string_view body,
                                         const std::function<void(stream::Members&)>& read) {
    stream::JsonParser parser(context.config.limits.json_depth_max);
    const auto json = parser.parse(body.empty() ? "{}" : body);
    if (!json) return stream::bad_request(std::string(kField), stream::sentence(parser.fault()));
    if (!json->is(stream::Json::Kind::object))
        return stream::bad_request(std::string(kField), "Expected a JSON object.");
    std::string_view name;
    if (json->has_duplicate_key(name))
        return stream::bad_request(std::string(name), "This member is there twice.");
    std::optional<stream::Failure> failure;
    stream::Members members(*json, {}, failure);
    read(members);
    return failure;
}

}  // namespace millrace::api::rest
