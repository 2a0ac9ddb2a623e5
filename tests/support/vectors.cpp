#include "tests/support/vectors.hpp"

#include <boost/json.hpp>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace support {

Vector Vector::load(std::string_view file_name) {
    const auto path = std::string(MILLRACE_SOURCE_DIR "/tests/vectors/").append(file_name);
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    std::stringstream text;
    text << file.rdbuf();
    const auto root = std::make_shared<const boost::json::value>(boost::json::parse(text.str()));
    return {root, root.get()};
}

Vector Vector::operator[](std::string_view key) const {
    return {root_, &node_->as_object().at(key)};
}

bool Vector::has(std::string_view key) const {
    return node_->as_object().contains(key);
}
bool Vector::is_object() const {
    return node_->is_object();
}
bool Vector::is_array() const {
    return node_->is_array();
}

std::string Vector::text() const {
    return std::string(node_->as_string());
}
std::uint64_t Vector::number() const {
    return node_->to_number<std::uint64_t>();
}

std::vector<Vector> Vector::items() const {
    std::vector<Vector> found;
    for (const auto& item : node_->as_array()) found.push_back({root_, &item});
    return found;
}

std::vector<std::pair<std::string, Vector>> Vector::members() const {
    std::vector<std::pair<std::string, Vector>> found;
    for (const auto& [key, value] : node_->as_object()) {
        found.emplace_back(std::string(key), Vector{root_, &value});
    }
    return found;
}

}  // namespace support
