#include "ledger/chain/json_rpc.hpp"

#include "channel/hex.hpp"
#include "channel/uint256.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <stdexcept>

namespace millrace::ledger::chain {
namespace {

namespace json = boost::json;
using channel::Word;

constexpr std::size_t kMessageMax = 300;

RpcFailure malformed(std::string message) {
    return {RpcFailure::Kind::malformed, 0, "malformed answer: " + std::move(message), {}};
}

/// Thrown by the readers of members below and caught in `read`: a malformed answer has dozens of
/// forms and one treatment.
struct Malformed {
    std::string what;
};

const json::value& member(const json::object& object, std::string_view name) {
    const auto* found = object.if_contains(name);
    if (!found) throw Malformed{std::string(name) + " is missing"};
    return *found;
}

std::string_view text_of(const json::value& value, std::string_view name) {
    const auto* text = value.if_string();
    if (!text) throw Malformed{std::string(name) + " is not a string"};
    return *text;
}

const json::object& object_of(const json::value& value, std::string_view name) {
    const auto* object = value.if_object();
    if (!object) throw Malformed{std::string(name) + " is not an object"};
    return *object;
}

const json::array& array_of(const json::value& value, std::string_view name) {
    const auto* array = value.if_array();
    if (!array) throw Malformed{std::string(name) + " is not an array"};
    return *array;
}

Word quantity_of(const json::value& value, std::string_view name) {
    const auto text = text_of(value, name);
    const auto digits = text.starts_with("0x") ? text.substr(2) : std::string_view{};
    if (digits.empty() || digits.size() > 2 * Word::size || (digits[0] == '0' && digits != "0")) {
        throw Malformed{std::string(name) + " is not a quantity"};
    }
    const auto padded =
        "0x" + std::string(2 * Word::size - digits.size(), '0') + std::string(digits);
    const auto word = channel::parse_fixed<Word>(padded);
    if (!word) throw Malformed{std::string(name) + " is not a quantity"};
    return *word;
}

std::uint64_t number_of(const json::value& value, std::string_view name) {
    const auto number = channel::uint64_from(quantity_of(value, name));
    if (!number) throw Malformed{std::string(name) + " is too large"};
    return *number;
}

channel::Amount amount_of(const json::value& value, std::string_view name) {
    const auto amount = channel::amount_from_word(quantity_of(value, name));
    if (!amount) throw Malformed{std::string(name) + " is too large"};
    return *amount;
}

template <class Fixed>
Fixed fixed_of(const json::value& value, std::string_view name) {
    const auto fixed = channel::parse_fixed<Fixed>(text_of(value, name));
    if (!fixed) throw Malformed{std::string(name) + " has another form"};
    return *fixed;
}

channel::Bytes bytes_of(const json::value& value, std::string_view name) {
    auto bytes = channel::parse_hex(text_of(value, name));
    if (!bytes) throw Malformed{std::string(name) + " is not hex"};
    return std::move(*bytes);
}

Log log_of(const json::value& value) {
    const auto& object = object_of(value, "log");
    if (const auto* removed = object.if_contains("removed"); removed && *removed == true) {
        throw Malformed{"a log is of an orphaned block"};
    }
    Log log;
    log.address = fixed_of<channel::Address>(member(object, "address"), "address");
    for (const auto& topic : array_of(member(object, "topics"), "topics")) {
        log.topics.push_back(fixed_of<Word>(topic, "topic"));
    }
    log.data = bytes_of(member(object, "data"), "data");
    log.block_number = number_of(member(object, "blockNumber"), "blockNumber");
    log.block_hash = fixed_of<channel::BlockHash>(member(object, "blockHash"), "blockHash");
    log.transaction =
        fixed_of<channel::TransactionHash>(member(object, "transactionHash"), "transactionHash");
    const auto index = number_of(member(object, "logIndex"), "logIndex");
    if (index >= 0x7fffffff) throw Malformed{"logIndex is too large"};
    log.log_index = static_cast<std::uint32_t>(index);
    return log;
}

std::vector<Log> logs_of(const json::value& value) {
    std::vector<Log> logs;
    for (const auto& log : array_of(value, "logs")) logs.push_back(log_of(log));
    return logs;
}

std::optional<Block> block_of(const json::value& value) {
    if (value.is_null()) return std::nullopt;
    const auto& object = object_of(value, "block");
    Block block;
    block.number = number_of(member(object, "number"), "number");
    block.hash = fixed_of<channel::BlockHash>(member(object, "hash"), "hash");
    block.parent = fixed_of<channel::BlockHash>(member(object, "parentHash"), "parentHash");
    block.timestamp = number_of(member(object, "timestamp"), "timestamp");
    if (const auto* fee = object.if_contains("baseFeePerGas"); fee && !fee->is_null()) {
        block.base_fee = amount_of(*fee, "baseFeePerGas");
    }
    return block;
}

std::optional<Receipt> receipt_of(const json::value& value) {
    if (value.is_null()) return std::nullopt;
    const auto& object = object_of(value, "receipt");
    Receipt receipt;
    receipt.transaction =
        fixed_of<channel::TransactionHash>(member(object, "transactionHash"), "transactionHash");
    const auto status = number_of(member(object, "status"), "status");
    if (status > 1) throw Malformed{"status is neither 0 nor 1"};
    receipt.succeeded = status == 1;
    receipt.block_number = number_of(member(object, "blockNumber"), "blockNumber");
    receipt.block_hash = fixed_of<channel::BlockHash>(member(object, "blockHash"), "blockHash");
    receipt.gas_used = number_of(member(object, "gasUsed"), "gasUsed");
    receipt.gas_price = amount_of(member(object, "effectiveGasPrice"), "effectiveGasPrice");
    receipt.logs = logs_of(member(object, "logs"));
    return receipt;
}

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, kMessageMax)) {
        out.push_back(c >= ' ' && c < 0x7f ? c : '?');
    }
    return out;
}

/// Some nodes put the revert data into `data` itself, others one level deeper.
channel::Bytes revert_data_of(const json::object& error) {
    const auto* data = error.if_contains("data");
    if (data && data->is_object()) data = data->get_object().if_contains("data");
    if (!data || !data->is_string()) return {};
    auto bytes = channel::parse_hex(std::string_view(data->get_string()));
    return bytes ? std::move(*bytes) : channel::Bytes{};
}

RpcFailure node_failure(const json::value& value) {
    const auto& error = object_of(value, "error");
    const auto& code = member(error, "code");
    if (!code.is_int64()) throw Malformed{"error code is not an integer"};
    return {RpcFailure::Kind::node, code.get_int64(),
            printable(text_of(member(error, "message"), "message")), revert_data_of(error)};
}

template <class Reader>
auto read(std::string_view text, std::uint64_t id, Reader reader)
    -> RpcResult<decltype(reader(std::declval<const json::value&>()))> {
    boost::system::error_code error;
    const auto parsed = json::parse(text, error);
    if (error) return malformed("not JSON: " + error.message());
    try {
        const auto& object = object_of(parsed, "answer");
        if (member(object, "jsonrpc") != "2.0") throw Malformed{"jsonrpc is not 2.0"};
        const auto* failure = object.if_contains("error");
        if (failure && !failure->is_null()) return node_failure(*failure);
        if (!(member(object, "id") == id)) throw Malformed{"id is another call's"};
        return reader(member(object, "result"));
    } catch (const Malformed& why) {
        return malformed(why.what);
    }
}

std::string quoted_number(std::uint64_t value) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string digits;
    do {
        digits.insert(digits.begin(), kDigits[value & 0xf]);
        value >>= 4;
    } while (value != 0);
    return "\"0x" + digits + "\"";
}

template <class Fixed>
std::string quoted(const Fixed& value) {
    return "\"" + channel::to_hex(value) + "\"";
}

std::string quoted(const BlockTag& tag) {
    return "\"" + tag.text() + "\"";
}

std::string message_json(const channel::Address& from, const channel::Address& to,
                         channel::BytesView data, const std::string& more = {}) {
    return "{\"from\":" + quoted(from) + ",\"to\":" + quoted(to) + ",\"data\":\"" +
           channel::to_hex(data) + "\"" + more + "}";
}

}  // namespace

bool RpcFailure::reverted() const {
    constexpr std::int64_t kRevertedCode = 3;
    return kind == Kind::node && (code == kRevertedCode || !data.empty() ||
                                  message.find("execution reverted") != std::string::npos);
}

bool RpcFailure::ran_out_of_gas() const {
    // Nodes have no code for it, and each a spelling of its own.
    std::string said;
    for (const char c : message)
        if (c != ' ') said += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return kind == Kind::node && (said.find("outofgas") != std::string::npos ||
                                  said.find("intrinsicgas") != std::string::npos);
}

void throw_exception_from_error(const RpcFailure& failure, const boost::source_location&) {
    throw std::runtime_error(failure.message);
}

BlockTag BlockTag::number(std::uint64_t block) {
    const auto text = quoted_number(block);
    return BlockTag(text.substr(1, text.size() - 2));
}

std::string to_json(const RpcCall& call, std::uint64_t id) {
    return "{\"jsonrpc\":\"2.0\",\"id\":" + std::to_string(id) + ",\"method\":\"" + call.method +
           "\",\"params\":" + call.params + "}";
}

RpcCall chain_id_request() {
    return {"eth_chainId", "[]"};
}

RpcCall code_request(const channel::Address& address) {
    return {"eth_getCode", "[" + quoted(address) + ",\"latest\"]"};
}

RpcCall block_request(const BlockTag& block) {
    return {"eth_getBlockByNumber", "[" + quoted(block) + ",false]"};
}

RpcCall call_request(const channel::Address& from, const channel::Address& to,
                     channel::BytesView data, const BlockTag& block) {
    return {"eth_call", "[" + message_json(from, to, data) + "," + quoted(block) + "]"};
}

RpcCall call_request(const channel::Address& from, const channel::Address& to,
                     channel::BytesView data, const BlockTag& block, std::uint64_t gas) {
    const auto limit = fmt::format(",\"gas\":\"{:#x}\"", gas);
    return {"eth_call", "[" + message_json(from, to, data, limit) + "," + quoted(block) + "]"};
}

RpcCall estimate_gas_request(const channel::Address& from, const channel::Address& to,
                             channel::BytesView data) {
    return {"eth_estimateGas", "[" + message_json(from, to, data) + "]"};
}

RpcCall transaction_count_request(const channel::Address& address, const BlockTag& block) {
    return {"eth_getTransactionCount", "[" + quoted(address) + "," + quoted(block) + "]"};
}

RpcCall balance_request(const channel::Address& address) {
    return {"eth_getBalance", "[" + quoted(address) + ",\"latest\"]"};
}

RpcCall send_raw_transaction_request(channel::BytesView raw) {
    return {"eth_sendRawTransaction", "[\"" + channel::to_hex(raw) + "\"]"};
}

RpcCall receipt_request(const channel::TransactionHash& hash) {
    return {"eth_getTransactionReceipt", "[" + quoted(hash) + "]"};
}

RpcCall logs_request(const channel::Address& contract, std::uint64_t from, std::uint64_t to,
                     const std::vector<Word>& topics) {
    std::string alternatives;
    for (const auto& topic : topics) {
        alternatives += (alternatives.empty() ? "" : ",") + quoted(topic);
    }
    return {"eth_getLogs",
            "[{\"address\":" + quoted(contract) + ",\"fromBlock\":" + quoted_number(from) +
                ",\"toBlock\":" + quoted_number(to) +
                (topics.empty() ? "" : ",\"topics\":[[" + alternatives + "]]") + "}]"};
}

RpcResult<std::uint64_t> read_number(std::string_view text, std::uint64_t id) {
    return read(text, id, [](const json::value& value) { return number_of(value, "result"); });
}

RpcResult<Word> read_quantity(std::string_view text, std::uint64_t id) {
    return read(text, id, [](const json::value& value) { return quantity_of(value, "result"); });
}

RpcResult<channel::Bytes> read_bytes(std::string_view text, std::uint64_t id) {
    return read(text, id, [](const json::value& value) { return bytes_of(value, "result"); });
}

RpcResult<channel::TransactionHash> read_hash(std::string_view text, std::uint64_t id) {
    return read(text, id, [](const json::value& value) {
        return fixed_of<channel::TransactionHash>(value, "result");
    });
}

RpcResult<std::optional<Block>> read_block(std::string_view text, std::uint64_t id) {
    return read(text, id, block_of);
}

RpcResult<std::optional<Receipt>> read_receipt(std::string_view text, std::uint64_t id) {
    return read(text, id, receipt_of);
}

RpcResult<std::vector<Log>> read_logs(std::string_view text, std::uint64_t id) {
    return read(text, id, logs_of);
}

}  // namespace millrace::ledger::chain
