#include "api/chain/node.hpp"

#include "ledger/chain/erc1271.hpp"

namespace millrace::api {

namespace chain = ledger::chain;
using chain::BlockTag;

Node::Node(boost::asio::any_io_executor executor, RpcSettings settings, channel::Address contract,
           channel::Address caller)
    : rpc_(std::move(executor), std::move(settings)), contract_(contract), caller_(caller) {}

Task<Node::Answer<std::uint64_t>> Node::chain_id() {
    return rpc_.call(chain::chain_id_request(), chain::read_number);
}

Task<Node::Answer<channel::Bytes>> Node::code(channel::Address address) {
    return rpc_.call(chain::code_request(address), chain::read_bytes);
}

Task<Node::Answer<std::optional<chain::Block>>> Node::block(BlockTag tag) {
    return rpc_.call(chain::block_request(tag), chain::read_block);
}

Task<Node::Answer<std::vector<chain::Log>>> Node::logs(std::uint64_t from, std::uint64_t to,
                                                       std::vector<channel::Word> topics) {
    return rpc_.call(chain::logs_request(contract_, from, to, topics), chain::read_logs);
}

Task<Node::Answer<channel::Bytes>> Node::call(channel::Address to, channel::Bytes data,
                                              BlockTag tag) {
    return rpc_.call(chain::call_request(caller_, to, data, tag), chain::read_bytes);
}

Task<Node::Answer<channel::Bytes>> Node::call(channel::Address to, channel::Bytes data,
                                              BlockTag tag, std::uint64_t gas) {
    return rpc_.call(chain::call_request(caller_, to, data, tag, gas), chain::read_bytes);
}

Task<Node::Answer<std::uint64_t>> Node::estimate_gas(channel::Bytes data) {
    return rpc_.call(chain::estimate_gas_request(caller_, contract_, data), chain::read_number);
}

Task<Node::Answer<std::uint64_t>> Node::transaction_count(BlockTag tag) {
    return rpc_.call(chain::transaction_count_request(caller_, tag), chain::read_number);
}

Task<Node::Answer<channel::Word>> Node::coin_balance(channel::Address holder) {
    return rpc_.call(chain::balance_request(holder), chain::read_quantity);
}

Task<Node::Answer<channel::TransactionHash>> Node::send(channel::Bytes raw) {
    return rpc_.call(chain::send_raw_transaction_request(raw), chain::read_hash);
}

Task<Node::Answer<std::optional<chain::Receipt>>> Node::receipt(channel::TransactionHash hash) {
    return rpc_.call(chain::receipt_request(hash), chain::read_receipt);
}

Task<Node::Answer<bool>> Node::says_valid(channel::Address wallet, channel::Digest digest,
                                          channel::VoucherSignature signature, BlockTag tag) {
    const auto question = chain::is_valid_signature_call(digest, signature.view());
    const auto request =
        chain::call_request(contract_, wallet, question, tag, chain::kErc1271GasMax);
    const auto answer = co_await rpc_.call(request, chain::read_bytes);
    if (!answer) co_return answer.error();
    co_return chain::says_valid(*answer);
}

}  // namespace millrace::api
