#include "api/stream/json.hpp"

#include <simdjson.h>

#include <algorithm>

namespace millrace::api::stream {
namespace {

namespace ondemand = simdjson::ondemand;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::size_t skip_digits(std::string_view text, std::size_t at) {
    while (at < text.size() && is_digit(text[at])) ++at;
    return at;
}

/// RFC 8259, section 6.
bool is_number(std::string_view text) {
    std::size_t at = text.starts_with('-') ? 1 : 0;
    if (at == text.size() || !is_digit(text[at])) return false;
    at = text[at] == '0' ? at + 1 : skip_digits(text, at);
    if (at < text.size() && text[at] == '.') {
        const auto digits = at + 1;
        at = skip_digits(text, digits);
        if (at == digits) return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        const auto digits = at;
        at = skip_digits(text, digits);
        if (at == digits) return false;
    }
    return at == text.size();
}

std::string_view trimmed(std::string_view text) {
    constexpr const char* kSpace = " \t\r\n";
    const auto begin = text.find_first_not_of(kSpace);
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

}  // namespace

Json::Iterator Json::begin() const {
    return Iterator(node_ + 1);
}

Json::Iterator Json::end() const {
    return Iterator(node_ + node_->span);
}

std::size_t Json::size() const {
    std::size_t count = 0;
    for (auto it = begin(); it != end(); ++it) ++count;
    return count;
}

std::optional<Json> Json::member(std::string_view key) const {
    for (const auto one : *this)
        if (one.key() == key) return one;
    return std::nullopt;
}

bool Json::has_duplicate_key(std::string_view& name) const {
    for (std::uint32_t at = 0; at < node_->span; ++at) {
        if (!node_[at].duplicate) continue;
        name = node_[at].key;
        return true;
    }
    return false;
}

void append_json_string(std::string& out, std::string_view text) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += '"';
    std::size_t plain = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto c = static_cast<unsigned char>(text[at]);
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        out.append(text, plain, at - plain);
        plain = at + 1;
        out += '\\';
        if (c == '"' || c == '\\')
            out += static_cast<char>(c);
        else if (c == '\n')
            out += 'n';
        else if (c == '\r')
            out += 'r';
        else if (c == '\t')
            out += 't';
        else
            (((out += "u00") += kDigits[c >> 4]) += kDigits[c & 15]);
    }
    out.append(text, plain);
    out += '"';
}

void Json::append_compact(std::string& out) const {
    switch (kind()) {
        case Kind::null:
        case Kind::boolean:
        case Kind::number:
            out += text();
            return;
        case Kind::string:
            append_json_string(out, text());
            return;
        case Kind::array:
        case Kind::object:
            break;
    }
    const bool object = is(Kind::object);
    out += object ? '{' : '[';
    bool first = true;
    for (const auto one : *this) {
        if (!std::exchange(first, false)) out += ',';
        if (object) {
            append_json_string(out, one.key());
            out += ':';
        }
        one.append_compact(out);
    }
    out += object ? '}' : ']';
}

/// Walks the whole text once; On-Demand checks only what it is asked for, and numbers not beyond
/// their first digit, so the rest is checked here.
class JsonParser::Reader {
public:
    enum class Stop { none, syntax, utf8, depth };

    Stop read(std::string_view text, std::size_t depth_max) {
        nodes_.clear();
        depth_left_ = depth_max;
        has_escapes_ = text.find('\\') != text.npos;
        if (read_literal(trimmed(text))) return Stop::none;
        // simdjson reads beyond the end of the text.
        text_.resize(text.size() + simdjson::SIMDJSON_PADDING);
        std::copy(text.begin(), text.end(), text_.begin());
        auto iterated = parser_.iterate(text_.data(), text.size(), text_.size());
        ondemand::document document;
        if (const auto error = std::move(iterated).get(document)) return stop(error);
        if (!is_nest_or_string(trimmed(text))) return Stop::syntax;
        if (const auto error = read_value(document, {})) return stop(error);
        // Only at the very end there is no location.
        if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
            return stop(simdjson::TRAILING_CONTENT);
        return Stop::none;
    }

    const Json::Node* root() const { return nodes_.data(); }

private:
    Stop stop(simdjson::error_code error) const {
        if (too_deep_) return Stop::depth;
        return error == simdjson::UTF8_ERROR ? Stop::utf8 : Stop::syntax;
    }

    static bool is_nest_or_string(std::string_view text) {
        return text.starts_with('{') || text.starts_with('[') || text.starts_with('"');
    }

    /// A number, true, false or null as the whole text, of whose end On-Demand is not sure.
    bool read_literal(std::string_view text) {
        if (is_number(text))
            add(Json::Kind::number, {}, text);
        else if (text == "true" || text == "false")
            add(Json::Kind::boolean, {}, text);
        else if (text == "null")
            add(Json::Kind::null, {}, text);
        return !nodes_.empty();
    }

    /// A document or a value: both have the same questions, yet no common type.
    template <class Value>
    simdjson::error_code read_value(Value& value, std::string_view key) {
        too_deep_ = false;
        ondemand::json_type type;
        if (const auto error = value.type().get(type)) return error;
        switch (type) {
            case ondemand::json_type::object:
                return read_object(value, key);
            case ondemand::json_type::array:
                return read_array(value, key);
            case ondemand::json_type::string:
                return read_string(value, key);
            case ondemand::json_type::number:
                return read_number(value, key);
            case ondemand::json_type::boolean: {
                bool truth = false;
                if (const auto error = value.get_bool().get(truth)) return error;
                add(Json::Kind::boolean, key, truth ? "true" : "false");
                return simdjson::SUCCESS;
            }
            case ondemand::json_type::null:
                break;
        }
        bool null = false;
        if (const auto error = simdjson::simdjson_result<bool>(value.is_null()).get(null))
            return error;
        if (!null) return simdjson::N_ATOM_ERROR;
        add(Json::Kind::null, key, "null");
        return simdjson::SUCCESS;
    }

    template <class Value>
    simdjson::error_code read_object(Value& value, std::string_view key) {
        ondemand::object object;
        if (const auto error = value.get_object().get(object)) return error;
        if (!enter()) return simdjson::DEPTH_ERROR;
        const auto at = add(Json::Kind::object, key, {});
        for (auto member : object) {
            ondemand::field field;
            if (const auto error = std::move(member).get(field)) return error;
            std::string_view name;
            if (const auto error = field.unescaped_key().get(name)) return error;
            if (!is_text(name)) return simdjson::STRING_ERROR;
            if (const auto error = read_value(field.value(), name)) return error;
        }
        leave(at);
        mark_duplicates(at);
        return simdjson::SUCCESS;
    }

    template <class Value>
    simdjson::error_code read_array(Value& value, std::string_view key) {
        ondemand::array array;
        if (const auto error = value.get_array().get(array)) return error;
        if (!enter()) return simdjson::DEPTH_ERROR;
        const auto at = add(Json::Kind::array, key, {});
        for (auto element : array) {
            ondemand::value one;
            if (const auto error = std::move(element).get(one)) return error;
            if (const auto error = read_value(one, {})) return error;
        }
        leave(at);
        return simdjson::SUCCESS;
    }

    template <class Value>
    simdjson::error_code read_string(Value& value, std::string_view key) {
        std::string_view text;
        if (const auto error = value.get_string().get(text)) return error;
        if (!is_text(text)) return simdjson::STRING_ERROR;
        add(Json::Kind::string, key, text);
        return simdjson::SUCCESS;
    }

    template <class Value>
    simdjson::error_code read_number(Value& value, std::string_view key) {
        std::string_view token;
        if (const auto error =
                simdjson::simdjson_result<std::string_view>(value.raw_json_token()).get(token))
            return error;
        token = trimmed(token);
        if (!is_number(token)) return simdjson::NUMBER_ERROR;
        // On-Demand steps over a number only when it is asked for its value, which may be none that
        // fits; a number within another value is then stepped over by what holds it.
        double ignored = 0;
        [[maybe_unused]] const auto range = value.get_double().get(ignored);
        add(Json::Kind::number, key, token);
        return simdjson::SUCCESS;
    }

    /// The bytes of the frame have been checked; an escaped lone surrogate comes out as bytes that
    /// are no UTF-8.
    bool is_text(std::string_view unescaped) const {
        return !has_escapes_ || simdjson::validate_utf8(unescaped);
    }

    std::size_t add(Json::Kind kind, std::string_view key, std::string_view text) {
        nodes_.push_back({kind, false, 1, key, text});
        return nodes_.size() - 1;
    }

    bool enter() {
        too_deep_ = depth_left_ == 0;
        if (!too_deep_) --depth_left_;
        return !too_deep_;
    }

    void leave(std::size_t at) {
        ++depth_left_;
        nodes_[at].span = static_cast<std::uint32_t>(nodes_.size() - at);
    }

    void mark_duplicates(std::size_t at) {
        keys_.clear();
        for (auto child = at + 1; child < nodes_.size(); child += nodes_[child].span)
            keys_.push_back(&nodes_[child]);
        std::sort(keys_.begin(), keys_.end(),
                  [](const auto* a, const auto* b) { return a->key < b->key; });
        for (std::size_t next = 1; next < keys_.size(); ++next)
            if (keys_[next]->key == keys_[next - 1]->key) keys_[next]->duplicate = true;
    }

    ondemand::parser parser_;
    std::string text_;
    std::vector<Json::Node> nodes_;
    std::vector<Json::Node*> keys_;
    std::size_t depth_left_ = 0;
    bool too_deep_ = false;
    bool has_escapes_ = false;
};

JsonParser::JsonParser(std::size_t depth_max)
    : depth_max_(depth_max), reader_(std::make_unique<Reader>()) {}
JsonParser::~JsonParser() = default;

std::optional<Json> JsonParser::parse(std::string_view text) {
    switch (reader_->read(text, depth_max_)) {
        case Reader::Stop::none:
            return Json(reader_->root());
        case Reader::Stop::syntax:
            fault_ = Fault::syntax;
            break;
        case Reader::Stop::utf8:
            fault_ = Fault::utf8;
            break;
        case Reader::Stop::depth:
            fault_ = Fault::depth;
            break;
    }
    return std::nullopt;
}

std::string_view sentence(JsonParser::Fault fault) {
    switch (fault) {
        case JsonParser::Fault::syntax:
            return "This is not JSON.";
        case JsonParser::Fault::utf8:
            return "This is not UTF-8.";
        case JsonParser::Fault::depth:
            return "This is nested too deeply.";
    }
    return {};
}

}  // namespace millrace::api::stream
