#include "ledger/shard.hpp"

#include "ledger/asset_rows.hpp"
#include "ledger/batch_writer.hpp"
#include "ledger/channel_batch.hpp"
#include "ledger/channel_store.hpp"
#include "ledger/draft_answer.hpp"
#include "ledger/key_tables.hpp"
#include "ledger/seen_inferences.hpp"
#include "ledger/seen_steps.hpp"

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

Time batch_time(std::int16_t shard, std::int16_t shard_count, Time now) {
    return now - now.time_since_epoch() % shard_count + std::chrono::microseconds{shard};
}

namespace {

constexpr std::uint32_t kSignaturesCounted = 1'000;
constexpr std::size_t kTogetherMin = 3;

}  // namespace

class Shard::Engine {
public:
    Engine(ShardSettings settings, Assets assets, HeldLease lease, CommitOrder& order)
        : settings_(std::move(settings)),
          assets_(std::move(assets)),
          order_(order),
          writer_(settings_.postgres, lease, settings_.commit_timeout),
          key_tables_(settings_.key_tables_max),
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
                                              .opened = stored.seq != 0});
        }
        channel_count_ = channels_.size();
    }

    std::vector<Answer> process(std::vector<Request> requests, Time clock) {
        const auto now = batch_time(settings_.shard, settings_.shard_count, clock);
        for (const auto thoroughness : {Lookup::suspects, Lookup::everything}) {
            try {
                if (auto answers = try_process(requests, now, thoroughness)) return *answers;
            } catch (const pqxx::failure& error) {
                error_ = error.what();
                database_.reset();
                restore();
                break;
            }
        }
        return refuse_all(requests);
    }

    BatchWriter& writer() { return writer_; }
    std::string take_error() { return std::exchange(error_, {}); }
    std::size_t channel_count() const { return channel_count_; }
    std::uint64_t signatures_checked() const { return checks_published_; }

private:
    enum class Lookup { suspects, everything };
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
                                                   Lookup thoroughness) {
        // What an earlier batch left must not be put back by this one's failure.
        forget_groups();
        enter(BatchStage::decide);
        std::deque<BatchItem> items;
        for (const auto& request : requests) items.emplace_back().request = &request;
        open_channels(items, now);
        mark_posted(items);
        read_undone(items);
        const auto history = mark_suspects(items, thoroughness)
                                 ? read_history(connection(), suspects_)
                                 : PaymentHistory{};
        group(items);
        enter(BatchStage::verify);
        check_ahead(now);
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
        std::set<InferenceKey> keys;
        for (const auto& item : items) {
            const auto* request = std::get_if<PaymentRequest>(item.request);
            if (!request || item.suspect || item.is_known_new ||
                !std::holds_alternative<Refusal>(item.outcome))
                continue;
            const auto error = std::get<Refusal>(item.outcome).error;
            if (error == Error::forbidden || error == Error::channel_unknown) continue;
            keys.emplace(request->channel, inference_of(*request));
        }
        if (keys.empty()) return false;
        return !read_history(connection(), {keys.begin(), keys.end()}).empty();
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

    void mark_posted(std::deque<BatchItem>& items) {
        std::vector<std::pair<channel::Network, ChainLog>> logs;
        std::vector<BatchItem*> holders;
        std::set<std::pair<channel::TransactionHash, std::uint32_t>> in_batch;
        for (auto& item : items) {
            const ChainLog* log = nullptr;
            std::int32_t asset_id = 0;
            if (const auto* event = std::get_if<PostChannelEvent>(item.request)) {
                const auto found = channels_.find(event->channel);
                if (found == channels_.end()) continue;
                log = &event->log;
                asset_id = found->second.asset->id;
            } else if (const auto* posted = std::get_if<PostAssetEvent>(item.request)) {
                log = &posted->log;
                asset_id = posted->asset_id;
            }
            if (!log) continue;
            if (!in_batch.emplace(log->transaction, log->log_index).second) item.suspect = true;
            logs.emplace_back(assets_.at(asset_id).network, *log);
            holders.push_back(&item);
        }
        if (logs.empty()) return;
        const auto standing = standing_of(connection(), logs);
        for (std::size_t at = 0; at < holders.size(); ++at) {
            holders[at]->standing = standing[at];
            if (standing[at].kind == Standing::posted) holders[at]->suspect = true;
        }
    }

    void read_undone(std::deque<BatchItem>& items) {
        std::set<std::uint64_t> in_batch;
        for (auto& item : items) {
            const auto seq = std::visit(
                [](const auto& request) -> std::uint64_t {
                    if constexpr (requires { request.event_seq; })
                        return request.event_seq;
                    else
                        return 0;
                },
                *item.request);
            if (seq != 0 && in_batch.insert(seq).second)
                item.undoes = read_posted(connection(), seq);
        }
    }

    /// Fills `suspects_`; true when there are any.
    bool mark_suspects(std::deque<BatchItem>& items, Lookup thoroughness) {
        std::unordered_map<std::uint64_t, int> uses;
        for (auto& item : items) {
            const auto* request = std::get_if<PaymentRequest>(item.request);
            if (!request) continue;
            item.content = content_hash(*request);
            ++uses[SeenInferences::key(request->channel, inference_of(*request))];
        }
        std::set<InferenceKey> keys;
        for (auto& item : items) {
            const auto* request = std::get_if<PaymentRequest>(item.request);
            if (!request) continue;
            const auto& inference = inference_of(*request);
            const auto key = SeenInferences::key(request->channel, inference);
            item.is_known_new = !opens_inference(*request) && uses[key] == 1 &&
                                seen_steps_.is_new(request->channel, inference, item.content);
            item.suspect = thoroughness == Lookup::everything || uses[key] > 1 ||
                           (!item.is_known_new && is_suspect(*request, key));
            if (item.suspect) keys.emplace(request->channel, inference);
        }
        suspects_.assign(keys.begin(), keys.end());
        return !suspects_.empty();
    }

    bool is_suspect(const PaymentRequest& request, std::uint64_t key) const {
        if (opens_inference(request)) return seen_.contains(key);
        const auto found = channels_.find(request.channel);
        if (found == channels_.end()) return false;
        const auto& reservations = found->second.state.reservations;
        const auto reservation = reservations.find(inference_of(request));
        return reservation == reservations.end() || reservation->second.steps > 1;
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

    /// The signatures of known keys, all at once.
    void check_ahead(Time now) {
        key_tables_.begin_batch();
        questions_.clear();
        asked_.clear();
        for (auto* group : group_order_) {
            auto& channel = *group->channel;
            if (!channel.signer) continue;
            for (auto* item : likely_checks(channel, group->items, settings_.checking)) {
                const auto& voucher = *voucher_of(*item);
                const auto* signature = voucher.signature.as_of_key();
                if (!signature) continue;
                if (channel.signatures < kSignaturesCounted) ++channel.signatures;
                const auto* key = key_tables_.find(*channel.signer, channel.signatures, now);
                if (!key) continue;
                questions_.push_back({digest_of(channel, voucher), signature, key});
                asked_.push_back(item);
            }
        }
        // So few are checked as quickly one by one.
        if (questions_.size() < kTogetherMin) return;
        channel::answer(questions_);
        for (std::size_t at = 0; at < asked_.size(); ++at)
            asked_[at]->is_signed = questions_[at].is_good;
    }

    std::optional<std::vector<Answer>> commit(Batch& batch, std::deque<BatchItem>& items,
                                              const std::vector<Request>& requests, Time now) {
        auto prepared = writer_.prepare(batch, now);
        auto answers = draft_answers(items);
        {
            CommitOrder::Turn turn(order_, batch.ordinals);
            const bool written = write_ahead(prepared, batch, turn);
            enter(BatchStage::turn);
            turn.wait();
            enter(BatchStage::commit);
            if (written && !turn.foretold()) writer_.take_back();
            const auto outcome = writer_.commit(prepared);
            enter(BatchStage::publish);
            if (const auto* failure = std::get_if<BatchWriter::Failure>(&outcome)) {
                restore();
                error_ = failure->message;
                if (failure->kind == BatchWriter::Failure::already_there) return std::nullopt;
                return refuse_all(requests);
            }
            const auto base = std::get<BatchWriter::Committed>(outcome).base;
            turn.took_numbers_until(base + batch.ordinals);
            for (std::size_t at = 0; at < answers.size(); ++at)
                count_from(base, answers[at], items[at]);
            if (order_.published) order_.published(answers);
            if (order_.committed && is_of_payments(batch))
                order_.committed({static_cast<std::uint64_t>(base),
                                  static_cast<std::uint64_t>(batch.ordinals), now,
                                  std::move(batch.payments), std::move(batch.transfers)});
        }
        enter(BatchStage::decide);
        remember(items);
        return answers;
    }

    /// While others have their turn before it. Only payments: what comes from the chain changes
    /// accounts that shards have in common in more ways than charges do.
    bool write_ahead(BatchWriter::Prepared& prepared, const Batch& batch,
                     const CommitOrder::Turn& turn) {
        if (!turn.foretold() || turn.has_come() || !is_of_payments(batch)) return false;
        enter(BatchStage::commit);
        return writer_.write_ahead(prepared, *turn.foretold());
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
        created_.clear();
        channel_count_ = channels_.size();
        checks_published_ = checks_.count;
        for (const auto& item : items) {
            if (const auto* open = std::get_if<OpenChannel>(item.request))
                channels_.at(open->terms.id).opened = true;
            if (std::holds_alternative<BatchItem::Changed>(item.outcome))
                if (const auto* id = channel_of(*item.request))
                    seen_steps_.forget_ended(*id, channels_.at(*id).state);
            const auto* request = std::get_if<PaymentRequest>(item.request);
            if (!request) continue;
            const auto& inference = inference_of(*request);
            const auto* accepted = std::get_if<BatchItem::Accepted>(&item.outcome);
            if (accepted)
                seen_steps_.add(request->channel, inference, item.content, accepted->step,
                                channels_.at(request->channel).state);
            if (opens_inference(*request) &&
                (accepted || std::holds_alternative<BatchItem::Repeated>(item.outcome)))
                seen_.add(SeenInferences::key(request->channel, inference));
        }
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
    std::unordered_map<channel::ChannelId, LiveChannel> channels_;
    SeenInferences seen_;
    SeenSteps seen_steps_;
    KeyTables key_tables_;
    std::string error_;
    Checks checks_;
    std::atomic<std::size_t> channel_count_ = 0;
    std::atomic<std::uint64_t> checks_published_ = 0;

    // Of the batch in hand.
    std::unordered_map<channel::ChannelId, Group> groups_;
    std::vector<Group*> group_order_;
    std::vector<channel::ChannelId> created_;
    std::vector<InferenceKey> suspects_;
    std::vector<channel::SignatureQuestion> questions_;
    std::vector<BatchItem*> asked_;
};

Shard::Shard(ShardSettings settings, Assets assets, HeldLease lease, CommitOrder& order)
    : engine_(std::make_unique<Engine>(std::move(settings), std::move(assets), std::move(lease),
                                       order)) {}
Shard::~Shard() = default;

std::vector<Answer> Shard::process(std::vector<Request> batch, Time now) {
    return engine_->process(std::move(batch), now);
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
