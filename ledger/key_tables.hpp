#pragma once

#include "channel/known_key.hpp"
#include "channel/secp256k1.hpp"
#include "ledger/time.hpp"

#include <cstddef>
#include <list>
#include <memory>
#include <unordered_map>

namespace millrace::ledger {

/// The tables of the keys that signed most lately, `most` at once.
class KeyTables {
public:
    explicit KeyTables(std::size_t most);

    /// The key's table, which is there until it was not asked for a while and others are wanted; or
    /// null. It is made when the key has `signatures` enough behind it, few in one batch.
    const channel::KnownKey* find(const channel::PublicKey& key, std::uint32_t signatures,
                                  Time now);
    void begin_batch() { made_in_batch_ = 0; }

private:
    struct Kept {
        std::unique_ptr<const channel::KnownKey> table;
        Time used;
    };
    struct HashOfKey {
        std::size_t operator()(const channel::PublicKey& key) const;
    };

    bool make_room(Time now);

    std::size_t most_;
    std::size_t made_in_batch_ = 0;
    /// The one used last in front.
    std::list<Kept> kept_;
    std::unordered_map<channel::PublicKey, std::list<Kept>::iterator, HashOfKey> by_key_;
};

}  // namespace millrace::ledger
