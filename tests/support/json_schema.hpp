#pragma once

#include <boost/json/value.hpp>

#include <string>
#include <vector>

namespace support {

/// Checks an instance against a schema of an OpenAPI 3.1 or AsyncAPI 3.0 document, as far as ours
/// go: $ref within `document`, type, properties, required, items, enum, const, pattern, oneOf,
/// minimum, maximum, minItems, maxLength. Stricter than JSON Schema in one point: a member that is
/// not declared is a violation, so that a description cannot fall behind. Each violation names its
/// place. A keyword that is not known here throws.
std::vector<std::string> violations(const boost::json::value& document,
                                    const boost::json::value& schema,
                                    const boost::json::value& instance);

}  // namespace support
