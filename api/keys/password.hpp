#pragma once

#include <string>

namespace millrace::api {

/// A password; wiped when it goes.
class Password {
public:
    /// Wipes what it is given.
    explicit Password(std::string&& text);
    Password(Password&& other) noexcept;
    Password(const Password&) = delete;
    Password& operator=(const Password&) = delete;
    ~Password();
    const std::string& text() const { return text_; }

private:
    std::string text_;
};

/// The first line of a file that only its owner may use (or that the service manager hands over).
/// `setting` names the configuration key or option in messages. Throws ConfigError.
Password read_password_file(const std::string& setting, const std::string& path);

/// Typed at the terminal, without echo. Throws ConfigError when there is none; `remedy` says what
/// to do then.
Password ask_password(const std::string& prompt, const std::string& remedy);

}  // namespace millrace::api
