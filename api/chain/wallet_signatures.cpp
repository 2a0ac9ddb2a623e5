#include "api/chain/wallet_signatures.hpp"

#include "channel/keccak.hpp"

#include <spdlog/spdlog.h>

namespace millrace::api {

using channel::Error;

namespace {

constexpr std::size_t kAtOnce = 32;
constexpr std::size_t kWaitingMax = 4096;
constexpr std::size_t kRememberedMax = 16'384;

channel::Digest question_of(const channel::Address& wallet, const channel::Digest& digest,
                            const channel::VoucherSignature& signature) {
    return channel::keccak256({wallet.view(), digest.view(), signature.view()});
}

}  // namespace

WalletSignatures::WalletSignatures(boost::asio::any_io_executor executor, Nodes& nodes)
    : nodes_(nodes), turns_(std::move(executor), kAtOnce) {}

Task<std::optional<Error>> WalletSignatures::refuse(channel::Address wallet, channel::Digest digest,
                                                    channel::VoucherSignature signature) {
    const auto question = question_of(wallet, digest, signature);
    if (said_yes_.contains(question)) co_return std::nullopt;
    if (waiting_ >= kWaitingMax) co_return Error::overloaded;
    ++waiting_;
    const auto refused = co_await ask(wallet, digest, std::move(signature));
    --waiting_;
    if (!refused) remember(question);
    co_return refused;
}

Task<std::optional<Error>> WalletSignatures::ask(channel::Address wallet, channel::Digest digest,
                                                 channel::VoucherSignature signature) {
    const auto turn = co_await turns_.take();
    const auto valid = co_await nodes_.says_valid(wallet, digest, std::move(signature));
    if (valid) {
        if (*valid) co_return std::nullopt;
        co_return Error::voucher_signature;
    }
    // A wallet may refuse by reverting, or by being too dear.
    const auto& failure = valid.error();
    if (failure.reverted() || failure.ran_out_of_gas()) co_return Error::voucher_signature;
    spdlog::warn("{}: a wallet cannot be asked: {}", nodes_.name(), failure.message);
    co_return Error::rpc_read_failed;
}

void WalletSignatures::remember(const channel::Digest& question) {
    if (!said_yes_.insert(question).second) return;
    said_yes_in_order_.push_back(question);
    if (said_yes_in_order_.size() <= kRememberedMax) return;
    said_yes_.erase(said_yes_in_order_.front());
    said_yes_in_order_.pop_front();
}

}  // namespace millrace::api
