#include "api/stream/admissions.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace millrace;
using api::stream::Admissions;

namespace {

channel::ChannelId channel_id(std::uint8_t fill) {
    channel::ChannelId id;
    id.bytes.fill(fill);
    return id;
}

ledger::PaymentRequest payment(std::uint8_t channel, const std::string& detail) {
    ledger::PaymentRequest request;
    request.channel = channel_id(channel);
    request.detail = detail;
    return request;
}

std::string details(const std::vector<ledger::PaymentRequest>& payments) {
    std::string all;
    for (const auto& one : payments) {
        CHECK(one.verdict == ledger::ContractVerdict::valid);
        all += one.detail;
    }
    return all;
}

}  // namespace

TEST_CASE("admissions: none overtakes another of its channel", "[stream]") {
    Admissions admissions;
    const auto a = admissions.add(payment(1, "a"));
    const auto b = admissions.add(payment(1, "b"));
    const auto c = admissions.add(payment(1, "c"));
    const auto other = admissions.add(payment(2, "x"));
    CHECK(admissions.waiting() == 4);
    CHECK(details(admissions.admit(channel_id(1), c)).empty());
    CHECK(details(admissions.admit(channel_id(2), other)) == "x");
    CHECK(details(admissions.admit(channel_id(1), a)) == "a");
    CHECK(details(admissions.admit(channel_id(1), b)) == "bc");
    CHECK(admissions.waiting() == 0);
}

TEST_CASE("admissions: a refused one goes nowhere and holds up no other", "[stream]") {
    Admissions admissions;
    const auto a = admissions.add(payment(1, "a"));
    const auto b = admissions.add(payment(1, "b"));
    const auto c = admissions.add(payment(1, "c"));
    CHECK(details(admissions.drop(channel_id(1), b)).empty());
    CHECK(details(admissions.admit(channel_id(1), c)).empty());
    CHECK(details(admissions.drop(channel_id(1), a)) == "c");
    CHECK(admissions.waiting() == 0);
    CHECK(admissions.drop(channel_id(1), a).empty());
}
