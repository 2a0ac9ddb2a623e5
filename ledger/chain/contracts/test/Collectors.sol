// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {IDepositCollector} from "../src/IDepositCollector.sol";

/// Brings, by allowance, the amount the data names instead of the one asked for.
contract AllowanceCollector is IDepositCollector {
    function collect(address payer, address token, uint256, bytes32, bytes calldata data) external {
        require(IERC20(token).transferFrom(payer, msg.sender, abi.decode(data, (uint256))));
    }
}

/// Calls back into the escrow before it brings anything.
contract CallbackCollector is IDepositCollector {
    function collect(address, address, uint256, bytes32, bytes calldata data) external {
        Address.functionCall(msg.sender, data);
    }
}
