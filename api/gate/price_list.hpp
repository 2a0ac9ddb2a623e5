#pragma once

#include "channel/price.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::api::gate {

/// What is asked for calls of some paths and models.
struct PriceRule {
    /// Exact, or a prefix where it ends with "*".
    std::vector<std::string> paths;
    /// The same of the body's `model`; none: any, and calls that name none.
    std::vector<std::string> models;
    channel::Price price;
    /// More of the prompt is not counted into what a call may cost, and so not charged: what the
    /// model can read at most.
    std::uint64_t input_tokens_max = 128 * 1024;
    /// What the model's template adds to any prompt at most.
    std::uint64_t input_tokens_extra = 256;
    /// What an image, a sound or a file comes to at most.
    std::uint64_t input_tokens_per_attachment = 4096;
    /// Of a call that does not say how much may be generated; what says more is refused.
    std::uint64_t output_tokens_max = 4096;
    /// For people, in what a 402 says of the resource.
    std::string description{};
};

/// A path that is passed on without payment.
struct FreePath {
    /// Empty: GET and HEAD.
    std::string method;
    std::string path;
};

struct PriceList {
    std::vector<FreePath> free;
    /// The first that fits counts.
    std::vector<PriceRule> rules;
};

/// "/v1/*" or "POST /tokenize".
FreePath parse_free_path(std::string_view text);

/// `text` is `pattern`, or begins with what stands before its "*" at the end.
bool fits(std::string_view pattern, std::string_view text);

bool is_free(const PriceList& list, std::string_view method, std::string_view path);
/// True when any rule is about the path, whatever the model.
bool is_priced(const PriceList& list, std::string_view path);
/// Null when no rule is about this path and model. A call that names no model, so that the server
/// chooses, gets the path's first rule without models; where all have some, the dearest.
const PriceRule* find_rule(const PriceList& list, std::string_view path, std::string_view model);

/// False for a path that a server behind might read as another one (dot segments, empty segments,
/// backslashes, semicolons, encoded slashes), so that what is free could lead to what is not, and
/// for one that is no plain text. `raw` is the path as it came, `decoded` without its escapes.
bool is_plain_path(std::string_view raw, std::string_view decoded);

}  // namespace millrace::api::gate
