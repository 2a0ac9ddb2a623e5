#include "ledger/shard.hpp"

#include "ledger/asset_rows.hpp"
#include "ledger/batch_writer.hpp"
#include "ledger/chain_look_up.hpp"
#include "ledger/channel_batch.hpp"
#include "ledger/channel_store.hpp"
#include "ledger/draft_answer.hpp"
#include "ledger/known_inferences.hpp"
#include "ledger/signature_batch.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <set>
#include <unordered_map>

namespace millrace::ledger {

using channel::Error;
using channel::Refusal;

std::int16_t shard_of(const channel::ChannelId& id, std::int16_t shard_count) {
    return static_cast<std::int16_t>((id.bytes[0] * 256 + id.bytes[1]) % shard_count);
}

class Shard::Engine {
public:
    Engine(ShardSettings settings, Assets assets, HeldLease lease, CommitOrder& order)
        : settings_(std::move(settings)),
          assets_(std::move(assets)),
          order_(order),
          writer_(settings_.postgres, lease, settings_.commit_timeout),
          signatures_(settings_.key_tables_max),
          checks_{0, settings_.entered} {
        auto& database = connection();
        insert_asset_accounts(database, assets_);
        for (auto& stored : load_channels(database, settings_.shard, settings_.shard_count)) {
            const auto id = stored.terms->id;
            const auto asset = assets_.find(stored.terms->asset_id);
            // A token that was taken out of the configuration: kept in the books, not served.
            if (asset == assets_.end()) continue;
            channels_.emplace(id, LiveChannel{.terms = std::move(stored.terms),
                                              .asset = &asset->second,
                                              .state = std::move(stored.state),
                                              .signer = {},
                                              .opened = stored.seq != 0,
                                              .was_there_before = true});
        }
        channel_count_ = channels_.size();
    }

    std::vector<Answer> process(std::vector<Request> requests, Time now,
                                const Meanwhile& meanwhile) {
        meanwhile_ = &meanwhile;
        for (const auto lookup : {Lookup::suspects, Lookup::everything}) {
            try {
                if (auto answers = try_process(requests, now, lookup)) return *answers;
            } catch (const pqxx::failure& error) {
                error_ = error.what();
                database_.reset();
                restore();
                break;
            }
        }
        return refuse_all(requests);
    }

    void check_ahead(std::span<Request* const> waiting, Time now) {
        enter(BatchStage::verify);
        std::deque<BatchItem> items;
        std::unordered_map<channel::ChannelId, std::vector<BatchItem*>> of_channel;
        std::vector<PaymentRequest*> payments;
        for (auto* request : waiting) {
            auto* payment = std::get_if<PaymentRequest>(request);
            if (!payment) continue;
            payments.push_back(payment);
            items.emplace_back().request = request;
            of_channel[payment->channel].push_back(&items.back());
        }
        for (const auto& [id, some] : of_channel)
            if (const auto found = channels_.find(id); found != channels_.end())
                signatures_.add(found->second, some, settings_.checking, now,
                                SignatureBatch::Of::a_later_one);
        signatures_.check();
        for (std::size_t at = 0; at < items.size(); ++at)
            payments[at]->is_signed = items[at].is_signed;
        enter(BatchStage::commit);
    }

    bool needs_ledger(const Request& request) const {
        const auto* payment = std::get_if<PaymentRequest>(&request);
        return !payment || inferences_.may_be_repeat(*payment, channels_);
    }

    BatchWriter& writer() { return writer_; }
    std::string take_error() { return std::exchange(error_, {}); }
    std::size_t channel_count() const { return channel_count_; }
    std::uint64_t signatures_checked() const { return checks_published_; }

private:
    struct Group {
        LiveChannel* channel = nullptr;
        channel::State before;
        std::vector<BatchItem*> items;
    };

    pqxx::connection& connection() {
        if (!database_ || !database_->is_open())
            database_ = std::make_unique<pqxx::connection>(settings_.postgres);
        return *database_;
    }

    /// nullopt: a key that was thought new exists already; look everything up and try again.
    std::optional<std::vector<Answer>> try_process(const std::vector<Request>& requests, Time now,
                                                   Lookup lookup) {
        // What an earlier batch left must not be put back by this one's failure.
        forget_groups();
        enter(BatchStage::decide);
        std::deque<BatchItem> items;
        for (const auto& request : requests) {
            auto& item = items.emplace_back();
            item.request = &request;
            const auto* payment = std::get_if<PaymentRequest>(&request);
            item.is_signed = payment && payment->is_signed;
        }
        open_channels(items, now);
        mark_posted(
            items, assets_, channels_, [this]() -> auto& { return connection(); });
        read_undone(
            items, [this]() -> auto& { return connection(); });
        const auto suspects = inferences_.mark(items, channels_, lookup);
        const auto history = suspects.empty() ? PaymentHistory{} : read_history(suspects);
        group(items);
        enter(BatchStage::verify);
        signatures_.begin();
        for (auto* group : group_order_)
            signatures_.add(*group->channel, group->items, settings_.checking, now);
        signatures_.check();
        enter(BatchStage::decide);
        decide(history);
        if (refused_what_was_accepted_before(items)) {
            restore();
            return std::nullopt;
        }
        Batch batch;
        number(batch, items);
        for (auto* group : group_order_)
            add_rows(batch, *group->channel, group->before, group->items);
        add_asset_rows(batch, items, assets_, [this](auto asset_id, const auto& receiver) {
            return claimed_balance(connection(), asset_id, receiver);
        });
        if (batch.empty()) {
            remember(items);
            return draft_answers(items);
        }
        return commit(batch, items, requests, now);
    }

    /// The signatures of all channels behind the decisions of all, so that the stages are few.
    void decide(const PaymentHistory& history) {
        std::vector<Group*> unchecked;
        for (auto* group : group_order_)
            if (decide_channel(*group->channel, group->items, history, settings_.limits, checks_))
                unchecked.push_back(group);
        for (auto* group : unchecked) {
            enter(BatchStage::verify);
            check_channel(*group->channel, group->before, group->items, history, settings_.limits,
                          settings_.checking, checks_);
        }
        enter(BatchStage::decide);
    }

    /// A refusal stands only if the inference is not an old one that memory has forgotten.
    bool refused_what_was_accepted_before(const std::deque<BatchItem>& items) {
        const auto doubtful = inferences_.doubtful(items, channels_);
        return !doubtful.empty() && !read_history(doubtful).empty();
    }

    /// In the order of arrival, so that what is published is in the order of its numbers.
    static void number(Batch& batch, std::deque<BatchItem>& items) {
        for (auto& item : items) {
            const bool new_asset_event = std::holds_alternative<PostAssetEvent>(*item.request) &&
                                         !item.suspect && item.standing.kind != Standing::elsewhere;
            const bool undone_asset_event =
                std::holds_alternative<UndoAssetEvent>(*item.request) && item.undoes;
            if (new_asset_event || undone_asset_event) item.outcome = BatchItem::Changed{};
            if (std::holds_alternative<BatchItem::Accepted>(item.outcome) ||
                std::holds_alternative<BatchItem::Changed>(item.outcome))
                item.ordinal = ++batch.ordinals;
        }
    }

    void open_channels(std::deque<BatchItem>& items, Time now) {
        std::vector<ChannelTerms*> opened;
        std::set<channel::ChannelId> in_batch;
        for (auto& item : items) {
            const auto* open = std::get_if<OpenChannel>(item.request);
            if (!open) continue;
            const auto found = channels_.find(open->terms.id);
            item.suspect = !in_batch.insert(open->terms.id).second ||
                           (found != channels_.end() && found->second.opened);
            if (found != channels_.end()) continue;
            const auto terms = std::make_shared<ChannelTerms>(open->terms);
            opened.push_back(terms.get());
            channels_.emplace(terms->id, LiveChannel{.terms = terms,
                                                     .asset = &assets_.at(terms->asset_id),
                                                     .state = {},
                                                     .signer = {}});
            created_.push_back(open->terms.id);
        }
        if (!opened.empty()) insert_channels(connection(), opened, now);
    }

    void group(std::deque<BatchItem>& items) {
        for (auto& item : items) {
            const auto* id = channel_of(*item.request);
            if (!id) continue;
            const auto found = channels_.find(*id);
            if (found == channels_.end()) {
                item.outcome = Refusal{Error::channel_unknown};
                continue;
            }
            auto [place, fresh] = groups_.try_emplace(*id);
            if (fresh) {
                place->second.channel = &found->second;
                place->second.before = found->second.state;
                group_order_.push_back(&place->second);
            }
            place->second.items.push_back(&item);
        }
    }

    std::optional<std::vector<Answer>> commit(Batch& batch, std::deque<BatchItem>& items,
                                              const std::vector<Request>& requests, Time now) {
        const bool is_posted_later = settings_.post_later && is_of_payments(batch);
        auto answers = draft_answers(items);
        std::optional<Acknowledgement> acknowledgement;
        std::optional<BatchWriter::Prepared> prepared;
        if (is_posted_later) {
            acknowledgement.emplace(batch, now);
            ask_of_old(*acknowledgement, items);
            wait_until(&Backlog::wait_for_room);
        } else {
            prepared.emplace(writer_.prepare(batch, now));
            // So that as little as may be is left of it when others wait for their turn.
            wait_until(&Backlog::wait_until_posted);
        }
        {
            enter(BatchStage::turn);
            const CommitOrder::Turn turn(order_, is_posted_later ? CommitOrder::Commits::to_backlog
                                                                 : CommitOrder::Commits::to_ledger);
            enter(BatchStage::commit);
            const auto outcome = is_posted_later
                                     ? writer_.acknowledge(*acknowledgement, *meanwhile_)
                                     : writer_.commit(*prepared);
            enter(BatchStage::publish);
            if (const auto* failure = std::get_if<BatchWriter::Failure>(&outcome)) {
                restore();
                if (failure->kind == BatchWriter::Failure::already_there) return std::nullopt;
                error_ = failure->message;
                return refuse_all(requests);
            }
            const auto base = std::get<BatchWriter::Committed>(outcome).base;
            for (std::size_t at = 0; at < answers.size(); ++at)
                count_from(base, answers[at], items[at]);
            newest_ = base + batch.ordinals;
            // Before anybody hears of them, so that whoever then reads waits for them.
            if (is_posted_later) order_.backlog.acknowledged(newest_, batch.payments.size());
            if (order_.published) order_.published(answers);
            if (!is_posted_later && order_.posted && is_of_payments(batch))
                order_.posted({static_cast<std::uint64_t>(base),
                               static_cast<std::uint64_t>(batch.ordinals), now,
                               std::move(batch.payments), std::move(batch.transfers)});
        }
        enter(BatchStage::decide);
        remember(items);
        return answers;
    }

    /// Of inferences that are not known to be new, though nothing is known of them either, the
    /// database says whether they were paid for before.
    void ask_of_old(Acknowledgement& acknowledgement, const std::deque<BatchItem>& items) const {
        for (const auto& item : items) {
            const auto* request = std::get_if<PaymentRequest>(item.request);
            if (!request || item.suspect || !opens_inference(*request) ||
                !std::holds_alternative<BatchItem::Accepted>(item.outcome))
                continue;
            if (inferences_.may_be_of_old(request->channel, channels_))
                acknowledgement.ask(*channels_.at(request->channel).terms, inference_of(*request));
        }
    }

    void wait_until(bool (Backlog::*done)(std::chrono::milliseconds)) {
        if (!(order_.backlog.*done)(std::min(settings_.commit_timeout, Backlog::kPatience)))
            throw pqxx::failure("payments that are acknowledged wait to be posted");
    }

    /// Of an inference that this process has seen, steps may wait to be posted.
    PaymentHistory read_history(const std::vector<InferenceKey>& keys) {
        if (std::any_of(keys.begin(), keys.end(),
                        [this](const auto& key) { return inferences_.has_seen(key); }))
            wait_until(&Backlog::wait_until_posted);
        return ledger::read_history(connection(), keys);
    }

    void enter(BatchStage stage) const {
        if (settings_.entered) settings_.entered(stage);
    }

    /// Puts every channel back to what it was before the batch.
    void restore() {
        for (auto* group : group_order_) group->channel->state = std::move(group->before);
        for (const auto& id : created_) channels_.erase(id);
        created_.clear();
        forget_groups();
    }

    void forget_groups() {
        groups_.clear();
        group_order_.clear();
    }

    void remember(const std::deque<BatchItem>& items) {
        // What is not posted yet can be told from memory alone.
        if (inferences_.is_full() && order_.backlog.is_posted(older_until_)) {
            inferences_.forget_older();
            older_until_ = newest_;
        }
        created_.clear();
        channel_count_ = channels_.size();
        checks_published_ = checks_.count;
        for (const auto& item : items)
            if (const auto* open = std::get_if<OpenChannel>(item.request))
                channels_.at(open->terms.id).opened = true;
        inferences_.remember(items, channels_);
    }

    std::vector<Answer> draft_answers(const std::deque<BatchItem>& items) const {
        std::vector<Answer> answers;
        answers.reserve(items.size());
        for (const auto& item : items) {
            const auto* id = channel_of(*item.request);
            const auto found = id ? channels_.find(*id) : channels_.end();
            answers.push_back(
                draft_answer(item, found == channels_.end() ? nullptr : &found->second));
        }
        return answers;
    }

    static std::vector<Answer> refuse_all(const std::vector<Request>& requests) {
        std::vector<Answer> answers;
        for (const auto& request : requests) answers.push_back(refuse(request, Error::unavailable));
        return answers;
    }

    ShardSettings settings_;
    Assets assets_;
    CommitOrder& order_;
    BatchWriter writer_;
    std::unique_ptr<pqxx::connection> database_;
    LiveChannels channels_;
    KnownInferences inferences_;
    /// The newest number that this shard has committed, and that of the older inferences it has
    /// seen.
    std::int64_t newest_ = 0;
    std::int64_t older_until_ = 0;
    SignatureBatch signatures_;
    std::string error_;
    Checks checks_;
    std::atomic<std::size_t> channel_count_ = 0;
    std::atomic<std::uint64_t> checks_published_ = 0;

    // Of the batch in hand.
    const Meanwhile* meanwhile_ = nullptr;
    std::unordered_map<channel::ChannelId, Group> groups_;
    std::vector<Group*> group_order_;
    std::vector<channel::ChannelId> created_;
};

Shard::Shard(ShardSettings settings, Assets assets, HeldLease lease, CommitOrder& order)
    : engine_(std::make_unique<Engine>(std::move(settings), std::move(assets), std::move(lease),
                                       order)) {}
Shard::~Shard() = default;

std::vector<Answer> Shard::process(std::vector<Request> batch, Time now,
                                   const Meanwhile& meanwhile) {
    return engine_->process(std::move(batch), now, meanwhile);
}
void Shard::check_ahead(std::span<Request* const> waiting, Time now) {
    engine_->check_ahead(waiting, now);
}
bool Shard::needs_ledger(const Request& request) const {
    return engine_->needs_ledger(request);
}
void Shard::keep_lease(Time now) {
    engine_->writer().keep_lease(now);
}
void Shard::release_lease(Time now) {
    engine_->writer().release_lease(now);
}
std::string Shard::take_error() {
    return engine_->take_error();
}
std::size_t Shard::channel_count() const {
    return engine_->channel_count();
}
std::uint64_t Shard::signatures_checked() const {
    return engine_->signatures_checked();
}

}  // namespace millrace::ledger
