#include "tests/simulation/escrow.hpp"

#include <algorithm>
#include <utility>

namespace simulation {

using namespace millrace::channel;

std::optional<ChainEvent> Escrow::deposit(const Wide& amount) {
    if (amount <= 0 || amount > wallet_ || balance_ + amount > kAmountMax) return std::nullopt;
    wallet_ -= amount;
    balance_ += amount;
    return DepositConfirmed{nearest_amount(amount)};
}

std::optional<ChainEvent> Escrow::claim(const Wide& total, const Wide& max_claimable) {
    if (total <= claimed_ || total > max_claimable || total > balance_) return std::nullopt;
    claimed_ = total;
    return ClaimConfirmed{nearest_amount(total)};
}

std::optional<ChainEvent> Escrow::initiate_withdraw(const Wide& amount, std::uint64_t now) {
    if (pending_since_ != 0 || amount <= 0 || amount > available()) return std::nullopt;
    pending_ = amount;
    pending_since_ = now;
    return WithdrawalRequested{now, nearest_amount(amount)};
}

std::optional<ChainEvent> Escrow::finalize_withdraw(std::uint64_t now) {
    if (pending_since_ == 0 || now < pending_since_ + kWithdrawDelay) return std::nullopt;
    pending_since_ = 0;
    return WithdrawalFinalized{nearest_amount(pay_back(std::exchange(pending_, 0)))};
}

ChainEvent Escrow::refund(const Wide& amount) {
    ++refund_nonce_;
    const Wide paid = pay_back(amount);
    pending_ -= std::min<Wide>(pending_, paid);
    if (pending_ == 0) pending_since_ = 0;
    return RefundConfirmed{nearest_amount(paid)};
}

Wide Escrow::pay_back(const Wide& amount) {
    const Wide paid = std::min<Wide>(amount, available());
    balance_ -= paid;
    wallet_ += paid;
    return paid;
}

bool Escrow::conserves() const {
    return wallet_ >= 0 && claimed_ >= 0 && claimed_ <= balance_ && wallet_ + balance_ == tokens_;
}

}  // namespace simulation
