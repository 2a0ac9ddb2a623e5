// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ChannelConfig, IBatchSettlement} from "../src/IBatchSettlement.sol";
import {Fixture} from "./Fixture.sol";
import {HostileToken} from "./Tokens.sol";
import {vm} from "./Vm.sol";

contract SettleTest is Fixture {
    function test_paysAllThatIsClaimedInOneTransfer() public {
        open(channel(1), 500);
        open(channel(2), 500);
        claim(channel(1), 200);
        claim(channel(2), 30);

        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.Settled(receiver, address(token), RELAYER, 230);
        vm.prank(RELAYER);
        settlement.settle(receiver, address(token));

        assertReceiver(receiver, 230, 230);
        vm.assertEq(token.balanceOf(receiver), 230);
        vm.assertEq(token.balanceOf(SETTLEMENT), 770);
    }

    function test_paysTheDifferenceLater() public {
        open(channel(1), 500);
        claim(channel(1), 200);
        settlement.settle(receiver, address(token));
        claim(channel(1), 500);
        settlement.settle(receiver, address(token));
        assertReceiver(receiver, 500, 500);
        vm.assertEq(token.balanceOf(receiver), 500);
    }

    function test_isSilentWhenNothingIsDue() public {
        open(channel(1), 500);
        vm.recordLogs();
        settlement.settle(receiver, address(token));
        settlement.settle(stranger, stranger);
        vm.assertEq(emitted(IBatchSettlement.Settled.selector), 0);
        vm.assertEq(token.balanceOf(receiver), 0);
    }

    function test_aTokenThatRefusesLeavesTheMoneyDue() public {
        HostileToken other = new HostileToken(payer, 500);
        ChannelConfig memory config = channel(1);
        config.token = address(other);
        open(config, 500);
        claim(config, 500);
        other.refuse();
        vm.expectRevert(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(other))
        );
        settlement.settle(receiver, address(other));
        (uint128 claimed, uint128 settled) = settlement.receivers(receiver, address(other));
        vm.assertEq(claimed, 500);
        vm.assertEq(settled, 0);
    }
}
