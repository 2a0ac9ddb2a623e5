// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// One way of bringing a payer's tokens into escrow.
interface IDepositCollector {
    /// Moves exactly `amount` of `token` from `payer` to the caller, or reverts. The payer's
    /// consent must be bound to `channelId`, because anyone may call deposit. `data` is the
    /// method's own encoding of that consent.
    function collect(
        address payer,
        address token,
        uint256 amount,
        bytes32 channelId,
        bytes calldata data
    ) external;
}
