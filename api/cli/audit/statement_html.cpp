#include "api/cli/audit/statement_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace millrace::api {
namespace {

constexpr std::string_view kStyle = R"css(
@page { size: A4 landscape; margin: 14mm 14mm 16mm 14mm;
  @bottom-left { content: string(account); font: 7pt "DejaVu Sans Mono", monospace; color: #555; }
  @bottom-right { content: "Page " counter(page) " of " counter(pages);
    font: 8pt "DejaVu Sans", sans-serif; color: #555; } }
* { box-sizing: border-box; }
body { font: 9pt/1.35 "DejaVu Sans", "Helvetica Neue", Arial, sans-serif; color: #1c1c1c;
  margin: 0 auto; max-width: 277mm; }
h1 { font-size: 17pt; font-weight: bold; margin: 0 0 1mm; }
h2 { font-size: 11pt; margin: 0 0 2mm; }
.maker { margin: 0; font-size: 8pt; letter-spacing: .12em; text-transform: uppercase; color: #555; }
.id { font-family: "DejaVu Sans Mono", monospace; font-size: 7pt; overflow-wrap: anywhere; }
.name { string-set: account content(); }
table { border-collapse: collapse; width: 100%; }
.facts { margin: 5mm 0; width: auto; }
.facts th { text-align: left; font-weight: normal; color: #555; padding: 0 6mm 0 0;
  white-space: nowrap; vertical-align: top; }
.facts td { padding: 0; }
.sums { margin: 0 0 6mm; table-layout: fixed; border-top: .8pt solid #1c1c1c;
  border-bottom: .8pt solid #1c1c1c; }
.sums th { text-align: right; font-weight: normal; color: #555; font-size: 8pt;
  padding: 1.5mm 2mm 0; }
.sums td { text-align: right; font-size: 11pt; padding: 0 2mm 1.5mm; white-space: nowrap; }
.legs { table-layout: fixed; }
.legs th { font-size: 7.5pt; text-align: left; padding: 1.2mm; background: #ececec;
  border-bottom: .8pt solid #1c1c1c; overflow-wrap: anywhere; vertical-align: bottom; }
.legs td { font-size: 7.5pt; padding: 1mm 1.2mm; vertical-align: top;
  border-bottom: .3pt solid #cfcfcf; }
.legs tr { break-inside: avoid; }
.legs .figure, .sums td, .legs .when { font-variant-numeric: tabular-nums; white-space: nowrap; }
.legs .figure { text-align: right; }
.legs.long .figure { font-size: 5.5pt; }
.sums.long td { font-size: 7.5pt; }
.legs .edge td { font-weight: bold; background: #f6f6f6; }
.legs .id { font-size: 6.5pt; }
.side { color: #555; font-size: 7pt; font-weight: normal; }
.proof { margin-top: 8mm; break-inside: avoid; }
.proof pre { font: 7.5pt/1.4 "DejaVu Sans Mono", monospace; background: #f6f6f6;
  border: .3pt solid #cfcfcf; padding: 2.5mm; white-space: pre-wrap; overflow-wrap: anywhere; }
.proof li { margin-bottom: .8mm; }
code { font-family: "DejaVu Sans Mono", monospace; font-size: .9em; overflow-wrap: anywhere; }
@media screen { body { padding: 8mm; } .legs thead { position: sticky; top: 0; } }
)css";

std::string safe(std::string_view text) {
    std::string out;
    for (const char letter : text) {
        switch (letter) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += letter;
        }
    }
    return out;
}

/// The page's own words for a time: without "T", and to the second.
std::string readable(std::string_view at) {
    constexpr std::size_t kDay = 10;
    constexpr std::size_t kSeconds = 19;
    if (at.size() < kSeconds) return safe(at);
    return safe(at.substr(0, kDay)) + ' ' + safe(at.substr(kDay + 1, kSeconds - kDay - 1));
}

std::string balance_html(const StatementBalance& balance) {
    return fmt::format(R"({} <span class="side">{}</span>)", safe(balance.amount),
                       balance.side == "debit" ? "Dr" : "Cr");
}

std::string fact(std::string_view name, const std::string& html) {
    return fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", name, html);
}

/// What an account's name has behind network and token, which are the same in the whole statement.
std::string counter_html(std::string_view account) {
    auto rest = account;
    for (int part = 0; part < 2; ++part) {
        const auto colon = rest.find(':');
        if (colon == std::string_view::npos)
            return fmt::format(R"(<span class="id">{}</span>)", safe(account));
        rest.remove_prefix(colon + 1);
    }
    const auto colon = rest.find(':');
    auto html = safe(rest.substr(0, colon));
    if (colon != std::string_view::npos)
        html += fmt::format(R"( <span class="id">{}</span>)", safe(rest.substr(colon + 1)));
    return html;
}

std::string moment_html(const std::string& seq, const std::string& asked,
                        std::string_view otherwise) {
    auto html = "seq " + safe(seq);
    if (asked.empty())
        html += fmt::format(" ({})", otherwise);
    else if (asked != seq)
        html += fmt::format(" ({})", safe(asked));
    return html;
}

std::string facts(const StatementHead& head) {
    auto html =
        fact("Account", fmt::format(R"(<span class="id name">{}</span>)", safe(head.account))) +
        fact("Kind", safe(head.kind));
    if (!head.owner.empty())
        html += fact(head.kind == "channel" ? "Channel" : "Receiver",
                     fmt::format(R"(<span class="id">{}</span>)", safe(head.owner)));
    html += fact("Token", fmt::format(R"({} on {}, <span class="id">{}</span>)", safe(head.symbol),
                                      safe(head.network), safe(head.token)));
    html += fact("Period", "after " + moment_html(head.from_seq, head.from_asked, "the beginning") +
                               ", up to and including " +
                               moment_html(head.to_seq, head.to_asked, "all there was"));
    html += fact("Books", "at seq " + safe(head.seq));
    html += fact("Produced", readable(head.produced_at) + " UTC from <code>" +
                                 safe(head.service_url) + "</code>");
    return html;
}

/// How much room the widest figure takes, with its side: none of the statement has more digits than
/// its sums, but that a balance within may have one more.
std::size_t figure_length(const StatementHead& head) {
    constexpr std::size_t kSideAndMore = 4;
    return std::max({head.opening.amount.size(), head.closing.amount.size(), head.debits.size(),
                     head.credits.size()}) +
           kSideAndMore;
}

/// Beyond this, figures are set smaller.
constexpr std::size_t kFigureLengthUsual = 26;

/// Widths are given, because it takes a maker of pages minutes to find them for thousands of rows.
std::string legs_columns(const StatementHead& head) {
    const auto length = figure_length(head);
    const std::size_t tenths_each = length > kFigureLengthUsual ? 36 : 48;
    const auto figure = std::max<std::size_t>((length * tenths_each + 70) / 10, 60);
    const auto seq = 12 + 5 * std::max<std::size_t>(head.to_seq.size(), 3);
    return fmt::format(
        R"(<colgroup><col style="width: 99pt"><col style="width: {0}pt"><col style="width: 98pt"><col>
<col style="width: {1}pt"><col style="width: {1}pt"><col style="width: {1}pt"></colgroup>
)",
        seq, figure);
}

std::string begin(const StatementHead& head) {
    return fmt::format(
        R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Statement of account {0}, seq {1} to {2}</title>
<style>{3}</style>
</head>
<body>
<p class="maker">Millrace</p>
<h1>Statement of account</h1>
<table class="facts">
{4}</table>
<table class="sums{10}">
<tr><th>Opening balance</th><th>Debits</th><th>Credits</th><th>Closing balance</th></tr>
<tr><td>{5}</td><td>{6}</td><td>{7}</td><td>{8}</td></tr>
</table>
<table class="legs{10}">
{11}<thead><tr><th>Date (UTC)</th><th class="figure">Seq</th><th>Cause</th><th>Counter account</th>
<th class="figure">Debit {9}</th><th class="figure">Credit {9}</th>
<th class="figure">Balance {9}</th></tr></thead>
<tbody>
<tr class="edge"><td colspan="4">Opening balance</td><td></td><td></td>
<td class="figure">{5}</td></tr>
)",
        safe(head.account), safe(head.from_seq), safe(head.to_seq), kStyle, facts(head),
        balance_html(head.opening), safe(head.debits), safe(head.credits),
        balance_html(head.closing), safe(head.symbol),
        figure_length(head) > kFigureLengthUsual ? " long" : "", legs_columns(head));
}

std::string line(const StatementHead&, const StatementLine& line) {
    auto cause = safe(line.cause);
    for (auto& letter : cause)
        if (letter == '_') letter = ' ';
    if (!line.reverses.empty()) cause += " of " + safe(line.reverses);
    return fmt::format(
        R"(<tr><td class="when">{}</td><td class="figure">{}</td><td>{}</td>
<td class="counter">{}</td><td class="figure">{}</td><td class="figure">{}</td>
<td class="figure">{}</td></tr>
)",
        readable(line.at), safe(line.seq), cause, counter_html(line.counter_account),
        safe(line.debit), safe(line.credit), balance_html(line.balance));
}

std::string reach(const StatementHead& head, const std::string& note) {
    const auto size = tree_size(note);
    if (!size) return {};
    std::uint64_t to = 0;
    std::from_chars(head.to_seq.data(), head.to_seq.data() + head.to_seq.size(), to);
    return fmt::format(
        "<p>This head covers everything up to seq {}{}.</p>\n", *size,
        *size < to ? "; what is behind it is not sealed yet, and a later head has it" : "");
}

std::string proof_html(const StatementHead& head, const StatementProof& proof) {
    if (!proof.note) return "<p>There is no tree head yet.</p>\n";
    return fmt::format(
        R"(<p>The newest signed head of the transparency log when this was produced:</p>
<pre>{}</pre>
{}<h2>How to verify</h2>
<ol>
<li>Check the signature of the head with the log's key (<code>GET /v1/log/key</code>): the note is a
C2SP tlog-checkpoint.</li>
<li><code>GET /v1/log/proof/inclusion?seq=N</code> proves that the entry with seq N of this statement
stands under the head (RFC 6962).</li>
<li><code>GET /v1/log/proof/consistency?from=SIZE</code> proves that every later head still contains
this one; SIZE is the second line above.</li>
<li><code>millrace audit statement</code> with the same account and period gives the same figures at
any later time; <code>millrace audit verify</code> recomputes all of them.</li>
</ol>
)",
        safe(*proof.note), reach(head, *proof.note));
}

std::string end(const StatementHead& head, const StatementProof& proof) {
    return fmt::format(
        R"(<tr class="edge"><td colspan="4">Totals of the period</td><td class="figure">{}</td>
<td class="figure">{}</td><td></td></tr>
<tr class="edge"><td colspan="4">Closing balance</td><td></td><td></td>
<td class="figure">{}</td></tr>
</tbody>
</table>
<p class="side">Counter accounts are of the same network and token. Dr: the account stands on its debit
side; Cr: on its credit side.</p>
<section class="proof">
<h2>Proof</h2>
{}</section>
</body>
</html>
)",
        safe(head.debits), safe(head.credits), balance_html(head.closing), proof_html(head, proof));
}

}  // namespace

const StatementFormat kHtmlStatement{begin, line, end};

std::optional<std::uint64_t> tree_size(const std::string& note) {
    const auto first = note.find('\n');
    if (first == std::string::npos) return std::nullopt;
    const auto second = note.find('\n', first + 1);
    if (second == std::string::npos) return std::nullopt;
    std::uint64_t size = 0;
    const auto* last = note.data() + second;
    const auto [read, error] = std::from_chars(note.data() + first + 1, last, size);
    if (error != std::errc{} || read != last) return std::nullopt;
    return size;
}

}  // namespace millrace::api
