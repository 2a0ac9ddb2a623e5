// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChannelConfig, IBatchSettlement, VoucherClaim} from "../src/IBatchSettlement.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

contract WithdrawTest is Fixture {
    ChannelConfig private config;
    bytes32 private channelId;

    function setUp() public override {
        super.setUp();
        config = channel(1);
        channelId = open(config, 500);
    }

    function test_announcesWithoutMovingAnything() public {
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.WithdrawInitiated(channelId, 400, uint40(NOON) + DELAY);
        vm.prank(payer);
        settlement.initiateWithdraw(config, 400);
        assertPending(channelId, 400, NOON);
        assertChannel(channelId, 500, 0);
        vm.assertEq(token.balanceOf(SETTLEMENT), 500);
    }

    function test_paysAfterTheDelayAndNotOneSecondBefore() public {
        _initiate(payerAuthorizer, 400);
        vm.warp(NOON + DELAY - 1);
        vm.prank(payer);
        vm.expectRevert(IBatchSettlement.WithdrawDelayNotElapsed.selector);
        settlement.finalizeWithdraw(config);

        vm.warp(NOON + DELAY);
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.WithdrawFinalized(channelId, payerAuthorizer, 400);
        vm.recordLogs();
        vm.prank(payerAuthorizer);
        settlement.finalizeWithdraw(config);

        vm.assertEq(emitted(IBatchSettlement.ChannelClosed.selector), 0);
        assertPending(channelId, 0, 0);
        assertChannel(channelId, 100, 0);
        vm.assertEq(token.balanceOf(payer), MINTED - 100);
    }

    function test_onlyThePayerSideWithdraws() public {
        address[3] memory others = [receiver, receiverAuthorizer, stranger];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(IBatchSettlement.NotAuthorizedToFinalizeWithdraw.selector);
            settlement.initiateWithdraw(config, 1);
        }
        _initiate(payer, 1);
        vm.warp(NOON + DELAY);
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(IBatchSettlement.NotAuthorizedToFinalizeWithdraw.selector);
            settlement.finalizeWithdraw(config);
        }
    }

    function test_onePendingAtATime() public {
        _initiate(payer, 1);
        _initiateRefused(1, IBatchSettlement.WithdrawalAlreadyPending.selector);
        vm.warp(NOON + DELAY);
        _finalize();
        _initiate(payer, 1);
    }

    function test_refusesNothing() public {
        _initiateRefused(0, IBatchSettlement.NothingToWithdraw.selector);
    }

    function test_refusesMoreThanIsUnclaimed() public {
        claim(config, 200);
        _initiateRefused(301, IBatchSettlement.WithdrawAmountExceedsAvailable.selector);
        _initiate(payer, 300);
    }

    function test_refusesAChannelThatNeverWas() public {
        vm.prank(payer);
        vm.expectRevert(IBatchSettlement.WithdrawAmountExceedsAvailable.selector);
        settlement.initiateWithdraw(channel(2), 1);
    }

    function test_refusesToEndWhatWasNotBegun() public {
        vm.prank(payer);
        vm.expectRevert(IBatchSettlement.WithdrawalNotPending.selector);
        settlement.finalizeWithdraw(config);
    }

    function test_claimsDuringTheDelayComeFirst() public {
        _initiate(payer, 400);
        claim(config, 450);
        vm.warp(NOON + DELAY);
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.WithdrawFinalized(channelId, payer, 50);
        _finalize();
        assertChannel(channelId, 450, 450);
        assertPending(channelId, 0, 0);
    }

    function test_withNothingLeftTheRequestIsClearedAllTheSame() public {
        _initiate(payer, 400);
        claim(config, 500);
        vm.warp(NOON + DELAY);
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.WithdrawFinalized(channelId, payer, 0);
        _finalize();
        assertChannel(channelId, 500, 500);
        assertPending(channelId, 0, 0);
    }

    function test_drainingAnUnclaimedChannelClosesIt() public {
        _initiate(payer, 500);
        vm.warp(NOON + DELAY);
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.ChannelClosed(channelId, config);
        _finalize();
        assertChannel(channelId, 0, 0);
    }

    function test_drainingAClaimedChannelDoesNotCloseIt() public {
        claim(config, 1);
        _initiate(payer, 499);
        vm.warp(NOON + DELAY);
        vm.recordLogs();
        _finalize();
        vm.assertEq(emitted(IBatchSettlement.ChannelClosed.selector), 0);
        assertChannel(channelId, 1, 1);
    }

    function test_voucherIsWorthlessOnceTheMoneyIsGone() public {
        _initiate(payer, 500);
        vm.warp(NOON + DELAY);
        _finalize();
        VoucherClaim[] memory list = rows(row(config, 1, 1));
        vm.prank(receiver);
        vm.expectRevert(IBatchSettlement.ClaimExceedsBalance.selector);
        settlement.claim(list);
    }

    function testFuzz_paysTheLesserOfAskedAndUnclaimed(
        uint256 asked,
        uint256 claimed,
        uint256 refunded
    ) public {
        uint128 amount = bound(asked, 1, 500);
        _initiate(payer, amount);
        uint128 total = bound(claimed, 0, 500);
        claim(config, total);
        uint128 back = bound(refunded, 0, 500 - total);
        if (back != 0) {
            vm.prank(receiver);
            settlement.refund(config, back);
        }
        if (back >= amount) return assertPending(channelId, 0, 0);

        vm.warp(NOON + DELAY);
        _finalize();
        uint128 available = 500 - total - back;
        uint128 paid = amount - back < available ? amount - back : available;
        assertChannel(channelId, 500 - back - paid, total);
        vm.assertEq(token.balanceOf(payer), MINTED - 500 + back + paid);
    }

    function _initiate(address sender, uint128 amount) private {
        vm.prank(sender);
        settlement.initiateWithdraw(config, amount);
    }

    function _initiateRefused(uint128 amount, bytes4 reason) private {
        vm.prank(payer);
        vm.expectRevert(reason);
        settlement.initiateWithdraw(config, amount);
    }

    function _finalize() private {
        vm.prank(payer);
        settlement.finalizeWithdraw(config);
    }
}
