// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {AuthorizationToken} from "../src/DevToken.sol";

/// A token with the EIP-712 domain of one's choice, to check signatures made elsewhere.
contract NamedToken is AuthorizationToken {
    constructor(string memory name, string memory version, address holder, uint256 amount)
        ERC20(name, name)
        EIP712(name, version)
    {
        _mint(holder, amount);
    }
}

/// A token that can be told to misbehave whenever it moves.
contract HostileToken is AuthorizationToken {
    uint256 private fee;
    bool private refusing;
    bytes private callback;
    address private callee;

    constructor(address holder, uint256 amount) ERC20("Hostile", "HST") EIP712("Hostile", "1") {
        _mint(holder, amount);
    }

    function charge(uint256 fee_) external {
        fee = fee_;
    }

    function refuse() external {
        refusing = true;
    }

    function callOnTransfer(address callee_, bytes calldata callback_) external {
        (callee, callback) = (callee_, callback_);
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return !refusing && super.transfer(to, value);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (callee != address(0)) Address.functionCall(callee, callback);
        super._update(from, to, value);
        if (fee != 0) super._update(to, address(0), fee);
    }
}
