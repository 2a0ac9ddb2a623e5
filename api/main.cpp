#include "api/cli/run_command.hpp"

int main(int argc, char** argv) {
    return millrace::api::run_command(argc, argv);
}
