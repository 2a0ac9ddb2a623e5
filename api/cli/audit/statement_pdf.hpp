#pragma once

#include <filesystem>

namespace millrace::api {

/// The program that makes PDF of HTML, found in PATH. Throws CommandError that names the package
/// when it is missing.
std::filesystem::path find_pdf_maker();

/// Makes `pdf` of `html`. Throws CommandError when the program fails.
void make_pdf(const std::filesystem::path& maker, const std::filesystem::path& html,
              const std::filesystem::path& pdf);

}  // namespace millrace::api
