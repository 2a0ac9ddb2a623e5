#include "api/gate/charged_before.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using api::gate::ChargedBefore;
using channel::Amount;

namespace {

channel::ChannelId id_of(std::uint8_t byte) {
    channel::ChannelId id;
    id.bytes.fill(byte);
    return id;
}

const auto kChannel = id_of(1);
const ChargedBefore::Clock::time_point kNoon{std::chrono::hours{12}};
const ChargedBefore::Figures kFigures{Amount{100}, Amount{1000}};

}  // namespace

TEST_CASE("gate: what a channel was charged tells the next voucher once", "[gate]") {
    ChargedBefore before(10);
    CHECK_FALSE(before.expects(kChannel, Amount{150}, Amount{50}, kNoon));
    before.note(kChannel, kFigures, kNoon);
    CHECK_FALSE(before.expects(id_of(2), Amount{150}, Amount{50}, kNoon));
    CHECK(before.expects(kChannel, Amount{150}, Amount{50}, kNoon));
    CHECK_FALSE(before.expects(kChannel, Amount{150}, Amount{50}, kNoon));
    before.note(kChannel, {Amount{130}, Amount{1000}}, kNoon);
    CHECK(before.expects(kChannel, Amount{180}, Amount{50}, kNoon));
}

TEST_CASE("gate: no other voucher is the next one, and none beyond the balance", "[gate]") {
    ChargedBefore before(10);
    before.note(kChannel, kFigures, kNoon);
    CHECK_FALSE(before.expects(kChannel, Amount{149}, Amount{50}, kNoon));
    CHECK_FALSE(before.expects(kChannel, Amount{151}, Amount{50}, kNoon));
    CHECK_FALSE(before.expects(kChannel, Amount{1001}, Amount{901}, kNoon));
    const auto most = Amount::max();
    CHECK_FALSE(before.expects(kChannel, most, most, kNoon));
    // Asking for others has not used it up.
    CHECK(before.expects(kChannel, Amount{1000}, Amount{900}, kNoon));
}

TEST_CASE("gate: what a channel was charged is believed for a minute", "[gate]") {
    ChargedBefore before(10);
    before.note(kChannel, kFigures, kNoon);
    const auto later = kNoon + std::chrono::minutes{1};
    CHECK_FALSE(before.expects(kChannel, Amount{150}, Amount{50}, later + std::chrono::seconds{1}));
    CHECK(before.expects(kChannel, Amount{150}, Amount{50}, later));
}

TEST_CASE("gate: a refunded channel, and any beyond so many, is not believed", "[gate]") {
    ChargedBefore before(2);
    before.note(kChannel, kFigures, kNoon);
    before.forget(kChannel);
    CHECK_FALSE(before.expects(kChannel, Amount{150}, Amount{50}, kNoon));
    before.note(id_of(1), kFigures, kNoon);
    before.note(id_of(2), kFigures, kNoon);
    before.note(id_of(2), kFigures, kNoon);
    before.note(id_of(3), kFigures, kNoon);
    CHECK_FALSE(before.expects(id_of(1), Amount{150}, Amount{50}, kNoon));
    CHECK(before.expects(id_of(3), Amount{150}, Amount{50}, kNoon));
}
