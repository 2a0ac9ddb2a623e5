#include "channel/amount.hpp"
#include "channel/error.hpp"
#include "channel/uint256.hpp"
#include "tests/support/print.hpp"

#include <rapidcheck.h>
#include <rapidcheck/catch.h>
#include <boost/multiprecision/cpp_int.hpp>

namespace millrace::channel {
namespace {

using Wide = boost::multiprecision::cpp_int;

const Wide kAmountLimit = Wide{1} << 128;
const Wide kWordLimit = Wide{1} << 256;

Amount amount_of(std::uint64_t high, std::uint64_t low) {
    return Amount{static_cast<Uint128>(high) << 64 | low};
}

/// Amounts of every length in bits, not only those close to 2^128.
rc::Gen<Amount> amounts() {
    return rc::gen::apply(
        [](std::uint64_t high, std::uint64_t low, unsigned shift) {
            return Amount{amount_of(high, low).units() >> shift};
        },
        rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<std::uint64_t>()),
        rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<std::uint64_t>()),
        rc::gen::inRange(0u, 128u));
}

rc::Gen<Word> words() {
    return rc::gen::map(
        rc::gen::container<std::vector<std::uint8_t>>(32, rc::gen::arbitrary<std::uint8_t>()),
        [](const std::vector<std::uint8_t>& bytes) {
            Word word;
            std::copy(bytes.begin(), bytes.end(), word.bytes.begin());
            return word;
        });
}

Wide wide(Amount amount) {
    return (Wide{static_cast<std::uint64_t>(amount.units() >> 64)} << 64) +
           static_cast<std::uint64_t>(amount.units());
}

Wide wide(const Word& word) {
    Wide value;
    boost::multiprecision::import_bits(value, word.bytes.begin(), word.bytes.end(), 8);
    return value;
}

/// Compares a result with what exact arithmetic says it must be.
void check_exact(const Result<Amount>& result, const Wide& exact) {
    const bool fits = exact >= 0 && exact < kAmountLimit;
    RC_ASSERT(result.has_value() == fits);
    if (fits) RC_ASSERT(wide(*result) == exact);
    if (!fits) RC_ASSERT(result.error() == Error::amount_out_of_range);
}

TEST_CASE("amount: agrees with arithmetic of arbitrary precision", "[channel][property]") {
    rc::prop("sum", [] {
        const Amount a = *amounts();
        const Amount b = *amounts();
        check_exact(add(a, b), wide(a) + wide(b));
    });
    rc::prop("sum near the limit", [] {
        const Amount a = *amounts();
        const Amount b{Amount::max().units() - a.units() + *rc::gen::inRange(0u, 3u)};
        check_exact(add(a, b), wide(a) + wide(b));
    });
    rc::prop("difference", [] {
        const Amount a = *amounts();
        const Amount b = *amounts();
        check_exact(subtract(a, b), wide(a) - wide(b));
    });
    rc::prop("order", [] {
        const Amount a = *amounts();
        const Amount b = *amounts();
        RC_ASSERT((a < b) == (wide(a) < wide(b)));
        RC_ASSERT((a == b) == (wide(a) == wide(b)));
    });
    rc::prop("what is added can be taken away again", [] {
        const Amount a = *amounts();
        const Amount b = *amounts();
        const auto sum = add(a, b);
        RC_PRE(sum.has_value());
        RC_ASSERT(subtract(*sum, b).value() == a);
    });
}

TEST_CASE("amount: text and words go there and back", "[channel][property]") {
    rc::prop("decimal text is that of arbitrary precision, and is read back", [] {
        const Amount a = *amounts();
        RC_ASSERT(to_string(a) == wide(a).str());
        RC_ASSERT(parse_amount(to_string(a)).value() == a);
    });
    rc::prop("an EVM word is read back", [] {
        const Amount a = *amounts();
        RC_ASSERT(wide(to_word(a)) == wide(a));
        RC_ASSERT(amount_from_word(to_word(a)).value() == a);
    });
    rc::prop("any word is an amount exactly if it is below 2^128", [] {
        const Word word = *words();
        check_exact(amount_from_word(word), wide(word));
    });
}

TEST_CASE("amount: of any text exactly the canonical numbers are taken", "[channel][property]") {
    rc::prop("digits", [] {
        const auto text = *rc::gen::container<std::string>(rc::gen::inRange('0', ':'));
        const bool canonical = !text.empty() && (text == "0" || text.front() != '0');
        const auto parsed = parse_amount(text);
        if (canonical) check_exact(parsed, Wide{text});
        if (!canonical) RC_ASSERT(parsed.error() == Error::not_decimal);
    });
    rc::prop("long digits", [] {
        auto text = *rc::gen::container<std::string>(39, rc::gen::inRange('0', ':'));
        text.front() = *rc::gen::inRange('1', '5');
        check_exact(parse_amount(text), Wide{text});
    });
    rc::prop("anything", [] {
        const auto text = *rc::gen::string<std::string>();
        const auto parsed = parse_amount(text);
        if (parsed) RC_ASSERT(to_string(*parsed) == text);
    });
}

TEST_CASE("uint256: agrees with arithmetic of arbitrary precision", "[channel][property]") {
    rc::prop("decimal text is that of arbitrary precision, and is read back", [] {
        const Word word = *words();
        RC_ASSERT(to_decimal(word) == wide(word).str());
        RC_ASSERT(parse_uint256(to_decimal(word)).value() == word);
    });
    rc::prop("digits", [] {
        auto text = *rc::gen::container<std::string>(78, rc::gen::inRange('0', ':'));
        text.front() = '1';
        const auto parsed = parse_uint256(text);
        RC_ASSERT(parsed.has_value() == (Wide{text} < kWordLimit));
        if (parsed) RC_ASSERT(wide(*parsed) == Wide{text});
    });
    rc::prop("64-bit numbers go there and back", [] {
        const auto value = *rc::gen::arbitrary<std::uint64_t>();
        RC_ASSERT(uint64_from(word_from(value)).value() == value);
        RC_ASSERT(wide(word_from(value)) == value);
    });
}

}  // namespace
}  // namespace millrace::channel
