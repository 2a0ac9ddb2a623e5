#pragma once

namespace support {

/// Code of a payer that says yes where gas has no price, as in a trial, and reverts in a block.
inline constexpr const char* kSaysNoInBlocks =
    "0x3a601457631626ba7e60e01b60005260206000f35b60006000fd";

}  // namespace support
