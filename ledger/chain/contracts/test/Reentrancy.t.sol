// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {BatchSettlement} from "../src/BatchSettlement.sol";
import {ChannelConfig, VoucherClaim} from "../src/IBatchSettlement.sol";
import {CallbackCollector} from "./Collectors.sol";
import {Fixture} from "./Fixture.sol";
import {HostileToken} from "./Tokens.sol";
import {vm} from "./Vm.sol";

/// Whoever is called while money moves, every door of the escrow is shut to them.
contract ReentrancyTest is Fixture {
    HostileToken private hostile;
    ChannelConfig private config;
    bytes32 private channelId;
    bytes[] private doors;

    function setUp() public override {
        super.setUp();
        hostile = new HostileToken(payer, 1000);
        config = channel(1);
        config.token = address(hostile);
        channelId = open(config, 500);
        claim(config, 100);
        vm.prank(payer);
        settlement.initiateWithdraw(config, 50);
        vm.warp(NOON + DELAY);

        VoucherClaim[] memory list = rows(row(config, 200, 200));
        doors.push(abi.encodeCall(BatchSettlement.deposit, (config, 1, COLLECTOR, "")));
        doors.push(abi.encodeCall(BatchSettlement.claim, (list)));
        doors.push(abi.encodeCall(BatchSettlement.claimWithSignature, (list, "")));
        doors.push(abi.encodeCall(BatchSettlement.settle, (receiver, address(hostile))));
        doors.push(abi.encodeCall(BatchSettlement.initiateWithdraw, (config, 1)));
        doors.push(abi.encodeCall(BatchSettlement.finalizeWithdraw, (config)));
        doors.push(abi.encodeCall(BatchSettlement.refund, (config, 1)));
        doors.push(abi.encodeCall(BatchSettlement.refundWithSignature, (config, 1, 0, "")));
        for (uint256 i = 0; i < 8; ++i) {
            bytes[] memory calls = new bytes[](1);
            calls[0] = doors[i];
            doors.push(abi.encodeCall(settlement.multicall, (calls)));
        }
    }

    function test_duringSettle() public {
        for (uint256 i = 0; i < doors.length; ++i) {
            _arm(doors[i]);
            settlement.settle(receiver, address(hostile));
        }
    }

    function test_duringRefund() public {
        for (uint256 i = 0; i < doors.length; ++i) {
            _arm(doors[i]);
            vm.prank(receiver);
            settlement.refund(config, 10);
        }
    }

    function test_duringWithdraw() public {
        for (uint256 i = 0; i < doors.length; ++i) {
            _arm(doors[i]);
            vm.prank(payer);
            settlement.finalizeWithdraw(config);
        }
    }

    function test_duringDepositByTheToken() public {
        bytes memory data = depositData(config, 10);
        for (uint256 i = 0; i < doors.length; ++i) {
            _arm(doors[i]);
            settlement.deposit(config, 10, COLLECTOR, data);
        }
    }

    function test_duringDepositByTheCollector() public {
        CallbackCollector collector = new CallbackCollector();
        for (uint256 i = 0; i < doors.length; ++i) {
            vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
            settlement.deposit(config, 10, address(collector), doors[i]);
        }
    }

    function test_guardOpensAgainAfterARefusal() public {
        _arm(doors[3]);
        settlement.settle(receiver, address(hostile));
        hostile.callOnTransfer(address(0), "");
        settlement.settle(receiver, address(hostile));
        vm.assertEq(hostile.balanceOf(receiver), 100);
    }

    /// A view asked in the middle of a payment already shows it done.
    function test_viewsDuringARefundShowItDone() public {
        BalanceWitness witness = new BalanceWitness(settlement, channelId);
        hostile.callOnTransfer(address(witness), abi.encodeCall(BalanceWitness.look, ()));
        vm.prank(receiver);
        settlement.refund(config, 10);
        vm.assertEq(witness.seen(), 490);
    }

    function _arm(bytes memory door) private {
        hostile.callOnTransfer(SETTLEMENT, door);
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
    }
}

contract BalanceWitness {
    BatchSettlement private immutable settlement;
    bytes32 private immutable channelId;
    uint128 public seen;

    constructor(BatchSettlement settlement_, bytes32 channelId_) {
        (settlement, channelId) = (settlement_, channelId_);
    }

    function look() external {
        (seen,) = settlement.channels(channelId);
    }
}
