#include "channel/keccak.hpp"

#include <cryptopp/keccak.h>

namespace millrace::channel {
namespace {

/// The state lives on the stack; nothing is allocated.
class Hasher {
public:
    void add(BytesView bytes) {
        if (!bytes.empty()) keccak_.Update(bytes.data(), bytes.size());
    }

    Digest finish() {
        Digest digest;
        keccak_.TruncatedFinal(digest.bytes.data(), Digest::size);
        return digest;
    }

private:
    CryptoPP::Keccak_256 keccak_;
};

}  // namespace

Digest keccak256(BytesView bytes) {
    Hasher hasher;
    hasher.add(bytes);
    return hasher.finish();
}

Digest keccak256(std::initializer_list<BytesView> parts) {
    Hasher hasher;
    for (const BytesView part : parts) hasher.add(part);
    return hasher.finish();
}

Digest keccak256(std::string_view text) {
    return keccak256(BytesView{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace millrace::channel
