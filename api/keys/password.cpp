#include "api/keys/password.hpp"

#include "api/config.hpp"
#include "api/keys/secret_file.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <termios.h>
#include <unistd.h>

namespace millrace::api {
namespace {

constexpr std::size_t kPasswordBytesMax = 1024;

/// The terminal with its echo off; as before when it goes.
class QuietTerminal {
public:
    QuietTerminal() : file_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
        if (file_ < 0 || ::tcgetattr(file_, &before_) != 0) return;
        auto quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        is_quiet_ = ::tcsetattr(file_, TCSAFLUSH, &quiet) == 0;
    }
    QuietTerminal(const QuietTerminal&) = delete;
    QuietTerminal& operator=(const QuietTerminal&) = delete;
    ~QuietTerminal() {
        if (is_quiet_) ::tcsetattr(file_, TCSAFLUSH, &before_);
        if (file_ >= 0) ::close(file_);
    }

    bool is_quiet() const { return is_quiet_; }
    void say(const std::string& text) const {
        // A prompt that cannot be shown is no reason to stop.
        static_cast<void>(!::write(file_, text.data(), text.size()));
    }
    std::string line() const {
        std::string text;
        text.reserve(kPasswordBytesMax);
        for (char letter = 0; text.size() < kPasswordBytesMax && ::read(file_, &letter, 1) == 1;) {
            if (letter == '\n') break;
            text += letter;
        }
        return text;
    }

private:
    int file_;
    termios before_{};
    bool is_quiet_ = false;
};

}  // namespace

// Copied, not moved: a short text would stay behind where it was.
Password::Password(std::string&& text) : text_(text) {
    OPENSSL_cleanse(text.data(), text.size());
}

Password::Password(Password&& other) noexcept : text_(other.text_) {
    OPENSSL_cleanse(other.text_.data(), other.text_.size());
}

Password::~Password() {
    OPENSSL_cleanse(text_.data(), text_.size());
}

Password read_password_file(const std::string& setting, const std::string& path) {
    Password contents(read_secret_file(setting, path));
    const auto& text = contents.text();
    Password password(text.substr(0, text.find_first_of("\r\n")));
    if (password.text().empty()) throw ConfigError(setting + ": " + path + " holds no password");
    return password;
}

Password ask_password(const std::string& prompt, const std::string& remedy) {
    const QuietTerminal terminal;
    if (!terminal.is_quiet())
        throw ConfigError(prompt + ": there is no terminal to type it at; " + remedy);
    terminal.say(prompt + ": ");
    Password password(terminal.line());
    terminal.say("\n");
    return password;
}

}  // namespace millrace::api
