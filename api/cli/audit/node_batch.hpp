#pragma once

#include "api/cli/http_client.hpp"
#include "channel/bytes.hpp"
#include "ledger/chain/json_rpc.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <boost/json.hpp>

namespace millrace::api {

/// Asks a node many things in one request (JSON-RPC 2.0, Batch), blocking.
class NodeBatch {
public:
    /// Throws CommandError for what is no URL.
    explicit NodeBatch(const std::string& url);

    /// The answers in the order of the calls: the whole response objects. Throws CommandError when
    /// there is none for each.
    std::vector<boost::json::object> ask(const std::vector<ledger::chain::RpcCall>& calls) const;
    const std::string& url() const { return url_; }

private:
    std::string url_;
    HttpUrl server_;
    std::string path_;
};

/// So many calls in a batch: what common nodes take.
inline constexpr std::size_t kCallsAtOnce = 50;

/// Throws CommandError where the node says no.
const boost::json::value& result_of(const NodeBatch& node, const boost::json::object& answer);
/// The return data of an eth_call. Throws CommandError where the node says no; empty for what is
/// not in hex.
channel::Bytes view_of(const NodeBatch& node, const boost::json::object& answer);
[[noreturn]] void refuse_answer(const NodeBatch& node, const boost::json::object& answer);

/// What a view of a contract answers, read by `decode`. Throws CommandError for what is none.
template <class Decode>
auto view(const NodeBatch& node, const boost::json::object& answer, Decode decode) {
    const auto read = decode(view_of(node, answer));
    if (!read) refuse_answer(node, answer);
    return *read;
}

/// Asks with what `make` makes of each item, and gives each item with its answer to `look`.
template <class Items, class Make, class Look>
void in_batches(const NodeBatch& node, const Items& items, Make make, Look look) {
    for (std::size_t first = 0; first < items.size(); first += kCallsAtOnce) {
        const auto end = std::min(items.size(), first + kCallsAtOnce);
        std::vector<ledger::chain::RpcCall> calls;
        for (auto at = first; at < end; ++at) calls.push_back(make(items[at]));
        const auto answers = node.ask(calls);
        for (auto at = first; at < end; ++at) look(items[at], answers[at - first]);
    }
}

}  // namespace millrace::api
