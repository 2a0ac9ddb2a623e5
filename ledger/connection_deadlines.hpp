#pragma once

#include <string>

namespace millrace::ledger {

/// The same database, in keyword form, with deadlines for what its URI leaves open, so that nobody
/// waits for ever for a server whose machine or network is gone: 5 s to connect, and 30 s until a
/// connection breaks whose other end is silent (libpq: connect_timeout, tcp_user_timeout,
/// keepalives_*). A server that is slow, but there, is waited for. Throws std::invalid_argument,
/// with what libpq says, when `postgres` is malformed.
std::string with_deadlines(const std::string& postgres);

}  // namespace millrace::ledger
