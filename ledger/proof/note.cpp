#include "ledger/proof/note.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace millrace::ledger {
namespace {

constexpr std::uint8_t kEd25519 = 1;
constexpr std::size_t kSignatureSize = 64;
constexpr std::string_view kPrevious = "previous ";
constexpr std::string_view kSignatureMark = "\xe2\x80\x94 ";

channel::BytesView bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

bool is_name(std::string_view name) {
    return !name.empty() && name.find_first_of(" +\n\t\r") == std::string_view::npos;
}

std::string big_endian(std::uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
    return bytes;
}

struct ContextDeleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

bool is_signed(std::string_view text, channel::BytesView signature, const NoteKey& key) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> handle(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.key.bytes.data(),
                                    Ed25519PublicKey::size),
        EVP_PKEY_free);
    const Context context(EVP_MD_CTX_new());
    const auto message = bytes_of(text);
    return handle &&
           EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, handle.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                            message.size()) == 1;
}

/// The line up to the next newline, cut off the front of `text`; nullopt when there is none.
std::optional<std::string_view> take_line(std::string_view& text) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base) {
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

}  // namespace

std::string to_base64(channel::BytesView bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                     static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

std::optional<channel::Bytes> parse_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    channel::Bytes bytes(text.size() / 4 * 3);
    const int size =
        EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                        static_cast<int>(text.size()));
    if (size < 0) return std::nullopt;
    const auto padding = std::count(
        text.end() - std::min<std::ptrdiff_t>(2, text.end() - text.begin()), text.end(), '=');
    bytes.resize(bytes.size() - static_cast<std::size_t>(padding));
    if (to_base64(bytes) != text) return std::nullopt;
    return bytes;
}

std::uint32_t NoteKey::hash() const {
    auto hashed = name + '\n' + static_cast<char>(kEd25519);
    hashed.append(reinterpret_cast<const char*>(key.bytes.data()), Ed25519PublicKey::size);
    const auto digest = sha256(bytes_of(hashed)).bytes;
    return std::uint32_t{digest[0]} << 24 | std::uint32_t{digest[1]} << 16 |
           std::uint32_t{digest[2]} << 8 | digest[3];
}

std::string NoteKey::text() const {
    channel::Bytes encoded{kEd25519};
    encoded.insert(encoded.end(), key.bytes.begin(), key.bytes.end());
    return fmt::format("{}+{:08x}+{}", name, hash(), to_base64(encoded));
}

std::optional<NoteKey> NoteKey::parse(std::string_view text) {
    const auto first = text.find('+');
    const auto second = first == std::string_view::npos ? first : text.find('+', first + 1);
    if (second == std::string_view::npos || second - first != 9) return std::nullopt;
    const auto hash = parse_number<std::uint32_t>(text.substr(first + 1, 8), 16);
    const auto encoded = parse_base64(text.substr(second + 1));
    if (!hash || !encoded || encoded->size() != 1 + Ed25519PublicKey::size ||
        encoded->front() != kEd25519)
        return std::nullopt;
    NoteKey key{std::string(text.substr(0, first)), {}};
    std::copy(encoded->begin() + 1, encoded->end(), key.key.bytes.begin());
    if (!is_name(key.name) || key.hash() != *hash) return std::nullopt;
    return key;
}

void NoteSigner::Release::operator()(EVP_PKEY* key) const {
    EVP_PKEY_free(key);
}

NoteSigner::NoteSigner(std::string name, const Ed25519Seed& seed)
    : secret_(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.bytes.data(),
                                           Ed25519Seed::size)) {
    if (!is_name(name))
        throw std::invalid_argument("\"" + name + "\" is no name for a log: no spaces, no '+'");
    key_.name = std::move(name);
    auto size = Ed25519PublicKey::size;
    if (!secret_ || EVP_PKEY_get_raw_public_key(secret_.get(), key_.key.bytes.data(), &size) != 1)
        throw std::runtime_error("Ed25519 is not available");
}

std::string NoteSigner::sign(std::string text) const {
    const Context context(EVP_MD_CTX_new());
    std::string signed_part = big_endian(key_.hash());
    const auto head = signed_part.size();
    signed_part.resize(head + kSignatureSize);
    auto size = kSignatureSize;
    const auto message = bytes_of(text);
    if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, secret_.get()) != 1 ||
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signed_part.data() + head),
                       &size, message.data(), message.size()) != 1)
        throw std::runtime_error("a note could not be signed");
    text += fmt::format("\n{}{} {}\n", kSignatureMark, key_.name, to_base64(bytes_of(signed_part)));
    return text;
}

std::optional<std::string> open_note(std::string_view note, const NoteKey& key) {
    const auto cut = note.rfind("\n\n");
    if (cut == std::string_view::npos || !note.ends_with('\n')) return std::nullopt;
    const auto text = note.substr(0, cut + 1);
    auto signatures = note.substr(cut + 2);
    const auto hash = big_endian(key.hash());
    bool is_ours = false;
    while (!signatures.empty()) {
        auto line = take_line(signatures);
        if (!line || !line->starts_with(kSignatureMark)) return std::nullopt;
        line->remove_prefix(kSignatureMark.size());
        const auto space = line->find(' ');
        if (space == std::string_view::npos) return std::nullopt;
        const auto signature = parse_base64(line->substr(space + 1));
        if (!signature || signature->size() < hash.size()) return std::nullopt;
        const channel::BytesView bytes(*signature);
        if (line->substr(0, space) != key.name ||
            !std::equal(hash.begin(), hash.end(), bytes.begin(),
                        [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; }))
            continue;
        // A note that bears a wrong signature of the key is no note (signed-note, "Verification").
        if (!is_signed(text, bytes.subspan(hash.size()), key)) return std::nullopt;
        is_ours = true;
    }
    if (!is_ours) return std::nullopt;
    return std::string(text);
}

std::string TreeHead::text() const {
    auto text = fmt::format("{}\n{}\n{}\n", origin, size, to_base64(root.view()));
    if (previous) text += fmt::format("{}{}\n", kPrevious, *previous);
    return text;
}

std::optional<TreeHead> TreeHead::parse(std::string_view text) {
    const auto origin = take_line(text);
    const auto size_line = take_line(text);
    const auto root_line = take_line(text);
    if (!origin || origin->empty() || !size_line || !root_line) return std::nullopt;
    const auto size = parse_number<std::uint64_t>(*size_line, 10);
    const auto root = parse_base64(*root_line);
    if (!size || std::to_string(*size) != *size_line || !root || root->size() != TreeHash::size)
        return std::nullopt;
    TreeHead head{std::string(*origin), *size, {}};
    std::copy(root->begin(), root->end(), head.root.bytes.begin());
    while (const auto extension = take_line(text))
        if (extension->starts_with(kPrevious))
            head.previous = parse_number<std::uint64_t>(extension->substr(kPrevious.size()), 10);
    return head;
}

}  // namespace millrace::ledger
