#pragma once

#include "channel/bytes.hpp"
#include "channel/secp256k1.hpp"

#include <memory>
#include <span>

namespace millrace::channel {

namespace curve {
class PointTable;
}

/// A key with a table of its multiples (52 KiB), with which its signatures are the quickest to
/// check. Worth its making, which costs as much as some checks without it, for keys that sign again
/// and again. Immutable: any thread may use it.
class KnownKey {
public:
    /// Of a default-made key nothing is ever found good.
    explicit KnownKey(const PublicKey& key);
    KnownKey(const KnownKey&) = delete;
    ~KnownKey();

    const PublicKey& key() const { return key_; }

private:
    friend class SignatureSums;
    PublicKey key_;
    std::unique_ptr<const curve::PointTable> table_;
};

/// Is `signature` over `digest` one of `key`, v included?
struct SignatureQuestion {
    Digest digest;
    const Signature* signature = nullptr;
    const PublicKey* key = nullptr;
    /// Of the same key, where there is one.
    const KnownKey* known = nullptr;
    /// The answer. True: `recover` gives the key. False: that is not known, ask `recover`; good
    /// signatures end here only if they were made to.
    bool is_good = false;
};

/// Makes what all keys share, which takes some 10 ms. The first `answer` does so otherwise.
void prepare_known_keys();

/// Whether keys need no table on this processor.
bool answers_without_table();

/// Checks by a key after which its table is worth its making.
std::uint32_t table_pays_from();

/// Whether `answer` is quicker than to ask `recover` of each.
bool answer_pays(std::span<const SignatureQuestion> questions);

/// Answers many at once, which is what makes it quick: R = u1·G + u2·Q (SEC 1, section 4.1.4) for
/// all of them as sums from tables. Where the processor has lanes for it (curve/term_sums.hpp),
/// keys need no table. Checks the form of the signatures as well.
void answer(std::span<SignatureQuestion> questions);

}  // namespace millrace::channel
