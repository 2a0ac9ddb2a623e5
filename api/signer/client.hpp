#pragma once

#include "api/descriptor.hpp"
#include "api/signer/wire.hpp"
#include "ledger/chain/signer.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace millrace::api {

/// The signer in another process, asked over its socket. One question at a time, each with a
/// deadline; a connection that is gone is made anew. A thread of its own looks every second whether
/// it is there: while it is not, questions fail at once.
class SignerClient final : public ledger::chain::Signer {
public:
    /// Asks who it is. Throws SignerUnavailable when there is no answer.
    SignerClient(std::string socket, std::chrono::milliseconds timeout);
    ~SignerClient() override;

    channel::Address authorizer() const override { return identity_.authorizer; }
    channel::Address relayer() const override { return identity_.relayer; }
    ledger::chain::SignerHealth health() const override;
    ledger::chain::ContractPayers contract_payers() const override { return contract_payers_; }
    channel::Signature sign_claims(const ledger::chain::EscrowContract& escrow,
                                   std::span<const ledger::chain::VoucherClaim> rows) override;
    channel::Signature sign_refund(const ledger::chain::EscrowContract& escrow,
                                   const channel::ChannelConfig& config, const channel::Word& nonce,
                                   channel::Amount amount) override;
    channel::Signature sign_transaction(const ledger::chain::Transaction& transaction) override;

private:
    using Deadline = std::chrono::steady_clock::time_point;

    channel::Signature signature(const SignerQuestion& question);
    SignerAnswer ask(const SignerQuestion& question);
    SignerAnswer ask_now(const SignerQuestion& question);
    SignerAnswer exchange(const std::string& frame, Deadline deadline);
    void connect();
    HelloAnswer hello();
    bool look(bool was_available);
    void keep_looking();
    [[noreturn]] void fail(const std::string& why);

    std::string path_;
    std::chrono::milliseconds timeout_;
    /// Guards the connection.
    std::mutex mutex_;
    Descriptor socket_{-1};
    HelloAnswer identity_;
    std::atomic<bool> available_{false};
    /// Unlike the keys, this may be another after each start of the signer.
    std::atomic<ledger::chain::ContractPayers> contract_payers_{
        ledger::chain::ContractPayers::refused};
    std::atomic<std::uint64_t> refusals_{0};
    std::mutex ending_mutex_;
    std::condition_variable ending_changed_;
    bool ending_ = false;
    std::thread looking_;
};

}  // namespace millrace::api
