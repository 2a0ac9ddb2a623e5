#include "api/keys/keystore.hpp"
#include "api/chain/key_file.hpp"
#include "api/config.hpp"
#include "channel/hex.hpp"
#include "tests/support/ledger_fixture.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

using namespace millrace;
using api::KeystoreError;

namespace {

// The test vectors of the Web3 Secret Storage Definition.
constexpr auto kPassword = "testpassword";
constexpr auto kSecret = "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
constexpr auto kAddress = "0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b";
const std::string kPbkdf2 = R"({
  "crypto": {
    "cipher": "aes-128-ctr",
    "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
    "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
    "kdf": "pbkdf2",
    "kdfparams": {
      "c": 262144,
      "dklen": 32,
      "prf": "hmac-sha256",
      "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"
    },
    "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"
  },
  "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
  "version": 3
})";
const std::string kScrypt = R"({
  "crypto": {
    "cipher": "aes-128-ctr",
    "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
    "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
    "kdf": "scrypt",
    "kdfparams": {
      "dklen": 32,
      "n": 262144,
      "p": 8,
      "r": 1,
      "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"
    },
    "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"
  },
  "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
  "version": 3
})";

api::KeystoreRandom random_bytes(std::uint8_t seed) {
    api::KeystoreRandom random;
    random.salt.fill(seed);
    random.iv.fill(static_cast<std::uint8_t>(seed + 1));
    random.id.fill(static_cast<std::uint8_t>(seed + 2));
    return random;
}

std::string replaced(const std::string& text, const std::string& from, const std::string& to) {
    REQUIRE(text.find(from) != std::string::npos);
    return std::regex_replace(text, std::regex(from), to);
}

struct Directory {
    std::filesystem::path path;
    Directory() {
        std::string pattern = std::filesystem::temp_directory_path() / "millrace-keys-XXXXXX";
        path = ::mkdtemp(pattern.data());
    }
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    std::string write(const std::string& name, const std::string& text, mode_t mode) const {
        const auto file = (path / name).string();
        std::ofstream(file) << text;
        ::chmod(file.c_str(), mode);
        return file;
    }
};

}  // namespace

TEST_CASE("keystore: the published examples open, by scrypt and by PBKDF2", "[keys]") {
    const auto key = channel::SecretKey::parse(kSecret).value();
    CHECK(channel::to_hex(key.address()) == kAddress);
    for (const auto& keystore : {kPbkdf2, kScrypt}) {
        CHECK(api::is_keystore(keystore));
        CHECK(api::decrypt_key(keystore, kPassword).address() == key.address());
    }
}

TEST_CASE("keystore: a wrong password or another text does not open, and says why", "[keys]") {
    CHECK_THROWS_WITH(api::decrypt_key(kPbkdf2, "testpasswore"), "the password is wrong");
    CHECK_THROWS_WITH(api::decrypt_key(kPbkdf2, ""), "the password is wrong");
    const std::vector<std::pair<std::string, std::string>> changes{
        {"\"version\": 3", "\"version\": 1"},
        {"\"version\": 3", "\"version\": \"3\""},
        {"aes-128-ctr", "aes-128-cbc"},
        {"hmac-sha256", "hmac-sha512"},
        {"\"pbkdf2\"", "\"argon2\""},
        {"\"dklen\": 32", "\"dklen\": 16"},
        {"\"c\": 262144", "\"c\": 0"},
        {"\"c\": 262144", "\"c\": 99999999999"},
        {"\"c\": 262144", "\"c\": -1"},
        {"6087dab2", "6087da"},
        {"5318b4d5", "zz18b4d5"},
        {"5318b4d5", "5318b4d4"},
        {"\"mac\": \"51", "\"mac\": \""},
        {"\"mac\"", "\"map\""},
        {"\"crypto\"", "\"krypto\""},
    };
    for (const auto& [from, to] : changes) {
        CAPTURE(from, to);
        CHECK_THROWS_AS(api::decrypt_key(replaced(kPbkdf2, from, to), kPassword), KeystoreError);
    }
    for (const auto& [from, to] :
         {std::pair<std::string, std::string>{"\"n\": 262144", "\"n\": 262145"},
          {"\"n\": 262144", "\"n\": 1"},
          {"\"n\": 262144", "\"n\": 1073741824"},
          {"\"r\": 1", "\"r\": 0"},
          {"\"p\": 8", "\"p\": 100000000"}}) {
        CAPTURE(from, to);
        CHECK_THROWS_AS(api::decrypt_key(replaced(kScrypt, from, to), kPassword), KeystoreError);
    }
    for (const auto* text : {"", "{", "[]", "3", "{}", "null"})
        CHECK_THROWS_AS(api::decrypt_key(text, kPassword), KeystoreError);
}

TEST_CASE("keystore: what is written opens again, and is another each time", "[keys]") {
    const auto bytes = *channel::parse_hex(kSecret);
    const auto first = api::encrypt_key(bytes, "pass wörd", random_bytes(1), 10);
    const auto second = api::encrypt_key(bytes, "pass wörd", random_bytes(9), 10);
    CHECK(first != second);
    CHECK(first.find(std::string(kSecret).substr(2)) == std::string::npos);
    CHECK(channel::to_hex(api::decrypt_key(first, "pass wörd").address()) == kAddress);
    CHECK(channel::to_hex(api::claimed_address(first)) == kAddress);
    CHECK(api::claimed_address(kScrypt).is_zero());
    CHECK_THROWS_AS(api::decrypt_key(first, "pass word"), KeystoreError);
    CHECK_THAT(first, Catch::Contains("03030303-0303-4303-8303-030303030303"));
    CHECK_THROWS_AS(api::encrypt_key(channel::Bytes(32), "x", random_bytes(1), 10), KeystoreError);
}

TEST_CASE("keystore: read as a key file, with its password from a file", "[keys]") {
    const Directory directory;
    const auto bytes = *channel::parse_hex(kSecret);
    const auto keystore =
        directory.write("key.json", api::encrypt_key(bytes, "open", random_bytes(1), 10), 0600);
    const auto password = directory.write("password", "open\nsecond line\n", 0600);
    const auto read = [&](const std::string& password_file) {
        return api::read_key_file("keys.relayer_file", keystore, password_file);
    };
    CHECK(channel::to_hex(read(password).address()) == kAddress);
    CHECK_THROWS_WITH(read(directory.write("wrong", "closed", 0600)),
                      Catch::Contains("does not open: the password is wrong"));
    CHECK_THROWS_WITH(read(directory.write("empty", "\n", 0600)),
                      Catch::Contains("holds no password"));
    CHECK_THROWS_WITH(read(directory.write("open", "open", 0644)), Catch::Contains("chmod 600"));
    CHECK_THROWS_AS(read("/nonexistent"), api::ConfigError);
    ::chmod(keystore.c_str(), 0640);
    CHECK_THROWS_WITH(read(password), Catch::Contains("chmod 600"));
    // What the service manager hands over, it keeps from others in its own way.
    ::setenv("CREDENTIALS_DIRECTORY", directory.path.c_str(), 1);
    CHECK(channel::to_hex(read(password).address()) == kAddress);
    ::unsetenv("CREDENTIALS_DIRECTORY");
}
