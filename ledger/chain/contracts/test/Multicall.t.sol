// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {BatchSettlement} from "../src/BatchSettlement.sol";
import {ChannelConfig, IBatchSettlement, VoucherClaim} from "../src/IBatchSettlement.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

contract MulticallTest is Fixture {
    function test_claimsAndSettlesAtOnce() public {
        open(channel(1), 500);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(BatchSettlement.claim, (rows(row(channel(1), 200, 200))));
        calls[1] = abi.encodeCall(BatchSettlement.settle, (receiver, address(token)));
        vm.prank(receiver);
        bytes[] memory results = settlement.multicall(calls);
        vm.assertEq(results.length, 2);
        assertReceiver(receiver, 200, 200);
        vm.assertEq(token.balanceOf(receiver), 200);
    }

    function test_closesAChannelOnTwoSignatures() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = open(config, 500);
        VoucherClaim[] memory list = rows(row(config, 200, 200));
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(
            BatchSettlement.claimWithSignature,
            (list, batchSignature(RECEIVER_AUTHORIZER_KEY, list))
        );
        calls[1] = abi.encodeCall(
            BatchSettlement.refundWithSignature,
            (config, 300, 0, refundSignature(RECEIVER_AUTHORIZER_KEY, channelId, 0, 300))
        );
        vm.prank(RELAYER);
        settlement.multicall(calls);
        assertChannel(channelId, 200, 200);
        vm.assertEq(token.balanceOf(payer), MINTED - 200);
    }

    function test_keepsTheSender() public {
        open(channel(1), 500);
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(BatchSettlement.refund, (channel(1), 200));
        vm.prank(stranger);
        vm.expectRevert(IBatchSettlement.NotAuthorizedToRefund.selector);
        settlement.multicall(calls);
    }

    function test_answersViews() public {
        bytes32 channelId = open(channel(1), 500);
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(settlement.channels, (channelId));
        vm.assertEq(settlement.multicall(calls)[0], abi.encode(500, 0));
    }

    function test_oneFailureUndoesAll() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = open(config, 500);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(BatchSettlement.refund, (config, 200));
        calls[1] = abi.encodeCall(BatchSettlement.refund, (config, 0));
        vm.prank(receiver);
        vm.expectRevert(IBatchSettlement.ZeroRefund.selector);
        settlement.multicall(calls);
        assertChannel(channelId, 500, 0);
    }

    function test_refusesAnUnknownCall() public {
        bytes[] memory calls = new bytes[](1);
        calls[0] = hex"deadbeef";
        vm.expectRevert(Errors.FailedCall.selector);
        settlement.multicall(calls);
    }
}
