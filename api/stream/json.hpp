#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::api::stream {

/// One value of a parsed text. Cheap to copy; lives as long as the parser holds the text.
class Json {
public:
    enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

    Kind kind() const { return node_->kind; }
    bool is(Kind kind) const { return node_->kind == kind; }
    /// Of a member of an object, unescaped.
    std::string_view key() const { return node_->key; }
    /// A string unescaped; a number, true, false and null as they were written.
    std::string_view text() const { return node_->text; }

    /// Elements of an array or members of an object; none for anything else.
    class Iterator;
    Iterator begin() const;
    Iterator end() const;
    std::size_t size() const;
    std::optional<Json> member(std::string_view key) const;

    /// Without white space; numbers as they were written, strings with as few escapes as possible.
    void append_compact(std::string& out) const;

    /// True if some object in this value has a key twice; `name` is then the key.
    bool has_duplicate_key(std::string_view& name) const;

private:
    friend class JsonParser;
    struct Node {
        Kind kind = Kind::null;
        /// A key of an object stands twice in it.
        bool duplicate = false;
        /// Values in this one, itself included.
        std::uint32_t span = 1;
        std::string_view key;
        std::string_view text;
    };
    explicit Json(const Node* node) : node_(node) {}
    const Node* node_;
};

class Json::Iterator {
public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Json;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = Json;

    Iterator() = default;
    explicit Iterator(const Node* node) : node_(node) {}
    Json operator*() const { return Json(node_); }
    Iterator& operator++() {
        node_ += node_->span;
        return *this;
    }
    Iterator operator++(int) {
        const auto before = *this;
        ++*this;
        return before;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

private:
    const Node* node_ = nullptr;
};

/// Appends `text` as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

/// Strict reader of JSON texts (RFC 8259): UTF-8 that is valid also after unescaping, nothing
/// behind the value, no depth beyond the limit. Numbers are checked in form and kept as text, so
/// that none loses a digit. One parser serves one thread; each parse ends the values of the last.
class JsonParser {
public:
    /// `depth_max` objects and arrays within each other are taken.
    explicit JsonParser(std::size_t depth_max);
    ~JsonParser();

    enum class Fault { syntax, utf8, depth };
    /// The value, or what is wrong with the text.
    std::optional<Json> parse(std::string_view text);
    Fault fault() const { return fault_; }

private:
    class Reader;
    std::size_t depth_max_;
    Fault fault_ = Fault::syntax;
    std::unique_ptr<Reader> reader_;
};

/// For people, about a text that is no frame of the stream.
std::string_view sentence(JsonParser::Fault fault);

}  // namespace millrace::api::stream
