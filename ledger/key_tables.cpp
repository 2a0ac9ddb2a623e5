#include "ledger/key_tables.hpp"

#include <cstring>

namespace millrace::ledger {
namespace {

constexpr std::size_t kMadeInBatchMax = 16;
/// Where more keys are at work than there is room for, they must not take each other's.
constexpr std::chrono::seconds kKeptFor{10};

}  // namespace

std::size_t KeyTables::HashOfKey::operator()(const channel::PublicKey& key) const {
    std::size_t hash = 0;
    std::memcpy(&hash, channel::coordinates(key).data(), sizeof hash);
    return hash;
}

KeyTables::KeyTables(std::size_t most) : most_(most) {
    if (most > 0) channel::prepare_known_keys();
}

const channel::KnownKey* KeyTables::find(const channel::PublicKey& key, std::uint32_t signatures,
                                         Time now) {
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
        kept_.splice(kept_.begin(), kept_, found->second);
        kept_.front().used = now;
        return kept_.front().table.get();
    }
    if (signatures < channel::table_pays_from() || made_in_batch_ >= kMadeInBatchMax ||
        !make_room(now))
        return nullptr;
    ++made_in_batch_;
    kept_.push_front({std::make_unique<const channel::KnownKey>(key), now});
    by_key_.emplace(key, kept_.begin());
    return kept_.front().table.get();
}

bool KeyTables::make_room(Time now) {
    if (kept_.size() < most_) return true;
    if (kept_.empty() || now - kept_.back().used < kKeptFor) return false;
    by_key_.erase(kept_.back().table->key());
    kept_.pop_back();
    return true;
}

}  // namespace millrace::ledger
