// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChannelConfig, IBatchSettlement} from "../src/IBatchSettlement.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";
import {Wallet} from "./Wallet.sol";

contract RefundTest is Fixture {
    ChannelConfig private config;
    bytes32 private channelId;

    function setUp() public override {
        super.setUp();
        config = channel(1);
        channelId = open(config, 500);
    }

    function test_paysThePayerAtOnce() public {
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.Refunded(channelId, receiver, 200);
        _refund(receiver, 200);
        assertChannel(channelId, 300, 0);
        vm.assertEq(token.balanceOf(payer), MINTED - 300);
        vm.assertEq(settlement.refundNonce(channelId), 1);
    }

    function test_receiverAuthorizerMayRefund() public {
        _refund(receiverAuthorizer, 200);
        assertChannel(channelId, 300, 0);
    }

    function test_nobodyElseMayRefund() public {
        address[3] memory others = [payer, payerAuthorizer, stranger];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(IBatchSettlement.NotAuthorizedToRefund.selector);
            settlement.refund(config, 1);
        }
    }

    function test_refusesNothing() public {
        vm.prank(receiver);
        vm.expectRevert(IBatchSettlement.ZeroRefund.selector);
        settlement.refund(config, 0);
        bytes memory signature = refundSignature(RECEIVER_AUTHORIZER_KEY, channelId, 0, 0);
        vm.expectRevert(IBatchSettlement.ZeroRefund.selector);
        settlement.refundWithSignature(config, 0, 0, signature);
        vm.assertEq(settlement.refundNonce(channelId), 0);
    }

    function test_givesNoMoreThanIsUnclaimed() public {
        claim(config, 450);
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.Refunded(channelId, receiver, 50);
        _refund(receiver, 200);
        assertChannel(channelId, 450, 450);
    }

    function test_nonceAdvancesEvenWhenNothingMoves() public {
        claim(config, 500);
        vm.recordLogs();
        _refund(receiver, 1);
        vm.assertEq(emitted(IBatchSettlement.Refunded.selector), 0);
        vm.assertEq(settlement.refundNonce(channelId), 1);
        vm.assertEq(token.balanceOf(payer), MINTED - 500);
        assertChannel(channelId, 500, 500);
    }

    function test_drainingAnUnclaimedChannelClosesIt() public {
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.ChannelClosed(channelId, config);
        _refund(receiver, 500);
        assertChannel(channelId, 0, 0);
    }

    function test_drainingAClaimedChannelDoesNotCloseIt() public {
        claim(config, 1);
        vm.recordLogs();
        _refund(receiver, 500);
        vm.assertEq(emitted(IBatchSettlement.ChannelClosed.selector), 0);
    }

    function test_channelIsUsableAfterARefund() public {
        claim(config, 100);
        _refund(receiver, 500);
        open(config, 70);
        claim(config, 170);
        assertChannel(channelId, 170, 170);
    }

    function test_anyoneMayBringASignedRefund() public {
        bytes memory signature = refundSignature(RECEIVER_AUTHORIZER_KEY, channelId, 0, 200);
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.Refunded(channelId, RELAYER, 200);
        vm.prank(RELAYER);
        settlement.refundWithSignature(config, 200, 0, signature);
        vm.assertEq(settlement.refundNonce(channelId), 1);
        assertChannel(channelId, 300, 0);
    }

    function test_signedRefundWorksOnce() public {
        bytes memory signature = refundSignature(RECEIVER_AUTHORIZER_KEY, channelId, 0, 200);
        settlement.refundWithSignature(config, 200, 0, signature);
        vm.expectRevert(IBatchSettlement.InvalidRefundNonce.selector);
        settlement.refundWithSignature(config, 200, 0, signature);
        vm.expectRevert(IBatchSettlement.InvalidSignature.selector);
        settlement.refundWithSignature(config, 200, 1, signature);
    }

    function test_directRefundVoidsASignedOne() public {
        bytes memory signature = refundSignature(RECEIVER_AUTHORIZER_KEY, channelId, 0, 200);
        _refund(receiver, 1);
        vm.expectRevert(IBatchSettlement.InvalidRefundNonce.selector);
        settlement.refundWithSignature(config, 200, 0, signature);
    }

    function test_refusesAFutureNonceAnotherAmountAndAnotherSigner() public {
        bytes memory signature = refundSignature(RECEIVER_AUTHORIZER_KEY, channelId, 1, 200);
        vm.expectRevert(IBatchSettlement.InvalidRefundNonce.selector);
        settlement.refundWithSignature(config, 200, 1, signature);
        signature = refundSignature(RECEIVER_AUTHORIZER_KEY, channelId, 0, 200);
        vm.expectRevert(IBatchSettlement.InvalidSignature.selector);
        settlement.refundWithSignature(config, 201, 0, signature);
        signature = refundSignature(RECEIVER_KEY, channelId, 0, 200);
        vm.expectRevert(IBatchSettlement.InvalidSignature.selector);
        settlement.refundWithSignature(config, 200, 0, signature);
    }

    function test_smartWalletAuthorizesARefund() public {
        ChannelConfig memory other = channel(2);
        other.receiverAuthorizer = address(new Wallet(receiver));
        bytes32 otherId = open(other, 500);
        settlement.refundWithSignature(
            other, 200, 0, refundSignature(RECEIVER_KEY, otherId, 0, 200)
        );
        assertChannel(otherId, 300, 0);
    }

    function test_refundReducesAPendingWithdrawal() public {
        vm.prank(payer);
        settlement.initiateWithdraw(config, 300);
        vm.warp(NOON + 1);
        _refund(receiver, 100);
        assertPending(channelId, 200, NOON);
    }

    function test_refundThatCoversAPendingWithdrawalCancelsIt() public {
        vm.prank(payer);
        settlement.initiateWithdraw(config, 300);
        _refund(receiver, 300);
        assertPending(channelId, 0, 0);
        vm.warp(NOON + DELAY);
        vm.prank(payer);
        vm.expectRevert(IBatchSettlement.WithdrawalNotPending.selector);
        settlement.finalizeWithdraw(config);
    }

    function test_refundThatMovesNothingLeavesAPendingWithdrawal() public {
        vm.prank(payer);
        settlement.initiateWithdraw(config, 300);
        claim(config, 500);
        _refund(receiver, 300);
        assertPending(channelId, 300, NOON);
    }

    function testFuzz_paysTheLesserOfAskedAndUnclaimed(uint256 claimed, uint128 asked) public {
        uint128 total = bound(claimed, 0, 500);
        asked = bound(asked, 1, type(uint128).max);
        claim(config, total);
        _refund(receiver, asked);
        uint128 paid = asked < 500 - total ? asked : 500 - total;
        assertChannel(channelId, 500 - paid, total);
        vm.assertEq(token.balanceOf(payer), MINTED - 500 + paid);
        vm.assertEq(settlement.refundNonce(channelId), 1);
    }

    function _refund(address sender, uint128 amount) private {
        vm.prank(sender);
        settlement.refund(config, amount);
    }
}
