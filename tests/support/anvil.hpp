#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/secp256k1.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace support {

/// A development chain of its own, on a free port of the loopback interface, with the escrow, its
/// collectors and Permit2's stand-in at their canonical addresses and a token of six decimals. Ends
/// with the test.
class Anvil {
public:
    /// Further command line arguments.
    explicit Anvil(std::vector<std::string> arguments = {});
    ~Anvil();
    Anvil(const Anvil&) = delete;
    Anvil& operator=(const Anvil&) = delete;

    static constexpr std::uint64_t kChainId = 31337;
    std::string url() const;
    std::uint16_t port() const { return port_; }
    const millrace::channel::Address& token() const { return token_; }

    /// Anvil's well-known account number 0 … 9: holds coin, and 1,000,000 units of the token.
    static millrace::channel::SecretKey key(unsigned account);
    static std::string key_hex(unsigned account);

    /// A call of the node; its result as JSON text. Throws with the node's message.
    std::string rpc(std::string_view method, std::string_view params);

    void mine(unsigned blocks);
    std::uint64_t block_number();
    /// A transaction of one of the accounts, mined at once; throws when it is refused or reverts.
    millrace::channel::TransactionHash send(unsigned account, const millrace::channel::Address& to,
                                            const millrace::channel::Bytes& data);
    /// A contract of account 0, by its creation code as hex text and its constructor's arguments.
    millrace::channel::Address deploy(std::string_view creation,
                                      const millrace::channel::Bytes& arguments);
    millrace::channel::Bytes call(const millrace::channel::Address& to,
                                  const millrace::channel::Bytes& data);
    millrace::channel::Amount token_balance(const millrace::channel::Address& holder);

    /// A word of a contract's storage, as 64 hex digits after "0x".
    std::string storage(const millrace::channel::Address& contract, const std::string& slot);
    void set_storage(const millrace::channel::Address& contract, const std::string& slot,
                     const std::string& word);
    /// `code` in hex. An account that had none is a contract afterwards.
    void set_code(const millrace::channel::Address& address, std::string_view code);
    /// Where the escrow keeps balance and total claimed of a channel.
    static std::string channel_slot(const millrace::channel::ChannelId& id);

    /// Stops answering until `resume`, as a node that hangs.
    void suspend();
    void resume();

private:
    void start(const std::vector<std::string>& arguments);
    bool answers();
    void deploy_token();
    std::string receipt_member(const std::string& hash, std::string_view name);

    pid_t process_ = 0;
    std::uint16_t port_ = 0;
    millrace::channel::Address token_;
};

/// The addresses that are the same on every chain.
millrace::channel::Address escrow_address();
millrace::channel::Address collector_address();
millrace::channel::Address permit2_collector_address();

}  // namespace support
