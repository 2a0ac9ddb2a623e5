#include "api/gate/byte_room.hpp"

#include <catch2/catch.hpp>

#include <optional>

using millrace::api::gate::ByteRoom;

TEST_CASE("room: holds so much in all and for each customer", "[gate]") {
    ByteRoom room({.bytes_max = 100, .bytes_per_customer_max = 60});
    std::optional<ByteRoom::Share> first(std::in_place, room, "a");
    ByteRoom::Share second(room, "a");
    ByteRoom::Share other(room, "b");
    CHECK(first->grow(40));
    CHECK_FALSE(second.grow(21));
    CHECK(second.grow(20));
    CHECK_FALSE(other.grow(41));
    CHECK(other.grow(40));
    CHECK(room.held() == 100);
    first.reset();
    CHECK(room.held() == 60);
    CHECK(second.grow(40));
}

TEST_CASE("room: is given back once, by whoever has the share last", "[gate]") {
    ByteRoom room({.bytes_max = 100, .bytes_per_customer_max = 100});
    {
        ByteRoom::Share first(room, "a");
        CHECK(first.grow(30));
        ByteRoom::Share moved(std::move(first));
        CHECK(moved.grow(30));
        CHECK(room.held() == 60);
        moved.give_back();
        CHECK(room.held() == 0);
    }
    CHECK(room.held() == 0);
    ByteRoom::Share none;
    none.give_back();
}
