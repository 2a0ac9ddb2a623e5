#pragma once

#include "api/http.hpp"
#include "api/stream/json.hpp"
#include "channel/amount.hpp"
#include "channel/hex.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::api::rest {

/// Writes one JSON object, member by member.
class JsonObject {
public:
    JsonObject& text(std::string_view key, std::string_view value) {
        name(key);
        stream::append_json_string(out_, value);
        return *this;
    }
    JsonObject& amount(std::string_view key, channel::Amount value) {
        return text(key, channel::to_string(value));
    }
    /// A seq or another number of 64 bits, which goes out as text.
    JsonObject& decimal(std::string_view key, std::uint64_t value) {
        return text(key, std::to_string(value));
    }
    template <class Tag, std::size_t N>
    JsonObject& hex(std::string_view key, const channel::FixedBytes<Tag, N>& value) {
        return text(key, channel::to_hex(value));
    }
    JsonObject& number(std::string_view key, std::uint64_t value) {
        return json(key, std::to_string(value));
    }
    JsonObject& flag(std::string_view key, bool value) {
        return json(key, value ? "true" : "false");
    }
    /// A value that is JSON text already.
    JsonObject& json(std::string_view key, std::string_view value) {
        name(key);
        out_ += value;
        return *this;
    }
    template <class Items, class Write>
    JsonObject& list(std::string_view key, const Items& items, Write write) {
        name(key);
        out_ += '[';
        for (const auto& item : items) {
            if (out_.back() != '[') out_ += ',';
            out_ += write(item);
        }
        out_ += ']';
        return *this;
    }

    std::string take() { return std::move(out_) + '}'; }
    /// As a successful answer.
    HttpResponse answer() { return {200, "application/json", take(), {}}; }
    /// The same of a report on the books up to `seq`.
    HttpResponse answer_at(std::uint64_t seq) { return {200, "application/json", take(), {}, seq}; }

private:
    void name(std::string_view key) {
        if (out_.size() > 1) out_ += ',';
        stream::append_json_string(out_, key);
        out_ += ':';
    }

    std::string out_ = "{";
};

}  // namespace millrace::api::rest
