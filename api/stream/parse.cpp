#include "api/stream/parse.hpp"

#include "api/stream/read_command.hpp"

#include <algorithm>

namespace millrace::api::stream {
namespace {

/// An id is held until its answer, so it may not be a means to fill memory.
constexpr std::size_t kIdLengthMax = 128;
/// A longer key of the request is not repeated in an error.
constexpr std::size_t kNamedKeyLengthMax = 64;

Failure parse_failure(JsonParser::Fault fault, const LimitsConfig& limits) {
    switch (fault) {
        case JsonParser::Fault::depth:
            return bad_request({}, "Objects and arrays are nested too deep.",
                               std::to_string(limits.json_depth_max));
        case JsonParser::Fault::utf8:
            return {Code::parse_error, "parse_error", {}, {}, "The frame is not valid UTF-8."};
        case JsonParser::Fault::syntax:
            break;
    }
    return {Code::parse_error, "parse_error", {}, {}, "The frame is not one JSON text."};
}

std::optional<Failure> read_id(std::optional<Json> id, std::string& out) {
    if (!id) return std::nullopt;
    switch (id->kind()) {
        case Json::Kind::null:
        case Json::Kind::number:
        case Json::Kind::string:
            break;
        case Json::Kind::boolean:
        case Json::Kind::array:
        case Json::Kind::object:
            return bad_request("id", "Expected a string, a number or null.");
    }
    if (id->text().size() > kIdLengthMax)
        return bad_request("id", "The id is too long.", std::to_string(kIdLengthMax));
    id->append_compact(out);
    return std::nullopt;
}

bool has_two_ids(Json request) {
    return std::count_if(request.begin(), request.end(),
                         [](Json member) { return member.key() == "id"; }) > 1;
}

/// What JSON-RPC 2.0 demands of a request, but for the method's being known.
std::optional<Failure> check_envelope(Json request, std::string& id) {
    if (!request.is(Json::Kind::object)) return bad_request({}, "A request is an object.");
    auto bad_id = read_id(request.member("id"), id);
    std::string_view key;
    if (request.has_duplicate_key(key)) {
        if (has_two_ids(request)) id.clear();
        const bool nameable = key.size() <= kNamedKeyLengthMax;
        return bad_request(std::string(nameable ? key : ""), "A key stands twice in an object.");
    }
    if (bad_id) return bad_id;
    const auto version = request.member("jsonrpc");
    if (!version || !version->is(Json::Kind::string) || version->text() != "2.0")
        return bad_request("jsonrpc", "Expected \"2.0\".");
    const auto method = request.member("method");
    if (!method || !method->is(Json::Kind::string))
        return bad_request("method", "Expected the name of a method, a string.");
    return std::nullopt;
}

}  // namespace

FrameParser::FrameParser(const LimitsConfig& limits)
    : limits_(limits), json_(limits.json_depth_max) {}

Frame& FrameParser::parse(std::string_view text) {
    frame_.failure.reset();
    frame_.is_batch = false;
    frame_.calls.clear();
    const auto root = json_.parse(text);
    if (!root) {
        frame_.failure = parse_failure(json_.fault(), limits_);
        return frame_;
    }
    if (!root->is(Json::Kind::array)) {
        read_call(*root, frame_.calls.emplace_back());
        return frame_;
    }
    const auto requests = root->size();
    if (requests == 0) frame_.failure = bad_request({}, "A batch holds at least one request.", "1");
    if (requests > limits_.batch_requests_max)
        frame_.failure = bad_request({}, "Too many requests in one batch.",
                                     std::to_string(limits_.batch_requests_max));
    if (frame_.failure) return frame_;
    frame_.is_batch = true;
    frame_.calls.reserve(requests);
    for (const auto request : *root) read_call(request, frame_.calls.emplace_back());
    return frame_;
}

void FrameParser::read_call(Json request, Call& call) {
    if (auto broken = check_envelope(request, call.id)) {
        if (call.id.empty()) call.id = "null";
        call.command = std::move(*broken);
        return;
    }
    call.method = method_named(request.member("method")->text());
    if (!call.method) {
        call.command =
            Failure{Code::method_not_found, {}, "method", {}, "No such method is served here."};
        return;
    }
    const auto params = request.member("params");
    if (params && !params->is(Json::Kind::object)) {
        call.command = bad_param("params", "Expected an object.");
        return;
    }
    read_command(*call.method, params, limits_, call.command);
}

}  // namespace millrace::api::stream
