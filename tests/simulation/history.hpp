#pragma once

#include "tests/simulation/escrow.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/reference.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace simulation {

/// How often something happened, by name: shows that a history was not an empty one.
using Counts = std::map<std::string, std::uint64_t>;

/// Many channels, each living through commands of its parties and events of its contract, which
/// arrive late but in order. After every step the channel is compared with its reference, and all
/// tokens are counted. The first difference is kept in `failure()` and ends the history.
class History {
public:
    History(std::uint64_t seed, std::size_t channels);

    void run(std::uint64_t steps);
    /// Delivers what the chain still holds back; afterwards books and contract agree.
    void settle();

    const std::string& failure() const { return failure_; }
    const Counts& counts() const { return counts_; }

private:
    static constexpr millrace::channel::Limits kLimits{.reservations_max = 4};

    struct Channel {
        Escrow escrow;
        Reference reference{kLimits.reservations_max};
        millrace::channel::State state{};
        /// An event, and the contract as it was before.
        struct OnChain {
            ChainEvent event;
            Escrow before;
        };
        std::deque<OnChain> undelivered{};
        /// The newest of those delivered, as far back as a reorganisation may go.
        std::deque<OnChain> delivered{};
    };
    static constexpr std::size_t kDeepest = 8;

    void step(Channel& channel);
    void pay(Channel& channel);
    void authorize(Channel& channel);
    void accept(Channel& channel);
    void charge(Channel& channel);
    void release(Channel& channel);
    void act_on_chain(Channel& channel);
    void deliver(Channel& channel);
    /// The contract loses some of its newest events, delivered or not.
    void reorganise(Channel& channel);
    void undo_newest(Channel& channel);
    void reconcile(Channel& channel);
    void check(const Channel& channel);
    void fail(const std::string& what);

    template <class Command, class Decision>
    void carry_out(Channel& channel, const Command& command, const Decision& decision);

    millrace::channel::Amount some_amount(const Channel& channel);
    millrace::channel::SignedVoucher some_voucher(const Channel& channel,
                                                  millrace::channel::Amount amount);
    millrace::channel::InferenceId some_inference(const Channel& channel, bool known);

    std::uint64_t seed_;
    std::uint64_t now_ = 1'000;
    std::uint64_t vouchers_made_ = 0;
    Random random_;
    std::vector<Channel> channels_;
    std::string failure_;
    Counts counts_;
};

}  // namespace simulation
