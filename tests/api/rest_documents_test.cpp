#include "api/documents_embedded.hpp"
#include "api/rest/routes.hpp"
#include "api/stream/call.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

using namespace millrace;
namespace json = boost::json;

namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    return out;
}

std::set<std::string> described_routes(const json::value& document) {
    std::set<std::string> found;
    for (const auto& [path, item] : document.at("paths").as_object())
        for (const auto& [method, operation] : item.as_object())
            found.insert(std::string(method) + " " + std::string(path));
    return found;
}

void check_references(const json::value& document, const json::value& part) {
    if (part.is_array())
        for (const auto& item : part.get_array()) check_references(document, item);
    if (!part.is_object()) return;
    for (const auto& [key, value] : part.get_object()) {
        if (key == "$ref") {
            json::error_code error;
            INFO(std::string(value.as_string()));
            CHECK(document.find_pointer(std::string(value.as_string()).substr(1), error) !=
                  nullptr);
        } else {
            check_references(document, value);
        }
    }
}

bool needs_token(const json::value& operation) {
    const auto& security = operation.at("security").as_array();
    return !security.empty() && std::none_of(security.begin(), security.end(), [](const auto& one) {
        return one.as_object().empty();
    });
}

}  // namespace

TEST_CASE("documents: what is embedded is what is in the tree", "[rest]") {
    for (const auto& [name, embedded] :
         {std::pair{"openapi.json", api::kOpenApi}, std::pair{"asyncapi.json", api::kAsyncApi},
          std::pair{"llms.txt", api::kLlmsText}}) {
        std::ifstream file(std::string(MILLRACE_SOURCE_DIR "/api/") + name);
        std::stringstream text;
        text << file.rdbuf();
        CHECK(text.str() == embedded);
    }
}

TEST_CASE("documents: OpenAPI describes every route and no other", "[rest]") {
    const auto document = json::parse(api::kOpenApi);
    std::set<std::string> served;
    for (const auto& route : api::rest::routes())
        served.insert(lower(route.method) + " " + std::string(route.path));
    CHECK(described_routes(document) == served);
    check_references(document, document);
}

TEST_CASE("documents: OpenAPI asks for a token where the route does", "[rest]") {
    const auto document = json::parse(api::kOpenApi);
    for (const auto& route : api::rest::routes()) {
        CAPTURE(std::string(route.path));
        const auto& operation = document.at("paths").at(route.path).at(lower(route.method));
        // Metrics are open or not as configured; an empty requirement stands for that.
        const bool open = route.access == api::rest::Access::anyone ||
                          route.access == api::rest::Access::anyone_or_party ||
                          route.access == api::rest::Access::operators;
        CHECK(needs_token(operation) == !open);
    }
}

TEST_CASE("documents: AsyncAPI describes every method and no other", "[rest]") {
    const auto document = json::parse(api::kAsyncApi);
    std::set<std::string> served{"event"};
    for (int n = 0; n <= static_cast<int>(api::stream::Method::events_unsubscribe); ++n)
        served.emplace(api::stream::to_string(static_cast<api::stream::Method>(n)));
    std::set<std::string> described;
    for (const auto& [name, operation] : document.at("operations").as_object())
        described.emplace(name);
    CHECK(described == served);
    check_references(document, document);
    for (const auto& name : served) {
        if (name == "event") continue;
        CAPTURE(name);
        const auto method = *api::stream::method_named(name);
        const auto& operation = document.at("operations").at(name).as_object();
        CHECK(operation.contains("security") == api::stream::needs_login(method));
        const auto& request = document.at("components").at("messages").at(name + ".request");
        CHECK(request.at("payload").at("properties").at("method").at("const").as_string() == name);
    }
}
