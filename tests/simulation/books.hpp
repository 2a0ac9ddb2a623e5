#pragma once

#include "tests/simulation/wide.hpp"

#include <array>
#include <cstddef>

namespace simulation {

/// The accounts of one channel (ledger.md, Accounts): what the contract holds, and whose it is.
enum class Account { escrow, channel, earned, claimed };

/// Double entry: each posting takes from one account what it gives to another.
class Books {
public:
    void post(Account debit, Account credit, const Wide& amount) {
        debits_[index(debit)] += amount;
        debits_[index(credit)] -= amount;
        everything_non_negative_ = everything_non_negative_ && amount >= 0;
    }

    Wide escrow() const { return debits_[index(Account::escrow)]; }
    Wide channel() const { return -debits_[index(Account::channel)]; }
    Wide earned() const { return -debits_[index(Account::earned)]; }
    Wide claimed() const { return -debits_[index(Account::claimed)]; }

    /// The books are even, and no posting or account was ever below zero.
    bool balance() const {
        return everything_non_negative_ && escrow() == channel() + earned() + claimed() &&
               channel() >= 0 && earned() >= 0 && claimed() >= 0;
    }

private:
    static std::size_t index(Account account) { return static_cast<std::size_t>(account); }

    std::array<Wide, 4> debits_{};
    bool everything_non_negative_ = true;
};

}  // namespace simulation
