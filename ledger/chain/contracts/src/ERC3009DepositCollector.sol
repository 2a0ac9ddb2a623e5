// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IDepositCollector} from "./IDepositCollector.sol";

/// The overload that also accepts the signatures of smart wallets.
interface IReceiveWithAuthorization {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}

/// Collects a deposit by the payer's ERC-3009 authorization. Its nonce commits to the channel, so
/// it can fund no other one, and names this contract as the recipient, so nobody can use it around
/// this contract.
contract ERC3009DepositCollector is IDepositCollector {
    using SafeERC20 for IERC20;

    /// The escrow's canonical address. Anyone else could take the tokens without crediting the
    /// channel.
    address public constant SETTLEMENT = 0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003;

    error NotSettlement();

    /// `data` is abi.encode(uint256 validAfter, uint256 validBefore, uint256 salt, bytes
    /// signature).
    function collect(
        address payer,
        address token,
        uint256 amount,
        bytes32 channelId,
        bytes calldata data
    ) external {
        require(msg.sender == SETTLEMENT, NotSettlement());
        (uint256 validAfter, uint256 validBefore, uint256 salt, bytes memory signature) =
            abi.decode(data, (uint256, uint256, uint256, bytes));
        bytes32 nonce = keccak256(abi.encode(channelId, salt));
        IReceiveWithAuthorization(token)
            .receiveWithAuthorization(
                payer, address(this), amount, validAfter, validBefore, nonce, signature
            );
        IERC20(token).safeTransfer(SETTLEMENT, amount);
    }
}
