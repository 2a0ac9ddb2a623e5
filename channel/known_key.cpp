#include "channel/known_key.hpp"

#include "channel/curve/invert_all.hpp"
#include "channel/curve/point_table.hpp"

#include <algorithm>
#include <vector>

namespace millrace::channel {

using curve::Point;
using curve::Scalar;

namespace {

constexpr unsigned kKeyBits = 5;
constexpr unsigned kGeneratorBits = 12;
/// So many sums that their terms stay in the cache of a core.
constexpr std::size_t kAtOnce = 64;

const curve::PointTable& generator_table() {
    static const curve::PointTable made(curve::kGenerator, kGeneratorBits);
    return made;
}

}  // namespace

KnownKey::KnownKey(const PublicKey& key) : key_(key) {
    const auto bytes = coordinates(key);
    const Point point{{curve::limbs_from(bytes.data())}, {curve::limbs_from(bytes.data() + 32)}};
    if (curve::is_on_curve(point))
        table_ = std::make_unique<const curve::PointTable>(point, kKeyBits);
}

KnownKey::~KnownKey() = default;

/// The sums of some questions.
class SignatureSums {
public:
    void answer(std::span<SignatureQuestion> questions) {
        begin(questions);
        add_terms();
        add_up();
        for (const auto& sum : sums_)
            if (sum.is_known) sum.question->is_good = is_met(sum);
    }

private:
    struct Sum {
        SignatureQuestion* question = nullptr;
        /// Of its terms; there is one at least, since neither r nor 1/s is zero.
        std::size_t begin = 0;
        std::size_t end = 0;
        bool is_known = true;
    };

    void begin(std::span<SignatureQuestion> questions) {
        sums_.clear();
        inverses_.clear();
        for (auto& question : questions) {
            question.is_good = false;
            if (!question.key->table_ || !check_form(*question.signature)) continue;
            Sum sum;
            sum.question = &question;
            inverses_.push_back({curve::limbs_from(question.signature->bytes.data() + 32)});
            sums_.push_back(sum);
        }
        curve::invert_all<Scalar>(inverses_, Scalar{{1}});
    }

    void add_terms() {
        terms_.clear();
        for (std::size_t at = 0; at < sums_.size(); ++at) {
            auto& sum = sums_[at];
            const auto& question = *sum.question;
            const auto e = curve::scalar_from(curve::limbs_from(question.digest.bytes.data()));
            const Scalar r{curve::limbs_from(question.signature->bytes.data())};
            sum.begin = terms_.size();
            generator_table().add_terms(e * inverses_[at], terms_);
            question.key->table_->add_terms(r * inverses_[at], terms_);
            sum.end = terms_.size();
        }
    }

    /// Each round halves the number of terms of every sum: what is left is in the first place.
    void add_up() {
        for (std::size_t apart = 1;; apart *= 2) {
            additions_.clear();
            owners_.clear();
            for (auto& sum : sums_) {
                if (!sum.is_known) continue;
                for (auto at = sum.begin; at + apart < sum.end; at += 2 * apart) {
                    additions_.push_back({&terms_[at], &terms_[at + apart]});
                    owners_.push_back(&sum);
                }
            }
            if (additions_.empty()) return;
            adder_.add(additions_);
            for (std::size_t at = 0; at < additions_.size(); ++at)
                if (additions_[at].is_infinite) owners_[at]->is_known = false;
        }
    }

    /// The sum is the point that r and v stand for.
    bool is_met(const Sum& sum) const {
        const auto& signature = sum.question->signature->bytes;
        const auto& point = terms_[sum.begin];
        const auto is_odd = (curve::reduced(point.y).limbs[0] & 1) != 0;
        return curve::reduced(point.x).limbs == curve::limbs_from(signature.data()) &&
               is_odd == (signature.back() == 28);
    }

    std::vector<Sum> sums_;
    std::vector<Scalar> inverses_;
    std::vector<Point> terms_;
    std::vector<curve::Addition> additions_;
    std::vector<Sum*> owners_;
    curve::PointAdder adder_;
};

void prepare_known_keys() {
    generator_table();
}

void answer(std::span<SignatureQuestion> questions) {
    // Kept, because to get the memory for the terms anew would cost as much as the sums.
    thread_local SignatureSums sums;
    while (!questions.empty()) {
        const auto now = questions.first(std::min(kAtOnce, questions.size()));
        sums.answer(now);
        questions = questions.subspan(now.size());
    }
}

}  // namespace millrace::channel
