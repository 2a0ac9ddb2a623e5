// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// A smart wallet of one owner, which can be told to refuse.
contract Wallet is IERC1271 {
    address private immutable owner;
    bool public closed;

    constructor(address owner_) {
        owner = owner_;
    }

    /// Lets `spender` move all it has of the token.
    function approve(address token, address spender) external {
        IERC20(token).approve(spender, type(uint256).max);
    }

    function close() external {
        closed = true;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature)
        external
        view
        returns (bytes4)
    {
        bool valid = !closed && ECDSA.recoverCalldata(hash, signature) == owner;
        return valid ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}
