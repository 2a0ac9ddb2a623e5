#pragma once

namespace millrace::api {

/// The program: reads the command line, does what it asks, and gives the exit code. Never throws;
/// what goes wrong is told on standard error with its cause and its remedy.
int run_command(int argc, char** argv);

}  // namespace millrace::api
