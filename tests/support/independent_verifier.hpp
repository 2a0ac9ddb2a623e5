#pragma once

#include <boost/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace support {

/// A folder that goes with the test.
class Folder {
public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    /// The path of the file that now holds `text`.
    std::string write(const std::string& name, const std::string& text) const;

private:
    std::filesystem::path path_;
};

/// What the verifier in tests/verifier/, which shares no code with the service, says: one object a
/// line.
std::vector<boost::json::value> independently(const std::string& arguments);

}  // namespace support
