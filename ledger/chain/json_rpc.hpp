#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "ledger/chain/escrow_events.hpp"

#include <boost/system/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::ledger::chain {

/// Why a call of a node gave nothing.
struct RpcFailure {
    enum class Kind {
        /// No answer: connection, time-out, HTTP status.
        transport,
        /// An answer that is not as the specification has it.
        malformed,
        /// The node's own error.
        node,
    };
    Kind kind = Kind::malformed;
    std::int64_t code = 0;
    /// For people; the node's text is bounded and printable.
    std::string message;
    /// Revert data, if any.
    channel::Bytes data;

    /// The contract refused, as opposed to the node.
    bool reverted() const;
    /// The call needs more gas than it was given.
    bool ran_out_of_gas() const;
};

/// For RpcResult::value(): throws std::runtime_error with the message.
[[noreturn]] void throw_exception_from_error(const RpcFailure& failure,
                                             const boost::source_location& where);

template <class T>
using RpcResult = boost::system::result<T, RpcFailure>;

/// Method and parameters of a JSON-RPC 2.0 call, and its whole text.
struct RpcCall {
    std::string method;
    /// A JSON array.
    std::string params;
};
std::string to_json(const RpcCall& call, std::uint64_t id);

/// Which state a call is answered from: a block by number, the newest, or with what is pending.
class BlockTag {
public:
    static BlockTag latest() { return BlockTag("latest"); }
    static BlockTag pending() { return BlockTag("pending"); }
    static BlockTag number(std::uint64_t block);
    const std::string& text() const { return text_; }

private:
    explicit BlockTag(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

RpcCall chain_id_request();
RpcCall code_request(const channel::Address& address);
RpcCall block_request(const BlockTag& block);
RpcCall call_request(const channel::Address& from, const channel::Address& to,
                     channel::BytesView data, const BlockTag& block);
/// The same with at most so much gas.
RpcCall call_request(const channel::Address& from, const channel::Address& to,
                     channel::BytesView data, const BlockTag& block, std::uint64_t gas);
RpcCall estimate_gas_request(const channel::Address& from, const channel::Address& to,
                             channel::BytesView data);
RpcCall transaction_count_request(const channel::Address& address, const BlockTag& block);
RpcCall balance_request(const channel::Address& address);
RpcCall send_raw_transaction_request(channel::BytesView raw);
RpcCall receipt_request(const channel::TransactionHash& hash);
/// Logs of one contract from one block to another, both included; `topics` are alternatives for
/// topic 0, none: all.
RpcCall logs_request(const channel::Address& contract, std::uint64_t from, std::uint64_t to,
                     const std::vector<channel::Word>& topics);

struct Block {
    std::uint64_t number = 0;
    channel::BlockHash hash;
    channel::BlockHash parent;
    std::uint64_t timestamp = 0;
    /// Wei per gas; zero before EIP-1559.
    channel::Amount base_fee;

    friend bool operator==(const Block&, const Block&) = default;
};

struct Receipt {
    channel::TransactionHash transaction;
    bool succeeded = false;
    std::uint64_t block_number = 0;
    channel::BlockHash block_hash;
    std::uint64_t gas_used = 0;
    channel::Amount gas_price;
    std::vector<Log> logs;

    friend bool operator==(const Receipt&, const Receipt&) = default;
};

/// The answer to the call with that id. Quantities are "0x" and hex digits without leading zeros
/// (Ethereum execution API); anything else, and an answer to another id, is malformed.
RpcResult<std::uint64_t> read_number(std::string_view text, std::uint64_t id);
RpcResult<channel::Word> read_quantity(std::string_view text, std::uint64_t id);
RpcResult<channel::Bytes> read_bytes(std::string_view text, std::uint64_t id);
RpcResult<channel::TransactionHash> read_hash(std::string_view text, std::uint64_t id);
/// Nullopt when the node does not know the block, or the transaction is not mined.
RpcResult<std::optional<Block>> read_block(std::string_view text, std::uint64_t id);
RpcResult<std::optional<Receipt>> read_receipt(std::string_view text, std::uint64_t id);
/// Refuses logs that are marked as removed.
RpcResult<std::vector<Log>> read_logs(std::string_view text, std::uint64_t id);

}  // namespace millrace::ledger::chain
