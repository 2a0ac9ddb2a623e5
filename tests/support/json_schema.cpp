#include "tests/support/json_schema.hpp"

#include <boost/json.hpp>

#include <regex>
#include <set>
#include <stdexcept>

namespace support {
namespace {

namespace json = boost::json;

const std::set<std::string, std::less<>> kKeywords{
    "$ref",      "type",        "properties", "required", "items",   "enum",
    "const",     "pattern",     "oneOf",      "minimum",  "maximum", "minItems",
    "maxLength", "description", "examples",   "format",   "default"};

std::string type_of(const json::value& value) {
    switch (value.kind()) {
        case json::kind::null:
            return "null";
        case json::kind::bool_:
            return "boolean";
        case json::kind::int64:
        case json::kind::uint64:
            return "integer";
        case json::kind::double_:
            return "number";
        case json::kind::string:
            return "string";
        case json::kind::array:
            return "array";
        case json::kind::object:
            return "object";
    }
    return {};
}

class Checker {
public:
    Checker(const json::value& document, std::vector<std::string>& found)
        : document_(document), found_(found) {}

    void check(const json::value& schema, const json::value& instance, const std::string& place) {
        const auto& rules = schema.as_object();
        for (const auto& [key, value] : rules)
            if (!kKeywords.contains(key)) throw std::runtime_error("keyword " + std::string(key));
        if (const auto* reference = rules.if_contains("$ref")) {
            const auto pointer = std::string(reference->as_string()).substr(1);
            check(document_.at_pointer(pointer), instance, place);
        }
        if (const auto* options = rules.if_contains("oneOf"))
            check_one_of(*options, instance, place);
        if (const auto* type = rules.if_contains("type")) check_type(*type, instance, place);
        if (const auto* allowed = rules.if_contains("enum")) {
            const auto& values = allowed->as_array();
            if (std::find(values.begin(), values.end(), instance) == values.end())
                report(place, "is none of the enumerated values");
        }
        if (const auto* constant = rules.if_contains("const"); constant && *constant != instance)
            report(place, "is not the constant");
        if (instance.is_string()) check_text(rules, std::string(instance.get_string()), place);
        if (instance.is_object()) check_object(rules, instance.get_object(), place);
        if (instance.is_array()) check_array(rules, instance.get_array(), place);
        if (instance.is_int64() || instance.is_uint64()) check_number(rules, instance, place);
    }

private:
    void report(const std::string& place, const std::string& what) {
        found_.push_back(place + ": " + what);
    }

    void check_one_of(const json::value& options, const json::value& instance,
                      const std::string& place) {
        int matching = 0;
        std::string reasons;
        for (const auto& option : options.as_array()) {
            std::vector<std::string> misses;
            Checker(document_, misses).check(option, instance, place);
            if (misses.empty())
                ++matching;
            else
                reasons += "; " + misses.front();
        }
        if (matching != 1)
            report(place, "matches " + std::to_string(matching) + " of oneOf" + reasons);
    }

    void check_type(const json::value& type, const json::value& instance,
                    const std::string& place) {
        const auto actual = type_of(instance);
        const auto fits = [&](const json::value& wanted) {
            return wanted.as_string() == actual ||
                   (wanted.as_string() == "number" && actual == "integer");
        };
        bool any = false;
        if (type.is_string())
            any = fits(type);
        else
            for (const auto& wanted : type.as_array()) any |= fits(wanted);
        if (!any) report(place, "is a " + actual + ", not " + json::serialize(type));
    }

    void check_text(const json::object& rules, const std::string& text, const std::string& place) {
        if (const auto* pattern = rules.if_contains("pattern")) {
            if (!std::regex_search(text, std::regex(std::string(pattern->as_string()))))
                report(place, text + " does not match " + std::string(pattern->as_string()));
        }
        if (const auto* format = rules.if_contains("format"); format && *format == "date-time") {
            const std::regex expected(R"(^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$)");
            if (!std::regex_match(text, expected)) report(place, text + " is no UTC time");
        }
        if (const auto* most = rules.if_contains("maxLength");
            most && text.size() > most->to_number<std::size_t>())
            report(place, "is too long");
    }

    void check_object(const json::object& rules, const json::object& object,
                      const std::string& place) {
        if (const auto* required = rules.if_contains("required"))
            for (const auto& key : required->as_array())
                if (!object.contains(key.as_string()))
                    report(place, "lacks " + json::serialize(key));
        const auto* properties = rules.if_contains("properties");
        if (!properties) return;
        for (const auto& [key, value] : object) {
            const auto* schema = properties->as_object().if_contains(key);
            if (schema)
                check(*schema, value, place + "/" + std::string(key));
            else
                report(place, "has " + std::string(key) + ", which is not declared");
        }
    }

    void check_array(const json::object& rules, const json::array& array,
                     const std::string& place) {
        if (const auto* least = rules.if_contains("minItems");
            least && array.size() < least->to_number<std::size_t>())
            report(place, "has too few items");
        const auto* items = rules.if_contains("items");
        for (std::size_t at = 0; items && at < array.size(); ++at)
            check(*items, array[at], place + "/" + std::to_string(at));
    }

    void check_number(const json::object& rules, const json::value& number,
                      const std::string& place) {
        const auto value = number.to_number<std::int64_t>();
        if (const auto* least = rules.if_contains("minimum");
            least && value < least->to_number<std::int64_t>())
            report(place, "is below its minimum");
        if (const auto* most = rules.if_contains("maximum");
            most && value > most->to_number<std::int64_t>())
            report(place, "is above its maximum");
    }

    const json::value& document_;
    std::vector<std::string>& found_;
};

}  // namespace

std::vector<std::string> violations(const json::value& document, const json::value& schema,
                                    const json::value& instance) {
    std::vector<std::string> found;
    Checker(document, found).check(schema, instance, "");
    return found;
}

}  // namespace support
