#pragma once

#include "api/cli/stream_client.hpp"
#include "channel/amount.hpp"
#include "channel/config.hpp"
#include "channel/network.hpp"
#include "channel/secp256k1.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <string>

namespace millrace::api {

/// What the parties of the demo have to know of the network.
struct DemoNetwork {
    channel::Network network;
    channel::Address contract;
    channel::Address collector;
    channel::Address token;
    channel::Address receiver_authorizer;
    channel::Digest escrow_separator;
    channel::Digest token_separator;
    std::uint64_t withdraw_delay_seconds = 0;
};
/// As `server.info` has it.
DemoNetwork demo_network(StreamClient& client, const channel::Address& collector);

/// Logs in by ERC-4361 at a service that calls itself `domain`, and signs for no other. Gives the
/// token. Throws CommandError where the service asks for something else to be signed.
std::string log_in(StreamClient& stream, const channel::SecretKey& key, const std::string& domain);

/// The same over a connection of its own, at a service that is called by its address.
std::string log_in(const StreamAddress& address, const channel::SecretKey& key);

/// A key of its own, logged in on the stream.
class DemoParty {
public:
    /// Of a new key; nobody is connected yet.
    static DemoParty make();
    /// Of a key that is there already.
    static DemoParty of(channel::SecretKey key);

    /// Connects and logs in by ERC-4361.
    void connect(const StreamAddress& address);
    /// Connects by the token of a login.
    void connect(const StreamAddress& address, const std::string& token);
    StreamClient& stream() { return *stream_; }
    const channel::SecretKey& key() const { return key_; }
    const channel::Address& address() const { return address_; }

private:
    explicit DemoParty(channel::SecretKey key) : key_(std::move(key)), address_(key_.address()) {}

    channel::SecretKey key_;
    channel::Address address_;
    std::unique_ptr<StreamClient> stream_;
};

/// A gasless deposit (ERC-3009) that the party has signed, good for an hour from now.
struct SignedDeposit {
    channel::Word salt;
    std::uint64_t valid_before = 0;
    channel::Signature signature;
};
SignedDeposit sign_deposit(const DemoNetwork& network, const DemoParty& payer,
                           const channel::ChannelId& id, channel::Amount amount);

/// As `channelConfig` has it.
boost::json::object channel_config_json(const channel::ChannelConfig& config);
/// Parameters of channel.open and channel.topUp, with a gasless deposit that the party signs.
std::string open_params(const DemoNetwork& network, const DemoParty& payer,
                        const channel::ChannelConfig& config, const std::string& app,
                        channel::Amount deposit);
std::string top_up_params(const DemoNetwork& network, const DemoParty& payer,
                          const channel::ChannelId& id, channel::Amount deposit);
/// {"maxClaimableAmount": …, "signature": …}
std::string voucher_json(const DemoNetwork& network, const DemoParty& payer,
                         const channel::ChannelId& id, channel::Amount max_claimable);

/// Unpredictable bytes.
channel::Word random_word();

}  // namespace millrace::api
