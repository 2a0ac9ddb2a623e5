#include "channel/known_key.hpp"

#include "channel/curve/invert_all.hpp"
#include "channel/curve/point_table.hpp"
#include "channel/curve/term_lanes.hpp"

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

Point point_of(const PublicKey& key) {
    const auto bytes = coordinates(key);
    return {{curve::limbs_from(bytes.data())}, {curve::limbs_from(bytes.data() + 32)}};
}

}  // namespace

KnownKey::KnownKey(const PublicKey& key) : key_(key) {
    const auto point = point_of(key);
    if (curve::is_on_curve(point))
        table_ = std::make_unique<const curve::PointTable>(point, kKeyBits);
}

KnownKey::~KnownKey() = default;

/// The sums of some questions.
class SignatureSums {
public:
    void answer(std::span<SignatureQuestion> questions) {
        begin(questions);
        add_up_known();
        add_up_others();
    }

private:
    /// A question of good form, and what it comes to: u1 · G + u2 · Q.
    struct Asked {
        SignatureQuestion* question = nullptr;
        Point key{};
        Scalar u1{};
        Scalar u2{};
    };

    void begin(std::span<SignatureQuestion> questions) {
        known_.clear();
        others_.clear();
        for (auto& question : questions) {
            question.is_good = false;
            if (!check_form(*question.signature)) continue;
            Asked asked;
            asked.question = &question;
            asked.u1 = curve::scalar_from(curve::limbs_from(question.digest.bytes.data()));
            asked.u2 = {curve::limbs_from(question.signature->bytes.data())};
            if (question.known && question.known->table_ &&
                question.known->key() == *question.key) {
                known_.push_back(asked);
            } else if (curve::has_lanes()) {
                asked.key = point_of(*question.key);
                if (curve::is_on_curve(asked.key)) others_.push_back(asked);
            }
        }
        divide_by_s();
    }

    void divide_by_s() {
        if (known_.empty() && others_.empty()) return;
        inverses_.clear();
        for (const auto* some : {&known_, &others_})
            for (const auto& asked : *some)
                inverses_.push_back(
                    {curve::limbs_from(asked.question->signature->bytes.data() + 32)});
        curve::invert_all<Scalar>(inverses_, Scalar{{1}});
        auto inverse = inverses_.begin();
        for (auto* some : {&known_, &others_})
            for (auto& asked : *some) {
                asked.u1 = asked.u1 * *inverse;
                asked.u2 = asked.u2 * *inverse++;
            }
        // A factor of zero has no terms that stand for it; nobody finds what has such a digest.
        for (auto* some : {&known_, &others_})
            std::erase_if(*some, [](const Asked& asked) {
                return asked.u1 == Scalar{} || asked.u2 == Scalar{};
            });
    }

    void add_up_known() {
        if (known_.empty()) return;
        terms_.clear();
        for (const auto& asked : known_) {
            generator_table().add_terms(asked.u1, terms_);
            asked.question->known->table_->add_terms(asked.u2, terms_);
        }
        judge(known_, sums_.add_up(terms_, terms_.size() / known_.size()));
    }

    void add_up_others() {
        if (others_.empty()) return;
        terms_.clear();
        products_.clear();
        for (const auto& asked : others_) {
            generator_table().add_terms(asked.u1, terms_);
            products_.push_back({asked.key, asked.u2});
        }
        judge(others_, sums_.add_up(terms_, terms_.size() / others_.size(), products_));
    }

    static void judge(std::span<const Asked> asked, std::span<const std::optional<Point>> points) {
        for (std::size_t at = 0; at < std::min(asked.size(), points.size()); ++at)
            if (points[at])
                asked[at].question->is_good = is_met(*asked[at].question->signature, *points[at]);
    }

    /// The sum is the point that r and v stand for.
    static bool is_met(const Signature& signature, const Point& point) {
        const auto is_odd = (curve::reduced(point.y).limbs[0] & 1) != 0;
        return curve::reduced(point.x).limbs == curve::limbs_from(signature.bytes.data()) &&
               is_odd == (signature.bytes.back() == 28);
    }

    std::vector<Asked> known_;
    std::vector<Asked> others_;
    std::vector<Scalar> inverses_;
    std::vector<curve::Term> terms_;
    std::vector<curve::Product> products_;
    curve::TermSums sums_;
};

void prepare_known_keys() {
    generator_table();
}

bool answers_without_table() {
    return curve::has_lanes();
}

std::uint32_t table_pays_from() {
    return curve::has_lanes() ? 256 : 16;
}

bool answer_pays(std::span<const SignatureQuestion> questions) {
    if (!curve::has_lanes()) return questions.size() >= 3;
    return questions.size() > 1 || (!questions.empty() && questions.front().known);
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
