# Writes OUT: a header with the interface descriptions of DIR as string literals.
file(READ ${DIR}/openapi.json openapi)
file(READ ${DIR}/asyncapi.json asyncapi)
string(APPEND text "#pragma once\n\n#include <string_view>\n\nnamespace millrace::api {\n\n")
string(APPEND text "inline constexpr std::string_view kOpenApi = R\"millrace_doc(${openapi})millrace_doc\";\n\n")
string(APPEND text "inline constexpr std::string_view kAsyncApi = R\"millrace_doc(${asyncapi})millrace_doc\";\n\n")
string(APPEND text "}  // namespace millrace::api\n")
file(WRITE ${OUT} "${text}")
