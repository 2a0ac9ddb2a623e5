// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// A smart wallet that two keys sign for, one after the other in 130 bytes. For tests of the
/// service; it lets anybody close it, and make its answers dear.
contract TwoOwnerWallet is IERC1271 {
    address private immutable first;
    address private immutable second;
    bool public closed;
    uint256 public rounds;

    constructor(address first_, address second_) {
        (first, second) = (first_, second_);
    }

    /// Lets `spender` move all it has of the token.
    function approve(address token, address spender) external {
        IERC20(token).approve(spender, type(uint256).max);
    }

    function close() external {
        closed = true;
    }

    /// Each round of every answer costs some 200 gas.
    function setRounds(uint256 rounds_) external {
        rounds = rounds_;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature)
        external
        view
        returns (bytes4)
    {
        bytes32 work = hash;
        for (uint256 i = 0; i < rounds; ++i) {
            work = keccak256(abi.encode(work));
        }
        bool valid = !closed && signature.length == 130 && work != 0
            && ECDSA.recoverCalldata(hash, signature[:65]) == first
            && ECDSA.recoverCalldata(hash, signature[65:]) == second;
        return valid ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}
