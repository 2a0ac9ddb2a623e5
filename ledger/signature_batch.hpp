#pragma once

#include "channel/secp256k1.hpp"
#include "ledger/channel_batch.hpp"
#include "ledger/key_tables.hpp"

#include <cstddef>
#include <vector>

namespace millrace::ledger {

/// The signatures of a batch, checked all at once before it is decided.
class SignatureBatch {
public:
    explicit SignatureBatch(std::size_t key_tables_max) : key_tables_(key_tables_max) {}

    /// Few keys get a table in one batch.
    void begin();
    /// Whether they are of the batch in hand or of a later one, for which no key gets a table.
    enum class Of { this_batch, a_later_one };
    /// Those that will be asked for, as far as can be told, and are not known to be good.
    void add(LiveChannel& channel, const std::vector<BatchItem*>& items, Checking checking,
             Time now, Of batch = Of::this_batch);
    /// Marks the items whose vouchers are signed, and forgets them all.
    void check();

private:
    KeyTables key_tables_;
    std::vector<channel::SignatureQuestion> questions_;
    std::vector<BatchItem*> asked_;
};

}  // namespace millrace::ledger
