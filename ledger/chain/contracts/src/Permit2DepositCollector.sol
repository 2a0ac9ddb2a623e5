// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IDepositCollector} from "./IDepositCollector.sol";
import {ISignatureTransfer} from "./ISignatureTransfer.sol";

/// Collects a deposit by the payer's Permit2 signature, for tokens without ERC-3009. Its witness is
/// the channel, so it can fund no other one, and its spender is this contract, so nobody can use it
/// around this contract.
contract Permit2DepositCollector is IDepositCollector {
    /// The escrow's canonical address. Anyone else could take the tokens without crediting the
    /// channel.
    address public constant SETTLEMENT = 0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003;
    /// Permit2's address, the same on every chain.
    address public constant PERMIT2 = 0x000000000022D473030F116dDEE9F6B43aC78BA3;

    bytes32 private constant WITNESS_TYPEHASH = keccak256("DepositWitness(bytes32 channelId)");
    string private constant WITNESS_TYPE =
        "DepositWitness witness)DepositWitness(bytes32 channelId)TokenPermissions(address token,uint256 amount)";

    error NotSettlement();

    /// `data` is abi.encode(uint256 nonce, uint256 deadline, bytes signature, bytes eip2612Data),
    /// eip2612Data empty or abi.encode(uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32
    /// s): the payer's ERC-2612 permit that lets Permit2 move the token.
    function collect(
        address payer,
        address token,
        uint256 amount,
        bytes32 channelId,
        bytes calldata data
    ) external {
        require(msg.sender == SETTLEMENT, NotSettlement());
        (uint256 nonce, uint256 deadline, bytes memory signature, bytes memory eip2612Data) =
            abi.decode(data, (uint256, uint256, bytes, bytes));
        if (eip2612Data.length != 0) _approve(payer, token, eip2612Data);
        ISignatureTransfer(PERMIT2)
            .permitWitnessTransferFrom(
                ISignatureTransfer.PermitTransferFrom(
                    ISignatureTransfer.TokenPermissions(token, amount), nonce, deadline
                ),
                ISignatureTransfer.SignatureTransferDetails(SETTLEMENT, amount),
                payer,
                keccak256(abi.encode(WITNESS_TYPEHASH, channelId)),
                WITNESS_TYPE,
                signature
            );
    }

    /// Whether the permit works does not matter: somebody may have used it first, so that the
    /// allowance is there all the same. If it is not, the transfer fails.
    function _approve(address payer, address token, bytes memory eip2612Data) private {
        (uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) =
            abi.decode(eip2612Data, (uint256, uint256, uint8, bytes32, bytes32));
        try IERC20Permit(token).permit(payer, PERMIT2, value, deadline, v, r, s) {} catch {}
    }
}
