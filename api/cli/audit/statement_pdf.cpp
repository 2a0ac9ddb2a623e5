#include "api/cli/audit/statement_pdf.hpp"

#include "api/cli/commands.hpp"
#include "api/cli/process.hpp"

#include <fmt/format.h>

namespace millrace::api {

std::filesystem::path find_pdf_maker() {
    auto found = found_in_path("weasyprint");
    if (found.empty())
        throw CommandError(
            "--format pdf: the program weasyprint is not in PATH. Install the Debian package "
            "weasyprint, or take --format html and print that from a browser.");
    return found;
}

void make_pdf(const std::filesystem::path& maker, const std::filesystem::path& html,
              const std::filesystem::path& pdf) {
    try {
        run_program({.program = maker, .arguments = {"--quiet", html.string(), pdf.string()}});
    } catch (const std::exception& error) {
        throw CommandError(fmt::format("--format pdf: {}", error.what()));
    }
}

}  // namespace millrace::api
