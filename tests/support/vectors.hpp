#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

/// A node of a file in tests/vectors: golden values made by independent implementations. A member
/// that is missing or of another kind is an exception, which fails the test that asked.
class Vector {
public:
    /// `Vector::load("evm-primitives.json")`.
    static Vector load(std::string_view file_name);

    Vector operator[](std::string_view key) const;
    bool has(std::string_view key) const;
    bool is_object() const;
    bool is_array() const;

    std::string text() const;
    std::uint64_t number() const;
    /// The elements of an array.
    std::vector<Vector> items() const;
    /// The members of an object, in the order of the file.
    std::vector<std::pair<std::string, Vector>> members() const;

private:
    using Root = std::shared_ptr<const boost::json::value>;
    Vector(Root root, const boost::json::value* node) : root_(std::move(root)), node_(node) {}

    Root root_;
    const boost::json::value* node_;
};

}  // namespace support
