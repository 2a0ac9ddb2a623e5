#include "api/cli/audit/node_batch.hpp"

#include "api/cli/commands.hpp"
#include "channel/hex.hpp"

#include <fmt/format.h>

namespace millrace::api {

namespace json = boost::json;

NodeBatch::NodeBatch(const std::string& url) : url_(url) {
    const auto host = url.find("://");
    const auto slash = host == std::string::npos ? host : url.find('/', host + 3);
    server_ = parse_url(url.substr(0, slash));
    path_ = slash == std::string::npos ? "/" : url.substr(slash);
}

std::vector<json::object> NodeBatch::ask(const std::vector<ledger::chain::RpcCall>& calls) const {
    std::string body = "[";
    for (std::size_t id = 0; id < calls.size(); ++id) {
        if (id > 0) body += ',';
        body += ledger::chain::to_json(calls[id], id);
    }
    const auto answer = call(server_, {"POST", path_, {}, body + "]"});
    json::error_code error;
    auto value = json::parse(answer.body, error);
    if (error || !value.is_array() || value.get_array().size() != calls.size())
        throw CommandError(fmt::format("the node at {} did not answer as expected (HTTP {})", url_,
                                       answer.status));
    std::vector<json::object> answers(calls.size());
    for (auto& item : value.get_array()) {
        const auto* id = item.is_object() ? item.get_object().if_contains("id") : nullptr;
        if (!id || !id->is_int64() || id->get_int64() < 0 ||
            static_cast<std::size_t>(id->get_int64()) >= answers.size())
            throw CommandError(fmt::format("the node at {} answered what was not asked", url_));
        answers[static_cast<std::size_t>(id->get_int64())] = std::move(item.get_object());
    }
    return answers;
}

const json::value& result_of(const NodeBatch& node, const json::object& answer) {
    const auto* result = answer.if_contains("result");
    if (!result)
        throw CommandError(
            fmt::format("the node at {} refuses: {}", node.url(), json::serialize(answer)));
    return *result;
}

channel::Bytes view_of(const NodeBatch& node, const json::object& answer) {
    const auto& result = result_of(node, answer);
    const auto bytes = channel::parse_hex(result.is_string() ? std::string_view(result.get_string())
                                                             : std::string_view());
    return bytes ? *bytes : channel::Bytes();
}

void refuse_answer(const NodeBatch& node, const json::object& answer) {
    throw CommandError(
        fmt::format("the node at {} answers: {}", node.url(), json::serialize(answer)));
}

}  // namespace millrace::api
