#pragma once

#include "api/cli/bench/load.hpp"
#include "api/cli/demo/party.hpp"
#include "api/cli/demo/stack.hpp"
#include "channel/amount.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace::api::bench {

/// For a stack of very many channels: all of the chain's state, written down time and again, would
/// take more of the machine than the service does.
inline const std::vector<std::string> kQuietChain{"--chain-state-seconds", "86400"};

/// Payers with tokens of the development chain, who open channels of `deposit` each.
class Payers {
public:
    Payers(const ReadyStack& stack, std::size_t count, channel::Amount deposit);

    /// Opens `count` channels, dealt to the payers in turn (or to the first `of` of them), all to
    /// one receiver and each with a voucher signer of its own. The payers sign gasless deposits
    /// (ERC-3009), which an account of the chain sends, many in one transaction; then each channel
    /// is opened as one that is funded already, so that nobody waits for blocks. Throws
    /// std::runtime_error.
    std::vector<LoadChannel> open(std::size_t count, std::size_t of = SIZE_MAX);

    const DemoParty& first() const { return parties_.front(); }

private:
    /// From `first` on, as many as one block takes.
    void fund_block(const std::vector<LoadChannel>& channels, std::size_t first);
    void open_funded(const std::vector<LoadChannel>& channels);
    /// Whose channel number `n` is.
    DemoParty& owner(std::size_t n) { return parties_[n % dealt_to_]; }

    LoopbackPort rpc_;
    StreamAddress stream_;
    channel::Amount deposit_;
    std::vector<DemoParty> parties_;
    std::size_t dealt_to_ = 0;
    DemoNetwork network_;
    channel::Address receiver_;
    /// An account of the chain that pays for the gas.
    std::string sender_;
};

/// How many payers are to share so many channels: few enough channels for each that the service's
/// limits for one payer do not matter.
std::size_t payers_for(std::size_t channels);

}  // namespace millrace::api::bench
