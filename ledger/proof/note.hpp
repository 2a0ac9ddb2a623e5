#pragma once

#include "channel/bytes.hpp"
#include "ledger/proof/tree.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace millrace::ledger {

using Ed25519Seed = channel::FixedBytes<struct Ed25519SeedTag, 32>;
using Ed25519PublicKey = channel::FixedBytes<struct Ed25519PublicKeyTag, 32>;

/// A key that signed notes are checked with (C2SP signed-note, "Verifier keys").
struct NoteKey {
    std::string name;
    Ed25519PublicKey key;

    /// First four bytes of SHA-256(name ‖ 0x0a ‖ 0x01 ‖ key).
    std::uint32_t hash() const;
    /// name+hash+base64(0x01 ‖ key)
    std::string text() const;
    /// Nullopt when it is malformed, of another algorithm, or its hash is not right.
    static std::optional<NoteKey> parse(std::string_view text);
};

/// Signs notes by Ed25519 under a name. Throws std::invalid_argument for a name that a note cannot
/// carry: it must not be empty nor have spaces or '+'.
class NoteSigner {
public:
    NoteSigner(std::string name, const Ed25519Seed& seed);

    const NoteKey& key() const { return key_; }
    /// `text` ends with a newline; gives it back with an empty line and the signature line.
    std::string sign(std::string text) const;

private:
    struct Release {
        void operator()(evp_pkey_st* key) const;
    };
    std::unique_ptr<evp_pkey_st, Release> secret_;
    NoteKey key_;
};

/// The text of a note that `key` has signed; nullopt when it has not. Signatures of others are
/// passed over, as the format demands.
std::optional<std::string> open_note(std::string_view note, const NoteKey& key);

/// A tree head (C2SP tlog-checkpoint).
struct TreeHead {
    std::string origin;
    std::uint64_t size = 0;
    TreeHash root;
    /// Size of the head that was signed before, 0 for the first: an extension line of ours, so that
    /// no head can be taken away unseen. Nullopt in heads of other logs.
    std::optional<std::uint64_t> previous{};

    /// Three lines, the root in base64, and the extension.
    std::string text() const;
    /// Other extensions are passed over.
    static std::optional<TreeHead> parse(std::string_view text);
};

std::string to_base64(channel::BytesView bytes);
/// Nullopt unless it is canonical, with padding.
std::optional<channel::Bytes> parse_base64(std::string_view text);

}  // namespace millrace::ledger
