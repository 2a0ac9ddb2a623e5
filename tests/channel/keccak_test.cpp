#include "channel/keccak.hpp"

#include "tests/support/print.hpp"
#include "tests/support/vectors.hpp"

namespace millrace::channel {
namespace {

using support::Vector;

BytesView bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST_CASE("keccak: agrees with independent implementations", "[channel][keccak][vectors]") {
    const auto vectors = Vector::load("evm-primitives.json")["keccak256"].items();
    REQUIRE(vectors.size() == 6);
    for (const auto& vector : vectors) {
        const std::string text = vector["utf8"].text();
        CAPTURE(text);
        CHECK(to_hex(keccak256(text)) == vector["hash"].text());
        CHECK(to_hex(keccak256(bytes_of(text))) == vector["hash"].text());
    }
}

TEST_CASE("keccak: of parts is that of their concatenation", "[channel][keccak]") {
    const std::string text(300, 'm');
    const std::string_view view = text;
    for (const std::size_t cut : {0u, 1u, 135u, 136u, 137u, 271u, 272u, 273u, 300u}) {
        CAPTURE(cut);
        const BytesView head = bytes_of(view.substr(0, cut));
        const BytesView tail = bytes_of(view.substr(cut));
        CHECK(keccak256({head, BytesView{}, tail}) == keccak256(text));
    }
    CHECK(keccak256(BytesView{}) == keccak256(""));
}

TEST_CASE("keccak: selectors and topics are the hashes of their signatures",
          "[channel][keccak][vectors]") {
    const Vector file = Vector::load("payment-protocols.json");
    std::size_t checked = 0;
    for (const auto* protocol : {"x402_batch_settlement", "mpp_evm_session"}) {
        for (const auto* kind : {"selectors", "topics", "errors"}) {
            for (const auto& [signature, hash] : file[protocol][kind].members()) {
                CAPTURE(signature);
                CHECK(to_hex(keccak256(signature)).starts_with(hash.text()));
                ++checked;
            }
        }
    }
    CHECK(checked > 50);
}

}  // namespace
}  // namespace millrace::channel
