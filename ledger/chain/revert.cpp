#include "ledger/chain/revert.hpp"

#include "channel/hex.hpp"
#include "channel/keccak.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/abi.hpp"

#include <algorithm>
#include <map>
#include <string_view>

namespace millrace::ledger::chain {
namespace {

constexpr std::size_t kTextMax = 200;

constexpr std::string_view kKnown[] = {
    "AddressEmptyCode(address)",
    "ClaimExceedsBalance()",
    "ClaimExceedsCeiling()",
    "DepositCollectionFailed()",
    "DepositOverflow()",
    "ECDSAInvalidSignature()",
    "ECDSAInvalidSignatureLength(uint256)",
    "ECDSAInvalidSignatureS(bytes32)",
    "EmptyBatch()",
    "FailedCall()",
    "InvalidChannel()",
    "InvalidCollector()",
    "InvalidRefundNonce()",
    "InvalidShortString()",
    "InvalidSignature()",
    "NotAuthorizedToClaim()",
    "NotAuthorizedToFinalizeWithdraw()",
    "NotAuthorizedToRefund()",
    "NotReceiverAuthorizer()",
    "NothingToWithdraw()",
    "ReentrancyGuardReentrantCall()",
    "SafeERC20FailedOperation(address)",
    "StringTooLong(string)",
    "WithdrawAmountExceedsAvailable()",
    "WithdrawDelayNotElapsed()",
    "WithdrawDelayOutOfRange()",
    "WithdrawalAlreadyPending()",
    "WithdrawalNotPending()",
    "ZeroDeposit()",
    "ZeroRefund()",
    "NotSettlement()",
    "ERC20InsufficientAllowance(address,uint256,uint256)",
    "ERC20InsufficientBalance(address,uint256,uint256)",
    "ERC20InvalidReceiver(address)",
    "ERC3009InvalidAuthorizationTime(uint256,uint256)",
    "ERC3009InvalidSignature()",
    "ERC3009UsedAuthorization(address,bytes32)",
    "InvalidAmount(uint256)",
    "InvalidContractSignature()",
    "InvalidNonce()",
    "InvalidSignatureLength()",
    "InvalidSigner()",
    "SignatureExpired(uint256)",
};

constexpr std::string_view kText = "Error(string)";
constexpr std::string_view kPanic = "Panic(uint256)";

Selector selector_of(std::string_view signature) {
    const auto hash = channel::keccak256(signature);
    Selector selector;
    std::copy_n(hash.bytes.begin(), selector.size(), selector.begin());
    return selector;
}

const std::map<Selector, std::string_view>& names() {
    static const auto made = [] {
        std::map<Selector, std::string_view> all;
        for (const auto name : kKnown) all.emplace(selector_of(name), name);
        all.emplace(selector_of(kText), kText);
        all.emplace(selector_of(kPanic), kPanic);
        return all;
    }();
    return made;
}

std::uint64_t number_at(channel::BytesView data, std::size_t at) {
    if (data.size() < at + channel::Word::size) return 0;
    channel::Word word;
    const auto part = data.subspan(at, channel::Word::size);
    std::copy(part.begin(), part.end(), word.bytes.begin());
    const auto number = channel::uint64_from(word);
    return number ? *number : 0;
}

/// The string of Error(string); lenient, because it is only shown.
std::string text_of(channel::BytesView arguments) {
    constexpr std::size_t kStart = 2 * channel::Word::size;
    if (arguments.size() <= kStart) return std::string(kText);
    const auto size = std::min<std::uint64_t>(number_at(arguments, channel::Word::size),
                                              arguments.size() - kStart);
    std::string text;
    for (const auto byte : arguments.subspan(kStart, std::min<std::size_t>(size, kTextMax))) {
        text.push_back(byte >= ' ' && byte < 0x7f ? static_cast<char>(byte) : '?');
    }
    return text;
}

}  // namespace

std::string revert_reason(channel::BytesView data) {
    Selector selector;
    if (data.size() < selector.size()) return {};
    std::copy_n(data.begin(), selector.size(), selector.begin());
    const auto found = names().find(selector);
    if (found == names().end()) return "error " + channel::to_hex(data.first(selector.size()));
    if (found->second == kText) return text_of(data.subspan(selector.size()));
    if (found->second == kPanic) return "panic " + std::to_string(number_at(data, selector.size()));
    return std::string(found->second);
}

}  // namespace millrace::ledger::chain
